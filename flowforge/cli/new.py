"""``flowforge new``: write a small project."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from flowforge import __version__
from flowforge.cli.group import CommandFailedError
from flowforge.cli.terminal.render import say
from flowforge.errors import InvalidValueError
from flowforge.scaffold.project import write_project


@click.command("new")
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Write a small project: a flow, its tests, and what starts its workers.

    NAME is the name of the project and of its folder, which is made here; path/to/NAME makes it
    elsewhere.
    """
    try:
        written = write_project(folder, folder.resolve().name, __version__)
    except InvalidValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    except OSError as error:
        raise CommandFailedError(f"the project cannot be written: {error}") from error
    say(f"{folder} has a project of {len(written)} files:")
    for path in written:
        say(f"  {path.as_posix()}")
    say(f"\nnext:\n  cd {shlex.quote(str(folder))}\n  pip install -e '.[dev]'")
    say("  pytest           # its own tests")
    say("  flowforge dev    # a server, workers that reload, the dashboard")
