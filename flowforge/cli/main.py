"""The command group. Celery adds it to its own under the group's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flowforge import __version__
from flowforge.cli.group import FlowForgeGroup, Given

if TYPE_CHECKING:
    from celery import Celery

#: Commands; each is in the module of its name, but for those that are a few lines each.
_COMMANDS = [
    "run", "worker", "watch", "flows", "jobs", "errors", "show", "explain", "history", "logs",
    "edit", "skip", "run-now", "reschedule", "start-now", "rerun", "fork", "label", "bulk",
    "schedules", "hooks", "expects", "deliver", "queues", "limits", "doctor", "metrics", "audit",
    "dead-letters", "ui", "new", "dev", "graph", "top",
]  # fmt: skip
_AT_BREAKPOINTS = ["break", "step", "continue"]
_IN_CONTROL = ["pause", "resume", "cancel", "retry", "delete"]

_MODULES = {
    **{name: name.replace("-", "_") for name in _COMMANDS},
    **dict.fromkeys(_IN_CONTROL, "control"),
    **dict.fromkeys(_AT_BREAKPOINTS, "breakpoints"),
}


@click.group("flowforge", cls=FlowForgeGroup, modules=_MODULES)
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
    Given(ctx, _app_of(ctx), redis_url, prefix).keep()


def _app_of(ctx: click.Context) -> Celery | None:
    """The app of ``celery -A app flowforge``; None without ``-A`` and for ``flowforge`` itself."""
    if ctx.parent is not None and ctx.parent.params.get("app"):
        # The object of Celery's own group.
        app: Celery = ctx.parent.obj.app
        return app
    return None
