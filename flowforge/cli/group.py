"""The command group: where its commands are, and how failures of any reach the shell.

This module and ``main`` import little: a command loads what it needs when it is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from keyword import iskeyword
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import click
from click.decorators import pass_meta_key

from flowforge.cli.error_text import error_text
from flowforge.common.plain_text import clean
from flowforge.errors import FlowForgeError

if TYPE_CHECKING:
    from celery import Celery

#: What a shell reports for a command that Ctrl-C ended: 128 and the number of SIGINT.
INTERRUPTED = 130


class CommandFailedError(click.ClickException):
    """What was asked could not be done; exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        # Indented, so that no line of it looks like one of the command's own.
        text = clean(self.format_message()).replace("\n", "\n  ")
        click.echo(f"error: {text}", file=file, err=file is None)


#: Where the group leaves what it was given. Not ``ctx.obj``: below ``celery`` that is Celery's.
_META_KEY = "flowforge.given"

pass_given = pass_meta_key(_META_KEY, doc_description="what the group was given")


class Given(NamedTuple):
    """What stands before the command. ``context``: the group's; ``app``: of ``celery -A``."""

    context: click.Context
    app: Celery | None
    redis_url: str | None
    prefix: str | None

    def keep(self) -> None:
        """Leave it to the command."""
        self.context.meta[_META_KEY] = self

    def options(self) -> dict[str, Any]:
        """As settings; without those that were not given."""
        given = {"redis_url": self.redis_url, "prefix": self.prefix}
        return {name: value for name, value in given.items() if value is not None}

    def variables(self) -> dict[str, str]:
        """The same as environment variables for a process of its own."""
        return {f"FLOWFORGE_{name.upper()}": value for name, value in self.options().items()}


class FlowForgeGroup(click.Group):
    """Shows FlowForge's own errors as one line, below ``celery`` too, where main() is Celery's.

    ``modules``: for each command the module of this package that has it, as ``run_now`` the command
    ``run-now``. It is imported when the command is asked for.
    """

    def __init__(self, *args: Any, modules: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        module = importlib.import_module(f"{__package__}.{self._modules[cmd_name]}")
        name = cmd_name.replace("-", "_")
        # As a function is called whose name Python keeps for itself.
        found: click.Command = getattr(module, f"{name}_" if iskeyword(name) else name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except RecursionError as error:
            what = "a value is nested too deep to be shown: 500 levels of lists and dicts can be"
            raise CommandFailedError(what) from error
        except FlowForgeError as error:
            raise CommandFailedError(error_text(error)) from error
