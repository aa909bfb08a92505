"""Clients of redis-py for a server, and how its address is shown."""

from __future__ import annotations

import functools
from typing import Any

import redis
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from flowforge.store.server.sentinel import SentinelUrl
from flowforge.store.server.url import checked_scheme, reading_url

#: Seconds until a silent server counts as gone and the command is sent again.
SOCKET_TIMEOUT = 10.0


@reading_url()
def make_client(url: str, **options: Any) -> redis.Redis:
    """A redis-py client for a ``redis``, ``rediss``, ``unix`` or ``sentinel`` URL.

    A Sentinel URL names the master as ``?master_name=``, several Sentinels separated by ``;``.
    """
    options = {
        "protocol": 2,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        # The links keep their own connections, as many as handlers run at the same time; the
        # pool's limit would count those that were lost in an outage for ever.
        "max_connections": 2**31 - 1,
        "retry": Retry(NoBackoff(), 0),
        **_driver(),
        **options,
    }
    scheme = checked_scheme(url)
    if scheme == "sentinel":
        return _sentinel_client(url, options)
    if scheme == "unix":
        del options["socket_keepalive"]
    return redis.Redis.from_url(url, **options)


@functools.cache
def _driver() -> dict[str, Any]:
    """What a connection says of redis-py. One that is not given it looks for the version in the
    folders of the installation, which takes milliseconds; releases of redis-py without the class
    look once.
    """
    made = getattr(redis, "DriverInfo", None)
    return {} if made is None else {"driver_info": made()}


class _MasterConnection(redis.sentinel.SentinelManagedConnection):
    """Asks the Sentinels whenever it has to connect; redis-py's own does so in ``connect`` alone,
    and connects to its default port when a fresh one is asked to send.
    """

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._sock is None:
            self.connect()  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


def _sentinel_client(url: str, options: dict[str, Any]) -> redis.Redis:
    address = SentinelUrl.parse(url)
    sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        address.nodes, sentinel_kwargs=address.sentinel_kwargs
    )
    login = {"username": address.username, "password": address.password}
    master: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        address.master_name,
        connection_class=_MasterConnection,
        db=address.database,
        **{name: value for name, value in login.items() if value},
        **options,
    )
    return master


def describe(pool: Any) -> str:
    """Host and port (or socket path) of a pool, without credentials."""
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    if hasattr(pool, "service_name"):
        return f"Sentinel master {pool.service_name!r}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
