"""The context of a trace as it travels with an invocation: W3C's texts, bounded.

It is no part of the definition: it stands behind the params in the record of the invocation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgpack

#: Characters of a ``tracestate`` and of baggage that travel; a longer one is left out.
TRACESTATE_LIMIT = 512
BAGGAGE_LIMIT = 1024

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Carried(NamedTuple):
    """A context. ``tracestate`` and ``baggage`` are empty where there is none."""

    trace_id: int
    span_id: int
    flags: int
    tracestate: str = ""
    baggage: str = ""


def pack(carried: Carried) -> bytes:
    """The packed context: a list of ``traceparent``, and of the other two if they are there."""
    trace_id, span_id, flags, tracestate, baggage = carried
    parts = [f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"]
    if baggage:
        parts += [tracestate, baggage]
    elif tracestate:
        parts.append(tracestate)
    packed: bytes = msgpack.packb(parts)
    return packed


def unpack(packed: bytes) -> Carried | None:
    """What ``pack`` was given. None where there is nothing that could be a context.

    Never fails: a record may hold anything, and a trace is not worth a job.
    """
    if not packed:
        return None
    try:
        parts = msgpack.unpackb(packed)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException):
        return None
    if type(parts) is not list or not parts or not all(type(part) is str for part in parts):
        return None
    found = _TRACEPARENT.fullmatch(parts[0])
    if found is None:
        return None
    trace_id, span_id, flags = (int(digits, 16) for digits in found.groups())
    tracestate, baggage = [*parts[1:], "", ""][:2]
    return Carried(
        trace_id,
        span_id,
        flags,
        tracestate if len(tracestate) <= TRACESTATE_LIMIT else "",
        baggage if len(baggage) <= BAGGAGE_LIMIT else "",
    )


def trace_id_of(packed: bytes) -> str:
    """The id of the trace as 32 hexadecimal digits; empty without one."""
    carried = unpack(packed)
    return "" if carried is None else f"{carried.trace_id:032x}"
