"""One server, two clients: the URL of the store and that of kombu."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from flowforge.errors import UnsupportedBrokerError
from flowforge.store.sentinel import SentinelUrl


def state_url(broker_url: str, options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The store's URL for a broker URL and its transport options.

    UnsupportedBrokerError unless it is Redis.
    """
    parts = urlsplit(broker_url)
    if parts.scheme == "sentinel":
        return SentinelUrl.parse(broker_url, options).url
    if parts.scheme in ("redis", "rediss"):
        return broker_url
    if parts.scheme in ("redis+socket", "unix"):
        return urlunsplit(parts._replace(scheme="unix"))
    raise UnsupportedBrokerError(
        f"the broker {parts.scheme or '(none)'}:// is not Redis: FlowForge keeps its state in the "
        "broker's Redis or Valkey server and pushes messages in the same step, so set broker_url "
        "(or FLOWFORGE_REDIS_URL) to a redis://, rediss:// or sentinel:// URL"
    )


def broker_address(url: str) -> tuple[str, dict[str, Any]]:
    """URL and transport options that make kombu find the server of a store's URL."""
    parts = urlsplit(url)
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parse_qs(parts.query):
        # The store's client checks certificates unless told otherwise, kombu's does not.
        query = "&".join(filter(None, (parts.query, "ssl_cert_reqs=required")))
        return urlunsplit(parts._replace(query=query)), {}
    if parts.scheme != "sentinel":
        return url, {}
    address = SentinelUrl.parse(url)
    return address.broker_url, address.transport_options
