"""Joining an existing Celery app, so that its workers and producers run flows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery, signals

from flowforge.broker.address import state_url
from flowforge.broker.fleet_app import fleet_app
from flowforge.composition import as_one, engines_of
from flowforge.engine.current import set_engine
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.engine.schedules.declarations import DeclaredSchedules
from flowforge.errors import ConfigurationError, UnsupportedBrokerError
from flowforge.model import registry
from flowforge.settings import Settings, from_environment
from flowforge.store.server.client import describe, make_client
from flowforge.worker.lifecycle.joined_app import JoinedApp
from flowforge.worker.lifecycle.startup import import_at_start

logger = logging.getLogger(__name__)

#: The key of an app's configuration that goes along to spawned children. Celery shows no key that
#: begins like this.
_JOINED = "__flowforge__"


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
    engines = engines_of(settings, app)
    servers = [(engine.settings, HandlerJobs(engine)) for engine in engines]
    submitter = as_one(engines)
    JoinedApp(app, servers, exclusive=exclusive, declare=DeclaredSchedules(submitter))
    set_engine(submitter)
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
