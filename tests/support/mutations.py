"""Messages that differ from a good one in a place or two: what a hostile or broken sender writes.

All chance comes from the ``random.Random`` that is given, so a seed repeats the messages.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

#: What takes the place of a value somewhere in a message.
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**400, 1e308, "", "x", "x" * 5000, "\x00", "\ud800", "ü",
    [], [[]], [None] * 3, {}, {"a": {"b": 1}}, "2030-01-01T00:00:00", "9999-12-31T23:59:59-23:59",
    {"__type__": "datetime", "__value__": "soon"}, {"__type__": [], "__value__": 1},
    {"__type__": "base64", "__value__": "!"}, "application/x-python-serialize", "pickle", "base64",
    "zlib", "celery.chord_unlock", "os.system", "../../etc/passwd", "'; DROP TABLE jobs; --",
    {"task": "os.system", "args": ["true"], "kwargs": {}, "options": {}},
    [{"task": "os.system", "args": ["true"], "kwargs": {}, "options": {}}],
)  # fmt: skip

#: Names that are added somewhere in a message.
NAMES = (
    "callbacks", "chord", "chain", "eta", "expires", "task", "id", "timelimit", "compression",
    "body", "headers", "__type__", "flowforge", "retries", "x" * 300, "",
)  # fmt: skip


def mutated(item: bytes, rng: random.Random) -> bytes:
    """The message with one to three changes; never the message itself."""
    changed = item
    while changed == item:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            changed = rng.choice(_MUTATIONS)(changed, rng)
    return changed


# --- bytes ---------------------------------------------------------------------------------


def _flip(item: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(item)) if item else 0
    return item[:at] + bytes([rng.randrange(256)]) + item[at + 1 :]


def _cut(item: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(item) + 1)
    return rng.choice((item[:at], item[at:]))


def _insert(item: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(item) + 1)
    more = rng.choice((rng.randbytes(rng.randrange(1, 20)), b"[" * 5000, b'"', b"}", b"\\u0000"))
    return item[:at] + more + item[at:]


def _repeat(item: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(item) + 1)
    end = min(len(item), start + rng.randrange(1, 200))
    return item[:end] + item[start:]


def _recode(item: bytes, rng: random.Random) -> bytes:
    return item.decode(errors="replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig")))


# --- structure -----------------------------------------------------------------------------


def _in_envelope(item: bytes, rng: random.Random) -> bytes:
    try:
        message = json.loads(item)
    except (ValueError, RecursionError):
        return _flip(item, rng)
    return json.dumps(_changed(message, rng)).encode()


def _in_body(item: bytes, rng: random.Random) -> bytes:
    try:
        message = json.loads(item)
        encoded = message["properties"]["body_encoding"] == "base64"
        body = base64.b64decode(message["body"]) if encoded else message["body"]
        text = json.dumps(_changed(json.loads(body), rng))
        message["body"] = base64.b64encode(text.encode()).decode() if encoded else text
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _flip(item, rng)
    return json.dumps(message).encode()


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with one change at a random depth."""
    inner = list(value) if isinstance(value, dict) else list(range(_length(value)))
    if inner and rng.random() < 0.75:
        key = rng.choice(inner)
        value[key] = _changed(value[key], rng)
        return value
    if isinstance(value, dict):
        return _changed_object(value, rng)
    return rng.choice(VALUES)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _changed_object(value: dict[str, Any], rng: random.Random) -> Any:
    how = rng.randrange(4)
    if how == 0:
        return rng.choice(VALUES)
    if how == 1 or not value:
        value[rng.choice(NAMES)] = rng.choice(VALUES)
    elif how == 2:
        del value[rng.choice(list(value))]
    else:
        name = rng.choice(list(value))
        value[rng.choice(NAMES)] = value.pop(name)
    return value


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _in_envelope, _in_envelope, _in_envelope, _in_body, _in_body, _flip, _cut, _insert, _repeat,
    _recode,
)  # fmt: skip
