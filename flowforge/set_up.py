"""Choosing the engine of a process: configured, from the environment, or embedded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from celery import Celery

from flowforge.embedded import EmbeddedEngine
from flowforge.engine import Engine, current_engine, set_engine, set_engine_factory
from flowforge.errors import ConfigurationError
from flowforge.job_state import Producer
from flowforge.settings import Settings, from_environment
from flowforge.store.link import make_client
from flowforge.worker.installation import Installation, fleet_app, state_url

_overrides: dict[str, Any] = {}


def configure(**settings: Any) -> None:
    """Choose settings for this process; what is not given comes from the environment.

    The names are the fields of ``flowforge.settings.Settings``, ``redis_url`` above all. An engine
    that is already in use is closed; jobs stay where they are.

    Raises ConfigurationError for an unknown name or a value that cannot be right.
    """
    found = from_environment(**settings)
    if found.redis_url is not None:
        state_url(found.redis_url)
    _overrides.clear()
    _overrides.update(settings)
    former = set_engine(None)
    if former is not None:
        former.close()


def _make_engine() -> Engine:
    settings = from_environment(**_overrides)
    if settings.redis_url is None:
        return EmbeddedEngine(settings)
    return Engine(replace(settings, redis_url=state_url(settings.redis_url)), fleet_app(settings))


def shutdown() -> None:
    """Close this process's engine, and end its embedded server; the next use starts anew."""
    former = set_engine(None)
    if former is not None:
        former.close()


def install(app: Celery, *, exclusive: bool = False, **settings: Any) -> Celery:
    """Let the workers and producers of an existing Celery app run flows.

    The app's broker is the store. ``exclusive``: the app runs nothing else, so every other message
    is refused. Other keyword arguments are settings. Call it once, where the app is made.

    Raises UnsupportedBrokerError unless the broker is Redis or Valkey, ConfigurationError when
    ``redis_url`` is given and is not the broker.
    """
    broker = app.conf.broker_read_url or app.conf.broker_url
    url = state_url(str(broker or ""), app.conf.broker_transport_options or {})
    found = from_environment(**settings)
    if found.redis_url is not None and not _same_server(found.redis_url, url):
        raise ConfigurationError(
            "FLOWFORGE_REDIS_URL and the app's broker_url name different servers or databases; "
            "the state lives where the broker's lists are: leave FLOWFORGE_REDIS_URL unset"
        )
    return _install(app, replace(found, redis_url=url), exclusive=exclusive)


def _install(app: Celery, settings: Settings, *, exclusive: bool) -> Celery:
    app.conf.imports = [*(app.conf.imports or ()), *settings.imports]
    engine = Engine(settings, app)
    Installation(app, settings, Producer(engine), exclusive=exclusive)
    set_engine(engine)
    return app


def worker_app() -> Celery:
    """The Celery app of a fleet's workers, from the environment.

    Raises ConfigurationError when ``FLOWFORGE_REDIS_URL`` is not set.
    """
    settings = from_environment()
    if settings.redis_url is None:
        raise ConfigurationError(
            "FLOWFORGE_REDIS_URL is not set: workers need the server that producers submit to, "
            "for example FLOWFORGE_REDIS_URL=redis://localhost:6379/0"
        )
    settings = replace(settings, redis_url=state_url(settings.redis_url))
    return _install(fleet_app(settings), settings, exclusive=True)


def _same_server(one: str, other: str) -> bool:
    def place(url: str) -> dict[str, Any]:
        options = make_client(state_url(url)).connection_pool.connection_kwargs
        return {name: options.get(name) for name in ("host", "port", "path", "db")}

    return place(one) == place(other)


set_engine_factory(_make_engine)

__all__ = ["configure", "current_engine", "install", "shutdown", "worker_app"]
