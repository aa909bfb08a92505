"""Which engine a command works on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from celery import Celery
from click.decorators import pass_meta_key

from flowforge.broker.guard import UNKNOWN_TASK
from flowforge.cli.kept_engine import KeptEngine
from flowforge.composition import configure, forget
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine, Submitter
from flowforge.errors import ConfigurationError
from flowforge.settings import from_environment

#: Where the group leaves the session. Not ``ctx.obj``: below ``celery`` that is Celery's.
META_KEY = "flowforge.session"

pass_session = pass_meta_key(META_KEY, doc_description="the session")


@dataclass(frozen=True)
class Session:
    """What the command line says of the engine. ``app``: the one of ``celery -A``."""

    context: click.Context
    app: Celery | None = None
    redis_url: str | None = None
    prefix: str | None = None

    def engine(self, job_id: str) -> Engine:
        """The engine of the server that a job lives on; ConfigurationError as ``engines``."""
        return self.submitter().of(job_id)

    def engines(self) -> Sequence[Engine]:
        """The engine of each server; ConfigurationError when there can be no job."""
        return self.submitter().each

    def submitter(self) -> Submitter:
        """What the jobs that are looked at were given to; ConfigurationError as ``engines``."""
        if self.app is not None:
            return self._installed(self.app)
        settings = from_environment(**self._options())
        if settings.redis_url is not None:
            return self._configured(**self._options())
        if settings.data_dir is None:
            raise ConfigurationError(
                "no server is named: set FLOWFORGE_REDIS_URL or give --redis-url; or set "
                "FLOWFORGE_DATA_DIR, where an embedded engine kept its jobs"
            )
        if not os.path.isdir(settings.data_dir):
            raise ConfigurationError(f"FLOWFORGE_DATA_DIR {settings.data_dir!r} is no directory")
        engine = KeptEngine(settings)
        self.context.call_on_close(engine.close)
        return engine

    def running_engine(self) -> Submitter:
        """The engine that a new job is given to; the embedded one when no server is named.

        A flow's module may have chosen the engine when it was imported; options of the command
        line win over it.
        """
        if self.app is not None:
            return self._installed(self.app)
        options = self._options()
        if options:
            return self._configured(**options)
        self.context.call_on_close(forget)
        return current_engine()

    def variables(self) -> dict[str, str]:
        """What the command line says, as environment variables for a process of its own."""
        return {f"FLOWFORGE_{name.upper()}": value for name, value in self._options().items()}

    def _options(self) -> dict[str, Any]:
        given = {"redis_url": self.redis_url, "prefix": self.prefix}
        return {name: value for name, value in given.items() if value is not None}

    def _configured(self, **options: Any) -> Submitter:
        self.context.call_on_close(forget)
        configure(**options)
        return current_engine()

    def _installed(self, app: Celery) -> Submitter:
        if self._options():
            raise click.UsageError(
                "--redis-url and --prefix belong to the flowforge command; below celery -A the "
                "app decides",
                self.context,
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
