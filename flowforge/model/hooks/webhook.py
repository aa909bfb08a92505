"""A webhook: where it is, and the signature of what is sent to it.

The form is that of Standard Webhooks 1.0: the headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature``, HMAC-SHA256 with a secret ``whsec_`` and base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from flowforge.errors import InvalidValueError

#: How a secret begins, and its bytes.
_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Webhook:
    """An address to which events are sent. Made by ``of``."""

    host: str
    port: int
    encrypted: bool
    #: Path and query. It may be a secret itself, so it is not shown.
    path: str = field(repr=False)
    #: Keys of the signatures, the current one first.
    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, url: object, secrets: object, *, insecure: bool) -> Webhook:
        """Check URL and secrets; InvalidValueError for what cannot be."""
        parts = _split(url)
        host = parts.hostname or ""
        if parts.scheme == "http" and not insecure and not _is_loopback(host):
            raise InvalidValueError(
                f"the URL of a webhook must begin with https://, not http://: {_place(parts)} is "
                "not this machine. insecure=True sends to it without encryption"
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        encrypted = parts.scheme == "https"
        return cls(host, parts.port or _PORTS[parts.scheme], encrypted, path, _keys(secrets))

    @property
    def place(self) -> str:
        """The URL without its path, which may be a secret."""
        scheme = "https" if self.encrypted else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[scheme] else f":{self.port}"
        return f"{scheme}://{host}{port}"

    def headers(self, event_id: str, seconds: int, body: bytes) -> dict[str, str]:
        """The headers of one attempt at ``seconds`` since 1970."""
        headers = {"webhook-id": event_id, "webhook-timestamp": str(seconds)}
        if self.keys:
            signatures = (signature(key, event_id, seconds, body) for key in self.keys)
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def signature(key: bytes, event_id: str, seconds: int, body: bytes) -> str:
    """One signature as the header has it."""
    signed = f"{event_id}.{seconds}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _split(url: object) -> SplitResult:
    if not isinstance(url, str):
        raise InvalidValueError("the URL of a webhook must be text")
    # Its text may hold a secret: no error shows it.
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidValueError("the URL of a webhook has characters that no URL has")
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise InvalidValueError("the URL of a webhook must be such as https://example.com/path")
    if "@" in parts.netloc:
        raise InvalidValueError(
            "the URL of a webhook must have no user and password: the signature says who sends"
        )
    return parts


def _place(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.hostname}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(secrets: object) -> tuple[bytes, ...]:
    if secrets is None:
        return ()
    if isinstance(secrets, str):
        secrets = [secrets]
    if not isinstance(secrets, Sequence) or not secrets:
        raise InvalidValueError(
            f"secret must be text, or a list of texts while it is being changed, not of type "
            f"{type(secrets).__name__}"
        )
    return tuple(_key(secret) for secret in secrets)


def _key(secret: object) -> bytes:
    """The key of a secret, of which no error shows anything."""
    if isinstance(secret, str) and secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if _LEAST_BYTES <= len(key) <= _MOST_BYTES:
            return key
    raise InvalidValueError(
        f"a webhook's secret must be {_PREFIX} and base64 of {_LEAST_BYTES} to {_MOST_BYTES} "
        "bytes, as python -c \"import base64, os; print('whsec_' + "
        'base64.b64encode(os.urandom(32)).decode())" makes one'
    )
