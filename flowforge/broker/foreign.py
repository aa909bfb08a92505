"""Whether a message that is no invocation is a task that Celery can take without harm.

kombu and Celery read messages unguarded: what they do not expect ends the worker, and with late
acknowledgement the next one too. What is checked here is what they take for granted (kombu 5.7
``transport/redis.py`` and ``transport/virtual/base.py``, Celery 5.7 ``worker/request.py`` and
``worker/strategy.py``), and by the same functions that they use later.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime
from typing import Any

from celery.utils.time import maybe_iso8601
from kombu.serialization import loads as deserialize
from kombu.utils.json import loads

from flowforge.broker.decompression import decompressed
from flowforge.settings import LONGEST

#: Half a character, perhaps: what cannot be encoded again cannot be given back to the server.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_PICKLE = "application/x-python-serialize"

_OPTIONAL_TEXT = (str, type(None))

#: Headers and properties that are counted or waited with: numbers that a timer can take.
_NUMBERS = ("retries", "priority", "delivery_mode", "replaced_task_nesting", "group_index")

#: Headers that Celery reads, and the types that it can read; absent is fine.
_HEADERS: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "task": (str,),
    "shadow": _OPTIONAL_TEXT,
    "root_id": _OPTIONAL_TEXT,
    "parent_id": _OPTIONAL_TEXT,
    "group": _OPTIONAL_TEXT,
    "argsrepr": _OPTIONAL_TEXT,
    "kwargsrepr": _OPTIONAL_TEXT,
    "compression": _OPTIONAL_TEXT,
    "timelimit": (list, type(None)),
    "stamped_headers": (list, type(None)),
    "stamps": (dict, type(None)),
}

#: What the third part of a body may name, and how.
_EMBED: dict[str, tuple[type, ...]] = {
    "callbacks": (list, type(None)),
    "errbacks": (list, type(None)),
    "chain": (list, type(None)),
    "chord": (dict, type(None)),
}


#: Parts of a signature that is named there.
_SIGNATURE: dict[str, tuple[type, ...]] = {
    "args": (list, tuple, type(None)),
    "kwargs": (dict, type(None)),
    "options": (dict, type(None)),
}


class RefusedError(Exception):
    """Why a message was not let in."""


def read_message(item: bytes) -> dict[str, Any]:
    """The envelope as kombu will read it; RefusedError unless it is one that kombu can deliver."""
    message = _read(item, "the message")
    headers = _part(message, "headers", dict, "the message")
    properties = _part(message, "properties", dict, "the message")
    _part(message, "content-type", str, "the message")
    _part(message, "content-encoding", str, "the message")
    _part(properties, "delivery_tag", str, "properties")
    info = _part(properties, "delivery_info", dict, "properties")
    _part(info, "exchange", str, "delivery_info")
    _part(info, "routing_key", str, "delivery_info")
    _part(headers, "task", str, "headers")
    _part(headers, "id", str, "headers")
    return dict(message)


def check_task(message: dict[str, Any], most: int, compression: str | None = None) -> None:
    """RefusedError unless Celery can make a request of the message.

    ``most``: bytes that a body may have. ``compression``: the app's own method.
    """
    headers = message["headers"]
    _check_types(headers, _HEADERS, "header")
    limits = headers.get("timelimit") or [None, None]
    if len(limits) != 2 or not all(_is_number(limit) for limit in limits):
        raise RefusedError("header timelimit is no pair of numbers")
    for name in _NUMBERS:
        for part, what in ((headers, "header"), (message["properties"], "property")):
            if not _is_number(part.get(name)):
                raise RefusedError(f"{what} {name} is no number from 0 to {LONGEST:g}")
    if not all(type(name) is str for name in headers.get("stamped_headers") or ()):
        raise RefusedError("header stamped_headers names something that is no text")
    for name in ("eta", "expires"):
        if headers.get(name) is not None and not _is_time(headers[name]):
            raise RefusedError(f"header {name} is no time")
    body = _body(message, most, compression)
    kind = message["content-type"]
    # To read a pickle is to run it. An app that does not accept it refuses it unread; one that does
    # trusts its senders.
    if kind != _PICKLE:
        _check_body(_read_body(body, kind, message["content-encoding"]))


def _is_time(value: object) -> bool:
    if isinstance(value, datetime):
        return True
    try:
        return type(value) is str and isinstance(maybe_iso8601(value), datetime)
    except (ValueError, OverflowError):
        return False


def _is_number(value: object) -> bool:
    """Whether it is absent, or a number that neither is infinite nor overflows a timer."""
    if value is None:
        return True
    return type(value) in (int, float) and 0 <= value <= LONGEST  # type: ignore[operator]


def _body(message: dict[str, Any], most: int, compression: str | None) -> bytes:
    body, encoding = message.get("body"), message["properties"].get("body_encoding")
    if type(body) is not str:
        raise RefusedError("the body is no text")
    if encoding == "base64":
        try:
            data = base64.b64decode(body, validate=True)
        except ValueError as error:
            raise RefusedError(f"the body is no base64: {error}") from None
    elif encoding is None:
        data = body.encode(errors="replace")
    else:
        raise RefusedError("the body encoding is unknown")
    method = message["headers"].get("compression")
    if not method:
        return data
    try:
        return decompressed(data, method, most, compression)
    except ValueError as error:
        raise RefusedError(f"the body cannot be decompressed: {error}") from None
    except Exception as error:  # noqa: BLE001 - every method fails in its own way
        raise RefusedError(f"the body cannot be decompressed: {type(error).__name__}") from None


def _read_body(body: bytes, kind: str, encoding: str) -> Any:
    if kind == "application/json":
        return _read(body, "the body")
    try:
        # A kind that kombu does not know, or takes for raw data, comes out unread.
        return deserialize(body, kind, encoding, accept=[kind])
    except Exception as error:  # noqa: BLE001 - every serializer fails in its own way
        raise RefusedError(f"the body cannot be read: {type(error).__name__}") from None


def _check_body(parts: Any) -> None:
    kinds = [type(part) for part in parts] if type(parts) in (list, tuple) else []
    if kinds not in ([list, dict, dict], [tuple, dict, dict]):
        raise RefusedError("the body is not [args, kwargs, embed]")
    embed = parts[2]
    unknown = set(embed) - set(_EMBED)
    if unknown:
        raise RefusedError("the body embeds something that is unknown")
    _check_types(embed, _EMBED, "embedded")
    followers = [item for name in _EMBED for item in _as_list(embed.get(name))]
    for follower in followers:
        if type(follower) is not dict or type(follower.get("task")) is not str:
            raise RefusedError("what the body embeds is no task's signature")
        _check_types(follower, _SIGNATURE, "embedded")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _check_types(values: dict[str, Any], kinds: dict[str, tuple[type, ...]], what: str) -> None:
    for name, allowed in kinds.items():
        if name in values and type(values[name]) not in allowed:
            raise RefusedError(f"{what} {name} is a {type(values[name]).__name__}")


def _read(data: bytes, what: str) -> Any:
    try:
        # With kombu's own types: an object can be the name of a type and a value that it refuses.
        text = data.decode()
        value = loads(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False, default=str).encode()
        return value
    except Exception as error:  # noqa: BLE001 - every type's reader fails in its own way
        # Reasons are logged: other errors would repeat what the message holds.
        plain = isinstance(error, (json.JSONDecodeError, UnicodeError))
        told = str(error) if plain else type(error).__name__
        raise RefusedError(f"{what} is not JSON: {told}") from None


def _part(container: Any, name: str, kind: type, where: str) -> Any:
    if type(container) is not dict:
        raise RefusedError(f"{where} is no object")
    value = container.get(name)
    if type(value) is not kind:
        raise RefusedError(f"{where} has no {name} that is a {kind.__name__}")
    return value
