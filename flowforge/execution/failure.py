"""What a failed attempt leaves behind: a record that names the error and hides the secrets."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

from flowforge.codec import pack_record
from flowforge.execution.delivery import Delivery

#: Characters of a message and of a traceback that are kept.
MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 8_000

#: Shorter secrets are not searched for in texts: they would blank out half of every message.
_SHORTEST_SECRET = 4


#: The message of an error that may hold secrets of a join's items.
_UNTOLD = "(not told: the slot has secret params)"


class Problem:
    """An exception as text, with the values of secret params blanked out."""

    def __init__(self, error: BaseException, delivery: Delivery) -> None:
        self.type = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        if delivery.joins and delivery.slot.secret:
            # The items of a join are not at hand: what cannot be searched for is not told.
            self.message = _UNTOLD
            self.traceback = "".join(traceback.format_tb(error.__traceback__))[-TRACEBACK_LIMIT:]
            return
        secrets = _secret_texts(delivery)
        self.message = _hide(_printable(error), secrets)[:MESSAGE_LIMIT]
        text = _encodable("".join(traceback.format_exception(error)))
        # The end names the error and the user's own frames.
        self.traceback = _hide(text, secrets)[-TRACEBACK_LIMIT:]

    def record(self, delivery: Delivery) -> bytes:
        """What the job keeps as its error."""
        return pack_record(
            {
                "type": self.type,
                "message": self.message,
                "traceback": self.traceback,
                "routine_id": delivery.routine.id,
                "slot": delivery.slot.name,
                "invocation": delivery.number,
                "attempt": delivery.attempt,
            }
        )


def _printable(error: BaseException) -> str:
    try:
        return _encodable(str(error))
    except Exception as broken:  # noqa: BLE001 - an error that cannot be printed is still one
        return f"<its text cannot be made: {type(broken).__qualname__}>"


def _encodable(text: str) -> str:
    """Text in UTF-8: file names, for one, may hold halves of surrogate pairs."""
    return text.encode("utf-8", "backslashreplace").decode()


def _secret_texts(delivery: Delivery) -> list[str]:
    """How the values of secret params, and what is in them, look in a text; the longest first."""
    if not delivery.slot.secret:
        return []
    texts: set[str] = set()
    for params in (delivery.params, delivery.delivered()):
        for name in delivery.slot.secret & params.keys():
            texts.update(_texts_of(params[name]))
    return sorted(texts, key=len, reverse=True)


def _texts_of(value: Any) -> Iterator[str]:
    for part in _parts_of(value):
        if part is None or isinstance(part, bool):
            continue  # no secret, and a part of many messages
        decoded = part.decode(errors="ignore") if isinstance(part, bytes) else ""
        yield from (t for t in (str(part), repr(part), decoded) if len(t) >= _SHORTEST_SECRET)


def _parts_of(value: Any) -> Iterator[Any]:
    """The value and everything in it."""
    left = [value]
    while left:
        part = left.pop()
        yield part
        if isinstance(part, dict):
            left += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set)):
            left += part


def _hide(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
