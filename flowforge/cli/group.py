"""The command group: how failures of any command reach the shell."""

from __future__ import annotations

from typing import IO, Any

import click
import redis

from flowforge.cli.render import clean
from flowforge.errors import FlowForgeError

#: What a shell reports for a command that Ctrl-C ended: 128 and the number of SIGINT.
INTERRUPTED = 130


class CommandFailedError(click.ClickException):
    """What was asked could not be done; exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        # Indented, so that no line of it looks like one of the command's own.
        text = clean(self.format_message()).replace("\n", "\n  ")
        click.echo(f"error: {text}", file=file, err=file is None)


class FlowForgeGroup(click.Group):
    """Shows FlowForge's own errors as one line, below ``celery`` too, where main() is Celery's."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except RecursionError as error:
            what = "a value is nested too deep to be shown: 500 levels of lists and dicts can be"
            raise CommandFailedError(what) from error
        except (FlowForgeError, redis.RedisError) as error:
            raise CommandFailedError(str(error)) from error
