"""What each request and each reply passes, whatever the page is.

The name in ``Host`` has to be one of the dashboard's: a page of another site can let its own name
lead to 127.0.0.1 (DNS rebinding). A request that changes something has to come from the dashboard's
own pages, as the browser says in ``Origin`` and ``Sec-Fetch-Site`` (Fetch standard). The reply lets
the browser run and load only what the dashboard itself sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_SAFE = frozenset({"GET", "HEAD"})

#: Bytes of a form, and of any field of it.
MOST_BYTES = 4 * 2**20

_TOO_LARGE = (
    f"Refused: a form may have {MOST_BYTES} bytes, and has to say how many it has. Larger params "
    "are given by a program, or on the command line: flowforge run, edit, fork and rerun."
)

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Wraps the application. ``hosts``: names that lead to it; None: whatever wraps it checks."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, _bounded(receive), guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "").lower()
        if self._hosts is not None and _name(host) not in self._hosts:
            return PlainTextResponse(
                "This is not the name of the dashboard. If it should be one, allow it: "
                "flowforge ui --allow-host NAME, or web.app(hosts=[...]).\n",
                400,
            )
        if method not in _SAFE and not _own(host, headers):
            return PlainTextResponse(
                "Refused: the request does not come from a page of the dashboard. A proxy in "
                "front has to pass Host on as the browser sent it.\n",
                403,
            )
        if method not in _SAFE and not _is_small(headers):
            return PlainTextResponse(f"{_TOO_LARGE}\n", 413)
        return None


def _own(host: str, headers: Headers) -> bool:
    """Whether the request comes from a page of the dashboard itself."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        return urlsplit(origin).netloc.lower() == host
    return site is not None


def _is_small(headers: Headers) -> bool:
    """Whether the request says that its body is no larger than a form may be."""
    length = headers.get("content-length", "")
    return length.isdecimal() and len(length) < 20 and int(length) <= MOST_BYTES


def _bounded(receive: Receive) -> Receive:
    """The body as far as it is no larger than a form may be, whatever the request has said.

    A chunked body with a ``Content-Length`` is read to its end by HTTP servers that follow RFC
    9112, and an application around this one may unpack what it hands on.
    """
    left = MOST_BYTES

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return bounded


def _name(host: str) -> str:
    """The name without the port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
