"""Which engine a command works on."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import redis
from celery import Celery

from flowforge.broker.guard import UNKNOWN_TASK
from flowforge.cli.group import CommandFailedError, Given, pass_given
from flowforge.cli.kept_engine import KeptEngine
from flowforge.cli.terminal.render import say
from flowforge.composition import configure, forget, is_chosen
from flowforge.dev.place import running_in
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine, Submitter
from flowforge.errors import ConfigurationError
from flowforge.settings import from_environment, unknown_variables

_P = ParamSpec("_P")
_R = TypeVar("_R")


def pass_session(
    command: Callable[Concatenate[Session, _P], _R],
) -> Callable[_P, _R]:
    """Call a command with its session, after a warning of variables that are no settings.

    What redis-py raises fails the command with exit status 1, as FlowForge's own errors do.
    """

    @pass_given
    def call(given: Given, /, *args: _P.args, **options: _P.kwargs) -> _R:
        for text in unknown_variables():
            say(f"warning: {text}", err=True)
        try:
            return command(Session(given), *args, **options)
        except redis.RedisError as error:
            raise CommandFailedError(str(error)) from error

    return functools.update_wrapper(call, command)


@dataclass(frozen=True)
class Session:
    """The engine that the command line chooses."""

    given: Given

    def engine(self, job_id: str) -> Engine:
        """The engine of the server that a job lives on; ConfigurationError as ``engines``."""
        return self.submitter().of(job_id)

    def engines(self) -> Sequence[Engine]:
        """The engine of each server; ConfigurationError when there can be no job."""
        return self.submitter().each

    def submitter(self) -> Submitter:
        """What the jobs that are looked at were given to; ConfigurationError as ``engines``."""
        if self.given.app is not None:
            return self._installed(self.given.app)
        options = self._options()
        settings = from_environment(**options)
        if settings.redis_url is not None:
            return self._configured(**options)
        if settings.data_dir is None:
            raise ConfigurationError(
                "no server is named: set FLOWFORGE_REDIS_URL or give --redis-url; or start "
                "`flowforge dev` in this folder; or set FLOWFORGE_DATA_DIR, where an embedded "
                "engine kept its jobs"
            )
        if not os.path.isdir(settings.data_dir):
            raise ConfigurationError(f"FLOWFORGE_DATA_DIR {settings.data_dir!r} is no directory")
        engine = KeptEngine(settings)
        self.given.context.call_on_close(engine.close)
        return engine

    def running_engine(self) -> Submitter:
        """The engine that a new job is given to; the embedded one when no server is named.

        A flow's module may have chosen the engine when it was imported: options of the command
        line win over it, and it wins over the development server of this folder.
        """
        if self.given.app is not None:
            return self._installed(self.given.app)
        options = self.given.options() if is_chosen() else self._options()
        if options:
            return self._configured(**options)
        self.given.context.call_on_close(forget)
        return current_engine()

    def _options(self) -> dict[str, Any]:
        """Those of the command line; where no server is named, those of the development server that
        runs in this folder.
        """
        options = self.given.options()
        settings = from_environment(**options)
        if settings.redis_url or settings.data_dir or settings.embedded is not None:
            return options
        found = running_in(Path.cwd())
        if found is None:
            return options
        return {"redis_url": found.redis_url, "prefix": found.prefix} | options

    def _configured(self, **options: Any) -> Submitter:
        self.given.context.call_on_close(forget)
        configure(**options)
        return current_engine()

    def _installed(self, app: Celery) -> Submitter:
        if self.given.options():
            raise click.UsageError(
                "--redis-url and --prefix belong to the flowforge command; below celery -A the "
                "app decides",
                self.given.context,
            )
        if UNKNOWN_TASK not in app.tasks or current_engine().app is not app:
            raise ConfigurationError(
                f"the Celery app {app.main!r} does not run flows: call flowforge.install(app) "
                "where it is made"
            )
        return current_engine()


def outlook(engine: Submitter, job_id: str) -> str:
    """What becomes of a job that has not ended when this command does."""
    if ends_with_process(engine):
        return f"job {job_id} ended with the embedded engine of this command"
    if engine.own_server:
        where = engine.settings.data_dir
        return f"job {job_id} is kept in {where} and goes on with the next run of its flow there"
    return f"job {job_id} goes on: look with `show {job_id}`, end it with `cancel {job_id}`"


def ends_with_process(engine: Submitter) -> bool:
    """Whether jobs of this engine are lost when the command ends."""
    return engine.own_server and engine.settings.data_dir is None
