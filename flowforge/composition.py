"""Choosing the engine of a process: configured, from the environment, or embedded.

A producer loads nothing of the worker: the embedded engine, which runs one, is loaded when it is
the choice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from celery import Celery

from flowforge import local
from flowforge.broker.address import state_url
from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.current import current_engine, has_engine, set_engine, set_engine_factory
from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.sharded import ShardedEngine
from flowforge.errors import ConfigurationError
from flowforge.local.advice import TO_A_FLEET
from flowforge.settings import Settings, from_environment
from flowforge.store.server.client import make_client

_overrides: dict[str, Any] = {}


class _Asked:
    """Whether :func:`configure` was called: then no server is named on purpose."""

    configured = False


def configure(**settings: Any) -> None:
    """Choose settings for this process; what is not given comes from the environment.

    The names are the fields of ``flowforge.settings.Settings``, ``redis_url`` above all. An engine
    that is already in use is closed; jobs stay where they are.

    Raises ConfigurationError for an unknown name or a value that cannot be right.
    """
    for one in _servers(from_environment(**settings)):
        make_client(str(one.redis_url))
    forget()
    _overrides.update(settings)
    _Asked.configured = True


def is_chosen() -> bool:
    """Whether this process has an engine, or was told by :func:`configure` which one to make."""
    return _Asked.configured or has_engine()


def forget() -> None:
    """Close this process's engine, and take back what :func:`configure` was told.

    Reads nothing of the environment, which may be what is wrong.
    """
    _overrides.clear()
    _Asked.configured = False
    shutdown()


def _make_engine() -> Submitter:
    settings = from_environment(**_overrides)
    if settings.redis_url is None:
        if settings.embedded is False:
            raise ConfigurationError(
                "no server is named, and FLOWFORGE_EMBEDDED=0 forbids the embedded engine: "
                f"{TO_A_FLEET}"
            )
        intended = settings.embedded or settings.data_dir is not None or _Asked.configured
        return local.EmbeddedEngine(settings, intended=intended)
    return as_one(engines_of(settings, fleet_app(settings)))


def producing_app() -> Celery:
    """The Celery app whose routes say on which queues new jobs of this process run.

    No server is asked, and none is needed.
    """
    if has_engine():
        return current_engine().each[0].app
    settings = from_environment(**_overrides)
    if settings.redis_url is not None:
        return fleet_app(settings)
    app = Celery("flowforge", set_as_current=False)
    app.conf.update(dict(settings.celery))
    return app


def _servers(settings: Settings) -> list[Settings]:
    """The settings for each server, with the URL that the store wants."""
    return [replace(one, redis_url=state_url(str(one.redis_url))) for one in settings.servers]


def engines_of(settings: Settings, app: Celery) -> list[Engine]:
    """An engine for each server of the settings."""
    return [Engine(one, app) for one in _servers(settings)]


def as_one(engines: list[Engine]) -> Submitter:
    """What jobs are submitted to: the only one of the engines, or all of them."""
    return engines[0] if len(engines) == 1 else ShardedEngine(engines)


def shutdown() -> None:
    """Close this process's engine, and end its embedded server; the next use starts anew."""
    former = set_engine(None)
    if former is not None:
        former.close()


set_engine_factory(_make_engine)

__all__ = [
    "configure", "current_engine", "engines_of", "forget", "is_chosen", "producing_app", "shutdown",
]  # fmt: skip
