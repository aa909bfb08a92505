"""The URL of a server: which schemes and options there are, and what is wrong with another one.

Sentinel URLs are read in ``flowforge.store.server.sentinel``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

from flowforge.errors import ConfigurationError

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


def checked_scheme(url: str) -> str:
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
