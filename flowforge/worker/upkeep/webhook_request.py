"""One request to a webhook."""

from __future__ import annotations

import contextlib
import html
import re
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import NamedTuple

from flowforge.codec.masking import HIDDEN
from flowforge.common.versions import installed_version
from flowforge.model.hooks.hook_event import HookEvent
from flowforge.model.hooks.webhook import Webhook

#: Bytes of an answer that are read.
_MOST_READ = 300

#: Seconds that a receiver may ask to be left alone for.
_LONGEST_REST = 3600

#: Characters from which on a part of the path alone may be one.
_SECRET_PART = 12


class Answer(NamedTuple):
    """What a receiver answered, for people. ``retry_after``: seconds that it asks for."""

    good: bool
    text: str
    retry_after: float = 0.0


class WebhookRequest:
    """A request that another thread can cut off.

    It goes to the address of the webhook and nowhere else: redirects are answers like others.
    """

    def __init__(self, webhook: Webhook, event: HookEvent, timeout: float) -> None:
        self._webhook = webhook
        self._event = event
        self._connection = _connection(webhook, timeout)
        self._socket: socket.socket | None = None

    def send(self) -> Answer:
        """Send, and return the answer. Raises OSError and HTTPException."""
        body = self._event.body()
        headers = {
            "content-type": "application/json",
            "user-agent": f"flowforge/{installed_version('flowforge')}",
            **self._webhook.headers(self._event.id, int(time.time()), body),
        }
        try:
            self._connection.connect()
            # An answer that ends with the connection takes the socket away from it.
            self._socket = self._connection.sock
            self._connection.request("POST", self._webhook.path, body, headers)
            with self._connection.getresponse() as response:
                return self._answer(response)
        finally:
            self._connection.close()

    def cut(self) -> None:
        """End a request that takes too long, so that its thread ends."""
        open_socket = self._socket or self._connection.sock
        if open_socket is not None:
            with contextlib.suppress(OSError):
                # Closing it would wake no thread that waits for it.
                open_socket.shutdown(socket.SHUT_RDWR)

    def _answer(self, response: HTTPResponse) -> Answer:
        # A path that begins within what is kept is read to its end, so that it is found.
        most = _MOST_READ + 2 * len(self._webhook.path)
        text = without_path(self._webhook, response.read(most).decode(errors="replace"))
        text = text[:_MOST_READ]
        status = without_path(self._webhook, f"{response.status} {response.reason}")[:_MOST_READ]
        good = 200 <= response.status < 300
        return Answer(good, _visible(f"{status}: {text}" if text else status), _rest(response))


def _visible(text: str) -> str:
    """The text with whatever a terminal might obey visible in its place: the log shows it."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def without_path(webhook: Webhook, text: str) -> str:
    """What a receiver said, with the path of its webhook blanked out, and its long parts too."""
    path = webhook.path
    if len(path) > 1:
        parts = [part for part in re.split("[/?&=]", path) if len(part) >= _SECRET_PART]
        for secret in (path, path.replace("/", "\\/"), html.escape(path), *parts):
            text = text.replace(secret, HIDDEN)
    return text


def _connection(webhook: Webhook, timeout: float) -> HTTPConnection:
    if not webhook.encrypted:
        return HTTPConnection(webhook.host, webhook.port, timeout=timeout)
    # Made each time: certificates that are renewed on disk count.
    context = ssl.create_default_context()
    return HTTPSConnection(webhook.host, webhook.port, timeout=timeout, context=context)


def _rest(response: HTTPResponse) -> float:
    """Seconds of ``Retry-After``; a date counts as none."""
    asked = response.getheader("retry-after") or ""
    return float(min(int(asked), _LONGEST_REST)) if asked.isascii() and asked.isdigit() else 0.0
