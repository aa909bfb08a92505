"""``flowforge worker``: a worker of the fleet, with Celery's own options."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from flowforge.cli.group import Given, pass_given
from flowforge.dev.place import running_in

#: The Celery app of a fleet's workers.
TARGET = "flowforge.app"


_HELP = f"""\
Usage: flowforge [--redis-url URL] [--prefix TEXT] worker [OPTIONS] [-- SETTING=VALUE...]

  Start a worker for your flows. It is `celery -A {TARGET} worker` and takes the options of
  Celery's worker, which follow below.

  FLOWFORGE_REDIS_URL  address of the server; --redis-url before `worker` as well
  FLOWFORGE_IMPORTS    modules that define your routines, with commas between them

  What Celery has no option for is given behind `--`, without the worker_ of its name.

  $ FLOWFORGE_IMPORTS=orders flowforge worker --concurrency 4 --queues celery,gpu
  $ flowforge worker --concurrency 4 -- worker.soft_shutdown_timeout=20
"""


class _VerbatimCommand(click.Command):
    """Hands all that follows its name on as it is, ``--`` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params["options"] = tuple(args)
        return []


@click.command(
    "worker",
    cls=_VerbatimCommand,
    short_help="Start a worker; takes the options of `celery worker`.",
)
@pass_given
def worker(given: Given, /, options: tuple[str, ...]) -> None:
    """Start a worker for the flows of FLOWFORGE_IMPORTS.

    It is `celery -A flowforge.app worker`, and takes the same options.
    """
    if "--help" in options:
        click.echo(_HELP)
    if given.app is not None:
        raise click.UsageError(
            "below celery -A the app's own worker runs flows: celery -A APP worker"
        )
    os.environ.update(given.variables())
    if not os.environ.get("FLOWFORGE_REDIS_URL") and (found := running_in(Path.cwd())):
        imports = {"FLOWFORGE_IMPORTS": ",".join(found.imports)}
        os.environ.update({**imports, **os.environ, **found.variables()})
    # The app needs a server's address; the help does not.
    target = [] if "--help" in options else ["-A", TARGET]
    # Celery reads sys.argv again: to restart on SIGHUP, to detach, and in children that it spawns.
    command = [sys.executable, "-m", "celery", *target, "worker", *options]
    sys.stdout.flush()
    os.execv(sys.executable, command)
