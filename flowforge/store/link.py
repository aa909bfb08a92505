"""Connections to the server: a small pool of dedicated ones, and retry over outages.

Every transition is one script that may be sent twice without harm, so a lost connection or reply
is answered by sending the same bytes again. That is what lets a worker outlive a restart of the
server in the middle of a commit.
"""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qsl, urlsplit

import redis
import redis.sentinel
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from flowforge.errors import (
    CommandRefusedError,
    ConfigurationError,
    FlowForgeError,
    LoginRefusedError,
    StoreUnavailableError,
    WritesRefusedError,
)
from flowforge.store.outage import is_final, is_forbidden, outage_of
from flowforge.store.sentinel import SentinelUrl

Argument = str | bytes | int | float

#: Seconds until a silent server counts as gone and the command is sent again.
SOCKET_TIMEOUT = 10.0

#: Seconds between two tries during an outage.
RETRY_PAUSE = 0.2

#: Options that the query of a URL may have, by its scheme: what kombu can be told as well.
_TUNING = frozenset(
    {"socket_timeout", "socket_connect_timeout", "health_check_interval", "client_name"}
)
_TLS = frozenset(
    f"ssl_{name}"
    for name in (
        "ca_certs", "ca_data", "ca_path", "cert_reqs", "certfile", "check_hostname", "ciphers",
        "keyfile", "password",
    )
)  # fmt: skip
#: How a server's certificate may be looked at.
_CERT_REQS = ("required", "optional", "none")

_OPTIONS = {
    "redis": {"db", *_TUNING},
    "rediss": {"db", *_TUNING, *_TLS},
    "unix": {"db", "socket_timeout", "health_check_interval", "client_name"},
}


#: Where another URL begins behind a semicolon.
_SEVERAL = re.compile(r";\s*[a-z+]+://")


class Link(Protocol):
    """What the store needs of a server: raw commands with raw replies."""

    def call(self, *command: Argument) -> Any: ...

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]: ...


def url_scheme(url: str) -> str:
    """What a URL that cannot be used begins with, to be shown."""
    scheme, separator, _ = url.partition("://")
    return scheme if separator and scheme.isidentifier() else "(no scheme)"


@contextmanager
def reading_url() -> Iterator[None]:
    """ConfigurationError for a ValueError of a URL's parser."""
    try:
        yield
    except ValueError:
        # The parser's own words may hold a part of the password.
        raise ConfigurationError(
            "the server's URL cannot be read: write redis://host:port/number, all of it for each "
            "where there are many; check the port and the options, and percent-encode special "
            "characters of the password"
        ) from None


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
        **options,
    }
    scheme = _checked_scheme(url)
    if scheme == "sentinel":
        return _sentinel_client(url, options)
    if scheme == "unix":
        del options["socket_keepalive"]
    return redis.Redis.from_url(url, **options)


def _checked_scheme(url: str) -> str:
    """The scheme of a URL that says nothing which redis-py would pass over in silence, or refuse
    later and less clearly.
    """
    parts = urlsplit(url)
    if parts.fragment:
        # What stands behind a # that belongs to the password; the rest is no address then.
        raise ValueError("the password is not percent-encoded")
    if parts.scheme == "sentinel":
        return parts.scheme
    if _SEVERAL.search(url):
        raise ConfigurationError(
            "the server's URL names several with semicolons, which is for the Sentinels of one "
            "sentinel:// URL: write commas between independent servers"
        )
    if parts.scheme not in _OPTIONS:
        raise ConfigurationError(
            f"cannot use {url_scheme(url)}:// for the store: give a redis://, rediss://, unix:// "
            "or sentinel:// URL"
        )
    _ = parts.port
    if "@" in parts.path + parts.query:
        raise ValueError("the password is not percent-encoded")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        _check_option(parts.scheme, name, value)
    if parts.scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            raise ConfigurationError(
                "a unix:// URL needs the whole path of a socket: unix:///run/redis.sock?db=0"
            )
    elif not re.fullmatch(r"/?\d*", parts.path):
        raise ConfigurationError(
            "the server's URL has no database number behind its host: redis://host:port/0"
        )
    return parts.scheme


def _check_option(scheme: str, name: str, value: str) -> None:
    known = _OPTIONS[scheme]
    if name not in known:
        raise ConfigurationError(
            f"the server's URL has an unknown option {name!r}; {scheme}:// takes "
            f"{', '.join(sorted(known))}"
        )
    if name == "ssl_cert_reqs" and value not in _CERT_REQS:
        raise ConfigurationError(
            f"ssl_cert_reqs in the server's URL must be one of {', '.join(_CERT_REQS)}"
        )


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


class ServerLink:
    """A stack of dedicated connections to one server. Safe for threads, greenlets and forks.

    ``patience``: seconds that a command is tried over an outage before StoreUnavailableError.
    """

    def __init__(self, client: redis.Redis, patience: float) -> None:
        self._pool = client.connection_pool
        self._patience = patience
        # A list used as a stack: append and pop are atomic, and the warmest connection is on top.
        self._idle: list[Any] = []
        _links.add(self)

    def call(self, *command: Argument) -> Any:
        connection = self._acquire()
        try:
            # As the connection packs it, which looks at each argument for types not used here.
            packed = pack_command(command)  # type: ignore[arg-type]  # of any length
            connection.send_packed_command([packed])
            reply = connection.read_response()
        except ResponseError as error:
            self._idle.append(connection)
            return self._retry([command], error)[0]
        except (RedisError, OSError) as error:
            connection.disconnect()
            return self._retry([command], error)[0]
        except BaseException:
            # Interrupted between command and reply: the reply would answer the next command.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return reply

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send all, then read all replies. An error reply is raised after the last was read."""
        try:
            return self._exchange(commands)
        except (RedisError, OSError) as error:
            return self._retry(commands, error)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()

    def _acquire(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.make_connection()

    def _exchange(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        connection = self._acquire()
        replies: list[Any] = []
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if failed is not None:
            raise failed
        return replies

    def _retry(self, commands: Sequence[Sequence[Argument]], error: Exception) -> list[Any]:
        """Try again while the server serves no writes; what else there is to say is raised."""
        deadline = time.monotonic() + self._patience
        # Of several commands the earlier ones may have been accepted.
        unchanged = len(commands) == 1
        while True:
            outage = outage_of(error)
            unchanged = unchanged and outage is not None and outage.answered
            if outage is None or time.monotonic() + outage.waited >= deadline:
                raise_explained(self._pool, error, unchanged=unchanged)
            time.sleep(RETRY_PAUSE)
            # The idle connections were made to a server that may be gone.
            self.close()
            try:
                return self._exchange(commands)
            except (RedisError, OSError) as again:
                error = again


#: Every link of this process, to part from the parent's sockets after a fork.
_links: weakref.WeakSet[ServerLink] = weakref.WeakSet()


def _forget_connections() -> None:
    # Parent and child on one socket would read each other's replies. The child drops its copies
    # unread; redis-py closes them here without ending the parent's connection.
    for link in _links:
        link._idle = []


os.register_at_fork(after_in_child=_forget_connections)


def raise_explained(pool: Any, error: Exception, *, unchanged: bool = False) -> NoReturn:
    """Raise what an error of a pool's server means: a FlowForgeError that says which server, what
    and what to do. NOSCRIPT, and what the server did not say, are raised as they are.

    ``unchanged``: nothing of what was asked has been done.
    """
    told = explained(pool, error, unchanged=unchanged)
    if told is error:
        raise error
    raise told from error


def explained(pool: Any, error: Exception, *, unchanged: bool = False) -> Exception:
    """What ``raise_explained`` raises."""
    where = f"the Redis server at {describe(pool)}"
    if isinstance(error, AuthenticationError):
        return LoginRefusedError(
            f"{where} refused the login ({error}); check user and password in FLOWFORGE_REDIS_URL"
        )
    if is_final(error):
        return StoreUnavailableError(
            f"{where} cannot prove its name ({error}); name the authority of its certificate "
            "(ssl_ca_certs), and the host as the certificate has it"
        )
    if isinstance(error, redis.sentinel.MasterNotFoundError):
        # Its own words hold the connection pools of all Sentinels.
        nodes = (node.connection_pool for node in pool.sentinel_manager.sentinels)
        error = ConnectionError(f"no Sentinel at {', '.join(map(describe, nodes))} names it")
    outage = outage_of(error)
    if outage is not None:
        kind = WritesRefusedError if unchanged else StoreUnavailableError
        return kind(f"{where} {outage.state} ({error}); {outage.remedy}")
    if isinstance(error, ResponseError) and not isinstance(error, NoScriptError):
        return _refused(pool, where, error)
    return error


def _refused(pool: Any, where: str, error: ResponseError) -> FlowForgeError:
    """What to raise for a command that the server is not going to accept later either."""
    if "DB index" in str(error):
        return ConfigurationError(
            f"{where} has no database {pool.connection_kwargs.get('db')} ({error}); correct the "
            "URL, or raise `databases` in the server's configuration"
        )
    if is_forbidden(error):
        return CommandRefusedError(
            f"{where} does not let this user do that ({error}); give the user the rights that the "
            "security page of the documentation lists, for this prefix and these queues"
        )
    return CommandRefusedError(
        f"{where} refused a command ({error}); it must be a Redis or Valkey server of its own, no "
        "Redis Cluster, and no other program may write to FlowForge's keys"
    )


def describe(pool: Any) -> str:
    """Host and port (or socket path) of a pool, without credentials."""
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    if hasattr(pool, "service_name"):
        return f"Sentinel master {pool.service_name!r}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


class ClientLink:
    """A Link over any redis-py compatible client, for tests of pure logic on fakeredis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, *command: Argument) -> Any:
        return self._client.execute_command(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return [self._client.execute_command(*command) for command in commands]
