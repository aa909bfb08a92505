"""Choosing the engine of a process: configured, from the environment, or embedded."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery, signals

from flowforge.broker.address import state_url
from flowforge.engine.current import current_engine, set_engine, set_engine_factory
from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.engine.sharded import ShardedEngine
from flowforge.errors import ConfigurationError, UnsupportedBrokerError
from flowforge.local.engine import TO_A_FLEET, EmbeddedEngine
from flowforge.model import registry
from flowforge.settings import Settings, from_environment
from flowforge.store.client import describe, make_client
from flowforge.worker.lifecycle.joined_app import JoinedApp, fleet_app
from flowforge.worker.lifecycle.startup import import_at_start

logger = logging.getLogger(__name__)

#: The key of an app's configuration that goes along to spawned children. Celery shows no key that
#: begins like this.
_JOINED = "__flowforge__"

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
        return EmbeddedEngine(settings, intended=intended)
    return _as_one(_engines(settings, fleet_app(settings)))


def _servers(settings: Settings) -> list[Settings]:
    """The settings for each server, with the URL that the store wants."""
    return [replace(one, redis_url=state_url(str(one.redis_url))) for one in settings.servers]


def _engines(settings: Settings, app: Celery) -> list[Engine]:
    return [Engine(one, app) for one in _servers(settings)]


def _as_one(engines: list[Engine]) -> Submitter:
    return engines[0] if len(engines) == 1 else ShardedEngine(engines)


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
    broker = str(app.conf.broker_read_url or app.conf.broker_url or "")
    if broker.startswith("unix:"):
        raise UnsupportedBrokerError(
            "Celery cannot read a unix:// URL and would connect to localhost: write the broker_url "
            "of a socket as redis+socket:///run/redis.sock?virtual_host=0"
        )
    url = state_url(broker, app.conf.broker_transport_options or {})
    found = from_environment(**settings)
    named = [str(one.redis_url) for one in found.servers]
    if named and not (len(named) == 1 and _same_server(named[0], url)):
        raise ConfigurationError(
            "FLOWFORGE_REDIS_URL and the app's broker_url name different servers or databases; "
            "the state lives where the broker's lists are: leave FLOWFORGE_REDIS_URL unset"
        )
    return _install(app, replace(found, redis_url=url), exclusive=exclusive)


def _install(app: Celery, settings: Settings, *, exclusive: bool) -> Celery:
    app.conf.imports = [*(app.conf.imports or ()), *settings.imports]
    app.conf[_JOINED] = _Joined(settings, exclusive)
    vars(app)["fixups"].add(f"{__name__}:{rejoin.__name__}")
    return _join(app, settings, exclusive=exclusive)


def _join(app: Celery, settings: Settings, *, exclusive: bool) -> Celery:
    engines = _engines(settings, app)
    servers = [(engine.settings, HandlerJobs(engine)) for engine in engines]
    JoinedApp(app, servers, exclusive=exclusive)
    set_engine(_as_one(engines))
    return app


@dataclass(frozen=True)
class _Joined:
    """How an app was joined, and from when it is pickled on which modules define routines."""

    settings: Settings
    exclusive: bool
    modules: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        modules = sorted({cls.__module__ for cls in registry.known().values()} - {"__main__"})
        return _Joined, (self.settings, self.exclusive, tuple(modules))


def rejoin(app: Celery) -> None:
    """A fixup: what Celery calls for the copy of a joined app that a spawned child gets.

    The copy has the configuration of its original alone: neither its tasks, nor its transport,
    nor what its modules did with it.
    """

    def join(**_: Any) -> None:
        joined: _Joined = app.conf[_JOINED]
        _join(app, joined.settings, exclusive=joined.exclusive)
        for name in joined.modules:
            try:
                app.loader.import_task_module(name)
            except Exception:
                logger.exception("this process cannot import %s, as its parent could", name)

    # Not yet: the app is being made, and cannot tell its configuration.
    signals.import_modules.connect(join, sender=app, weak=False)


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
    app = fleet_app(settings)
    import_at_start(app, settings.imports)
    return _install(app, settings, exclusive=True)


def _same_server(one: str, other: str) -> bool:
    def place(url: str) -> tuple[str, int]:
        pool = make_client(state_url(url)).connection_pool
        return describe(pool), pool.connection_kwargs.get("db") or 0

    return place(one) == place(other)


set_engine_factory(_make_engine)

__all__ = ["configure", "current_engine", "forget", "install", "shutdown", "worker_app"]
