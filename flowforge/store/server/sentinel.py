"""Sentinel URLs: one text that names the Sentinels, the master and how to log in.

``sentinel://[user:password@]host:26379[;sentinel://host:26379 ...]/0?master_name=mymaster``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry

from flowforge.errors import ConfigurationError

#: Seconds until a Sentinel that does not answer is passed over for the next.
SENTINEL_TIMEOUT = 2.0

#: What a login to the Sentinels themselves consists of.
_LOGIN = ("username", "password")

#: What the query may hold.
_QUERY = {"master_name", *(f"sentinel_{name}" for name in _LOGIN)}

#: What errors show.
_EXAMPLE = "sentinel://host:26379/0?master_name=mymaster"

#: The port that Sentinels listen on unless told otherwise.
_PORT = 26379


@dataclass(frozen=True)
class SentinelUrl:
    """What a Sentinel URL says. User and password are the servers'; Sentinels may have their own
    (``sentinel_username``, ``sentinel_password`` in the query).
    """

    nodes: tuple[tuple[str, int], ...]
    master_name: str
    database: int
    username: str | None
    password: str | None
    sentinel_options: dict[str, Any]

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Read a URL, or kombu's form of it, which leaves the rest to its transport `options`.

        Credentials, database and query may stand in any part of the URL; the first found counts.
        Raises ConfigurationError when neither names a master, and for an unknown option.
        """
        parts = [urlsplit(part) for part in url.split(";")]
        query = _query(parts)
        login = next((part for part in parts if part.password or part.username), parts[0])
        own = {key: query[f"sentinel_{key}"] for key in _LOGIN if f"sentinel_{key}" in query}
        return cls(
            nodes=tuple((part.hostname or "127.0.0.1", part.port or _PORT) for part in parts),
            master_name=_master_name(query.get("master_name") or options.get("master_name", "")),
            database=_database(parts),
            username=unquote(login.username) if login.username else None,
            password=unquote(login.password) if login.password else None,
            sentinel_options={**(options.get("sentinel_kwargs") or {}), **own},
        )

    @property
    def url(self) -> str:
        """Everything in one text, as :meth:`parse` reads it."""
        query = {"master_name": self.master_name}
        query |= {f"sentinel_{k}": v for k, v in self.sentinel_options.items() if k in _LOGIN}
        return f"{self.broker_url}?{urlencode(query)}"

    @property
    def sentinel_kwargs(self) -> dict[str, Any]:
        """How redis-py and kombu connect to the Sentinels themselves."""
        limits = {
            "socket_timeout": SENTINEL_TIMEOUT,
            "socket_connect_timeout": SENTINEL_TIMEOUT,
            # One that does not answer is passed over, and the caller asks all of them again;
            # redis-py alone would ask each several times, with pauses, for about ten seconds.
            "retry": Retry(NoBackoff(), 0),
        }
        return {**limits, **self.sentinel_options}

    @property
    def broker_url(self) -> str:
        """The same for kombu, which knows no query and reads each part by itself."""
        login = ""
        if self.username or self.password:
            login = f"{quote(self.username or '', '')}:{quote(self.password or '', '')}@"
        return ";".join(
            f"sentinel://{login}{f'[{host}]' if ':' in host else host}:{port}/{self.database}"
            for host, port in self.nodes
        )

    @property
    def transport_options(self) -> dict[str, Any]:
        """What kombu wants to be told apart from the URL."""
        return {"master_name": self.master_name, "sentinel_kwargs": self.sentinel_kwargs}


def _query(parts: Sequence[SplitResult]) -> dict[str, str]:
    """The options in the query of any part; the first part that has one counts."""
    query: dict[str, str] = {}
    for part in reversed(parts):
        found = parse_qs(part.query, keep_blank_values=True)
        unknown = set(found) - _QUERY
        if part.fragment or "@" in part.path or (unknown and "@" in part.query):
            # Behind a character of the password that has a meaning in a URL. It is not told.
            raise ValueError("the password is not percent-encoded")
        if unknown:
            raise ConfigurationError(
                f"the sentinel:// URL has an unknown option {min(unknown)!r}; it takes "
                f"{', '.join(sorted(_QUERY))}"
            )
        query |= {name: values[0] for name, values in found.items()}
    return query


def _master_name(name: str) -> str:
    if not name:
        raise ConfigurationError(f"a sentinel:// URL must name its master: {_EXAMPLE}")
    return name


def _database(parts: Sequence[SplitResult]) -> int:
    paths = (part.path.strip("/") for part in parts)
    database = next((path for path in paths if path), "0")
    if not database.isdigit():
        raise ConfigurationError(
            f"the sentinel:// URL has no database number behind its host: {_EXAMPLE}"
        )
    return int(database)
