"""The command group. Celery adds it to its own under the group's name."""

from __future__ import annotations

import click
from celery import Celery
from celery.bin.base import CLIContext

from flowforge import __version__
from flowforge.cli.bulk import bulk
from flowforge.cli.control import cancel, delete, pause, resume, retry
from flowforge.cli.dead_letters import dead_letters
from flowforge.cli.doctor import doctor
from flowforge.cli.edit import edit
from flowforge.cli.errors import errors
from flowforge.cli.explain import explain
from flowforge.cli.flows import flows
from flowforge.cli.fork import fork
from flowforge.cli.group import FlowForgeGroup
from flowforge.cli.history import history
from flowforge.cli.hooks import hooks
from flowforge.cli.jobs import jobs
from flowforge.cli.label import label
from flowforge.cli.logs import logs
from flowforge.cli.render import say
from flowforge.cli.rerun import rerun
from flowforge.cli.run import run
from flowforge.cli.run_now import run_now
from flowforge.cli.session import META_KEY, Session
from flowforge.cli.show import show
from flowforge.cli.skip import skip
from flowforge.cli.ui import ui
from flowforge.cli.watch import watch
from flowforge.cli.worker import worker
from flowforge.settings import unknown_variables


@click.group("flowforge", cls=FlowForgeGroup)
@click.version_option(__version__, package_name="flowforge")
@click.option(
    "--redis-url", metavar="URL", help="Server of the jobs; default: FLOWFORGE_REDIS_URL."
)
@click.option(
    "--prefix", metavar="TEXT", help="First part of every key; default: FLOWFORGE_PREFIX."
)
@click.pass_context
def cli(ctx: click.Context, redis_url: str | None, prefix: str | None) -> None:
    """Run flows, look at their jobs and control them."""
    ctx.meta[META_KEY] = Session(ctx, _app_of(ctx), redis_url, prefix)
    # A worker logs them at its start.
    if ctx.invoked_subcommand != worker.name:
        for text in unknown_variables():
            say(f"warning: {text}", err=True)


def _app_of(ctx: click.Context) -> Celery | None:
    """The app of ``celery -A app flowforge``; None without ``-A`` and for ``flowforge`` itself."""
    if isinstance(ctx.obj, CLIContext) and ctx.parent is not None and ctx.parent.params.get("app"):
        app: Celery = ctx.obj.app
        return app
    return None


for _command in (
    run, worker, watch, flows, jobs, errors, show, explain, history, logs, pause, resume,
    cancel, retry, edit, skip, run_now, rerun, fork, label, delete, bulk, hooks, doctor,
    dead_letters, ui,
):  # fmt: skip
    cli.add_command(_command)
