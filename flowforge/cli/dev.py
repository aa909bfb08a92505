"""``flowforge dev``: a server, workers that reload, and the dashboard, in one terminal."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path

import click
from rich.text import Text

from flowforge.cli.group import CommandFailedError, Given, pass_given
from flowforge.cli.terminal.render import print_text, say
from flowforge.dev.modules import choose_modules
from flowforge.dev.place import DevRecord, running_in
from flowforge.dev.server import KILL_WORKER, DevOptions, DevServer
from flowforge.settings import from_environment, unknown_variables


@click.command("dev")
@click.argument("modules", metavar="[MODULE]...", nargs=-1)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes."
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=2, show_default=True,
    help="Handlers that each runs at the same time.",
)  # fmt: skip
@click.option("--pool", metavar="NAME", help="Celery's pool, as of `flowforge worker`.")
@click.option(
    "--port", type=click.IntRange(0, 65535),
    help="Port of the dashboard; default: 8470, or any that is free.",
)  # fmt: skip
@click.option("--no-dashboard", is_flag=True, help="Start no dashboard.")
@click.option("--fresh", is_flag=True, help="Delete the jobs that were kept, and begin without.")
@click.option(
    "--kill-worker", is_flag=True,
    help="Kill a worker of the development server that runs in this folder.",
)  # fmt: skip
@click.option(
    "--env", is_flag=True,
    help="Print the shell's commands by which programs find the development server of this folder.",
)  # fmt: skip
@pass_given
def dev(
    given: Given, /, modules: tuple[str, ...], kill_worker: bool, env: bool, fresh: bool,
    workers: int, concurrency: int, pool: str | None, port: int | None, no_dashboard: bool,
) -> None:  # fmt: skip
    """Start a server, workers that reload when a file is saved, and the dashboard.

    MODULE defines flows; without it FLOWFORGE_IMPORTS, the imports of [tool.flowforge] in
    pyproject.toml, or the only module here that makes a flow. All of it ends with Ctrl-C, or with
    its terminal. The jobs are kept in the folder .flowforge.
    """
    if env:
        for name, value in _running().variables().items():
            say(f"export {name}={shlex.quote(value)}")
        return
    if kill_worker:
        found = _running()
        os.kill(found.pid, KILL_WORKER)
        say(f"the development server (process {found.pid}) kills a worker, and shows what follows")
        return
    if given.app is not None:
        raise click.UsageError("below celery -A the app has its own server: start its own worker")
    for text in unknown_variables():
        say(f"warning: {text}", err=True)
    settings = from_environment(**given.options())
    if fresh and settings.redis_url is not None:
        raise click.UsageError("--fresh is for the private server, and FLOWFORGE_REDIS_URL is set")
    project = Path.cwd()
    options = DevOptions(
        choose_modules(modules, settings.imports, project),
        workers, concurrency, pool, port, not no_dashboard, fresh,
    )  # fmt: skip
    status = DevServer(project, settings, options, _tell).run()
    click.get_current_context().exit(status)


def _running() -> DevRecord:
    found = running_in(Path.cwd())
    if found is None:
        raise CommandFailedError(
            f"no development server runs in {Path.cwd()}: start one there with `flowforge dev`"
        )
    return found


def _tell(text: str, style: str) -> None:
    # A terminal that was closed takes nothing, and everything has to end in order then.
    with contextlib.suppress(OSError):
        for line in text.split("\n"):
            print_text(Text(line, style=style))
