"""One server, two clients: the URL of the store and that of kombu."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from flowforge.errors import UnsupportedBrokerError
from flowforge.store.server.client import make_client
from flowforge.store.server.sentinel import SentinelUrl
from flowforge.store.server.url import reading_url, url_scheme

#: Options of a URL that kombu wants to be told apart from it.
_APART = ("socket_timeout", "socket_connect_timeout", "health_check_interval", "client_name")


@reading_url()
def state_url(broker_url: str, options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The store's URL for a broker URL and its transport options.

    UnsupportedBrokerError unless it is Redis.
    """
    parts = urlsplit(broker_url)
    if parts.scheme == "sentinel":
        return SentinelUrl.parse(broker_url, options).url
    if parts.scheme in ("redis", "rediss", "unix"):
        return broker_url
    if parts.scheme == "redis+socket":
        query = [
            ("db", value.strip("/")) if name == "virtual_host" else (name, value)
            for name, value in parse_qsl(parts.query)
        ]
        return _url("unix", parts, query)
    raise UnsupportedBrokerError(
        f"the broker {url_scheme(broker_url)}:// is not Redis: FlowForge keeps its state in the "
        "broker's Redis or Valkey server and pushes messages in the same step, so set broker_url "
        "(or FLOWFORGE_REDIS_URL) to a redis://, rediss://, unix:// or sentinel:// URL"
    )


def broker_address(url: str) -> tuple[str, dict[str, Any]]:
    """URL and transport options that make kombu find the server of a store's URL."""
    parts = urlsplit(url)
    if parts.scheme == "sentinel":
        address = SentinelUrl.parse(url)
        return address.broker_url, address.transport_options
    # As redis-py reads them: kombu takes what stands in a URL as text.
    read = make_client(url).connection_pool.connection_kwargs
    given = parse_qs(parts.query)
    options = {name: read[name] for name in _APART if name in given}
    if parts.scheme == "unix":
        path = parts._replace(path=quote(unquote(parts.path)))
        return _url("redis+socket", path, [("virtual_host", str(read.get("db") or 0))]), options
    query = [(name, values[0]) for name, values in given.items() if name.startswith("ssl_")]
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in given:
        # The store's client checks certificates unless told otherwise, kombu's does not.
        query.append(("ssl_cert_reqs", "required"))
    path = parts._replace(path=f"/{read['db']}") if "db" in read else parts
    return _url(parts.scheme, path, query), options


def _url(scheme: str, parts: SplitResult, query: list[tuple[str, str]]) -> str:
    # urlunsplit writes unix:/path in some versions of Python.
    asked = f"?{urlencode(query)}" if query else ""
    return f"{scheme}://{parts.netloc}{parts.path}{asked}"
