"""``flowforge metrics``: what Prometheus reads of a fleet."""

from __future__ import annotations

import click

from flowforge.cli.group import CommandFailedError
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import say
from flowforge.metrics.exposition import Page
from flowforge.metrics.fleet import FleetMetrics
from flowforge.metrics.serving import MetricsServer
from flowforge.store.fleet_reads.placement import PATIENCE
from flowforge.store.server.client import describe
from flowforge.store.server.link import ServerLink
from flowforge.store.store import Store


@click.command("metrics")
@click.option("--once", is_flag=True, help="Print them once, and end.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9464, show_default=True,
    help="Port to serve them on; 0: any that is free.",
)  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve them on.")
@pass_session
def metrics(session: Session, once: bool, port: int, host: str) -> None:
    """Serve the metrics of the fleet to Prometheus, on /metrics.

    They are read from the servers when Prometheus asks, so one such process is enough for a fleet.
    """
    fleet = [
        FleetMetrics(
            Store(ServerLink(engine.client, PATIENCE), engine.settings.prefix),
            describe(engine.client.connection_pool),
        )
        for engine in session.engines()
    ]

    def text() -> str:
        page = Page()
        for one in fleet:
            one.add_to(page)
        return page.text()

    if once:
        click.echo(text(), nl=False)
        return
    try:
        server = MetricsServer(host, port, text)
    except OSError as error:
        raise CommandFailedError(f"cannot serve on {host}:{port}: {error}") from error
    say(f"metrics: http://{host}:{server.port}/metrics", err=True)
    server.serve()
