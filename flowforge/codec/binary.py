"""Encoding of payloads and stored records: msgpack with the types that msgpack lacks.

A record is a msgpack array whose first element is the version of its layout. A reader refuses a
newer version instead of guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack

from flowforge.codec.masking import masked
from flowforge.codec.zones import UnnamedZoneError, zone_of
from flowforge.errors import (
    CorruptRecordError,
    NewerRecordError,
    PayloadError,
    PayloadTooLargeError,
)

#: Version of every record layout written by this release.
RECORD_VERSION = 1

#: What a payload may hold, for error messages.
ALLOWED = (
    "None, bool, int, float, str, bytes (a bytearray arrives as bytes, and so does a memoryview), "
    "list, tuple, dict, set, datetime, date, Decimal and UUID"
)

#: Levels of lists and dicts that travel with every msgpack, whose C packer bounds them; its later
#: releases let twice as many pass. A margin is left for the record around a payload.
MAX_DEPTH = 500

_TUPLE, _SET, _DATETIME, _DATE, _DECIMAL, _UUID, _INT = range(1, 8)


#: Deepest nesting of tuples and sets. Each level is an encoding within an encoding, and decoding
#: them uses the C stack of whatever thread a handler runs in.
MAX_NESTED = 8


def _pack_datetime(value: datetime, level: int) -> bytes:
    zone, fold = zone_of(value)
    return packb([value.isoformat(), zone, fold])


def _unpack_datetime(data: bytes, level: int) -> datetime:
    text, zone, fold = unpackb(data)
    value = datetime.fromisoformat(text).replace(fold=fold)
    return value.replace(tzinfo=ZoneInfo(zone)) if zone else value


_PACKERS: dict[type, tuple[int, Callable[[Any, int], bytes]]] = {
    tuple: (_TUPLE, lambda v, level: _pack(list(v), level)),
    set: (_SET, lambda v, level: _pack(list(v), level)),
    datetime: (_DATETIME, _pack_datetime),
    date: (_DATE, lambda v, _: v.isoformat().encode()),
    Decimal: (_DECIMAL, lambda v, _: str(v).encode()),
    UUID: (_UUID, lambda v, _: v.bytes),
    int: (_INT, lambda v, _: v.to_bytes(v.bit_length() // 8 + 1, "big", signed=True)),
}

_UNPACKERS: dict[int, Callable[[bytes, int], Any]] = {
    _TUPLE: lambda data, level: tuple(_unpack(data, level)),
    _SET: lambda data, level: set(_unpack(data, level)),
    _DATETIME: _unpack_datetime,
    _DATE: lambda data, _: date.fromisoformat(data.decode()),
    _DECIMAL: lambda data, _: Decimal(data.decode()),
    _UUID: lambda data, _: UUID(bytes=data),
    _INT: lambda data, _: int.from_bytes(data, "big", signed=True),
}


def _default(level: int, value: Any) -> msgpack.ExtType:
    found = _PACKERS.get(type(value))
    if found is None:
        raise TypeError(type(value).__qualname__)
    if level >= MAX_NESTED:
        raise ValueError(f"tuples and sets are nested deeper than {MAX_NESTED} levels")
    code, pack = found
    return msgpack.ExtType(code, pack(value, level + 1))


def _ext_hook(level: int, code: int, data: bytes) -> Any:
    unpack = _UNPACKERS.get(code)
    if unpack is None:
        raise NewerRecordError(
            f"a value has the unknown type code {code}: it was written by a newer FlowForge; "
            "upgrade this process"
        )
    if level >= MAX_NESTED:
        raise ValueError(f"tuples and sets are nested deeper than {MAX_NESTED} levels")
    return unpack(data, level + 1)


# One function for each level, made once: they are handed to C code for every value.
_DEFAULTS = [partial(_default, level) for level in range(MAX_NESTED + 1)]
_HOOKS = [partial(_ext_hook, level) for level in range(MAX_NESTED + 1)]


def _pack(value: Any, level: int) -> bytes:
    packed: bytes = msgpack.Packer(default=_DEFAULTS[level], strict_types=True).pack(value)
    return packed


def _unpack(data: bytes, level: int) -> Any:
    return msgpack.unpackb(data, ext_hook=_HOOKS[level], strict_map_key=False)


def packb(value: Any) -> bytes:
    """Encode without limits or error translation; for values that FlowForge made itself."""
    return _pack(value, 0)


def unpackb(data: bytes) -> Any:
    """Decode what packb wrote."""
    return _unpack(data, 0)


#: How values begin that msgpack writes as extensions.
_HEADS = bytes([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])
#: Bytes from which on one search for each head is faster than one for all.
_LONG = 4096
#: Extensions of msgpack's own, which it writes as they are and which arrive as another type.
_FOREIGN = frozenset({msgpack.ExtType, msgpack.Timestamp})
_CONTAINERS = frozenset({dict, list, tuple, set})


def _has_extension(data: bytes) -> bool:
    """Whether an extension may be among the encoded values; costs next to nothing."""
    if len(data) < _LONG:
        return len(data.translate(None, _HEADS)) != len(data)
    return any(head in data for head in _HEADS)


def _has_foreign(value: Any) -> bool:
    """Whether an extension of msgpack's own is among the values."""
    left: list[Iterable[Any]] = [(value,)]
    while left:
        items = left.pop()
        kinds = set(map(type, items))
        if kinds & _FOREIGN:
            return True
        for item in items if kinds & _CONTAINERS else ():
            if type(item) is dict:
                left += [item.keys(), item.values()]
            elif type(item) in _CONTAINERS:
                left.append(item)
    return False


def encode_payload(params: dict[str, Any], limit: int, where: str) -> bytes:
    """Encode the params of one delivery.

    ``where`` names the emission for the error. Raises PayloadError with the path of a value that
    cannot travel, PayloadTooLargeError above ``limit`` bytes.
    """
    try:
        # Within two arrays of one, whose heads are a byte each: what reads a record, which nests
        # them deeper, does not go as deep as what writes it.
        data = packb([[params]])[2:]
        if _has_extension(data) and _has_foreign(params):
            raise TypeError("an extension of msgpack's own")
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise PayloadError(f"{where}: {_explain(params, error)}") from None
    if len(data) > limit:
        raise PayloadTooLargeError(
            f"{where}: the params take {len(data)} bytes, the limit is {limit}; pass a reference "
            "(a path, a key) instead of the data, or raise max_payload"
        )
    return data


def _explain(value: Any, error: Exception) -> str:
    if "nested deeper" in str(error):
        return f"params: {error}"
    if "recursion" in str(error):
        return (
            f"params are nested too deep, or contain themselves: {MAX_DEPTH} levels of lists and "
            "dicts are sure to travel"
        )
    path, culprit = "params", value
    while step := next(((k, v) for k, v in _children(culprit) if not _packs(v)), None):
        path, culprit = f"{path}{step[0]}", step[1]
    kind = type(culprit)
    if kind is datetime and isinstance(error, UnnamedZoneError):
        return (
            f"{path} is {error}, which another process cannot find by its name: use "
            'zoneinfo.ZoneInfo("Europe/Berlin"), with pytz zone.localize(...), or '
            ".astimezone(datetime.UTC)"
        )
    if kind is str:
        return f"{path} holds half of a surrogate pair, which UTF-8 cannot encode"
    if kind in (list, tuple, dict, set):
        return f"{path} cannot be encoded ({error}); allowed are {ALLOWED}"
    name = f"{kind.__module__}.{kind.__qualname__}"
    return f"{path} is a {name}, which cannot travel; allowed are {ALLOWED}"


def _children(value: Any) -> list[tuple[str, Any]]:
    if type(value) is dict:
        keys = [(f" key {k!r}", k) for k in value]
        return keys + [(f"[{k!r}]", v) for k, v in value.items()]
    if type(value) in (list, tuple, set):
        return [(f"[{i}]", v) for i, v in enumerate(value)]
    return []


def _packs(value: Any) -> bool:
    try:
        packb(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return not _has_foreign(value)


def pack_record(*fields: Any) -> bytes:
    """A versioned record of ``fields``."""
    return packb([RECORD_VERSION, *fields])


def unpack_record(data: bytes, what: str, *lengths: int) -> list[Any]:
    """The fields of a record, which has one of the ``lengths``.

    CorruptRecordError or NewerRecordError names ``what``.
    """
    record = _versioned(data, what, RECORD_VERSION)
    if len(record) - 1 not in lengths:
        known = " or ".join(map(str, lengths))
        raise CorruptRecordError(f"{what} has {len(record) - 1} fields instead of {known}")
    return record[1:]


def _versioned(data: bytes, what: str, latest: int) -> list[Any]:
    """A record with its version, which is at most ``latest``."""
    try:
        record = unpackb(data)
    except NewerRecordError:
        raise
    except Exception as error:  # every decoder fails in its own way; all mean the same here
        raise CorruptRecordError(f"{what} is not a readable record: {error!r}") from error
    if type(record) is not list or not record or type(record[0]) is not int:
        raise CorruptRecordError(f"{what} is not a versioned record")
    if record[0] > latest:
        raise NewerRecordError(
            f"{what} has layout version {record[0]}, this process reads up to {latest}; "
            "upgrade its FlowForge"
        )
    return record


#: Start of an invocation's record: an array of three, version 1. The encoded params follow the
#: emitter's number as they are, so that a fan-out encodes equal params once.
_INVOCATION = b"\x93\x01"
#: The same of an invocation that was submitted.
_SUBMITTED = _INVOCATION + packb(0)

#: Start of one that carries the context of a trace: an array of four, version 2. A release that
#: does not know it leaves the invocation to another worker.
_TRACED = b"\x94\x02"
#: Its version, which is the second byte of each record.
TRACED_VERSION = 2

#: Elements of an invocation's record, by the version of its layout.
_ELEMENTS = {RECORD_VERSION: 3, TRACED_VERSION: 4}
#: In the place of params that are too large to be kept: such a record only carries a context.
_NIL = b"\xc0"


def invocation_record(emitter: int, payload: bytes) -> bytes:
    """The record of one invocation: the number of its emitter (0: submitted), and its params."""
    return (_INVOCATION + packb(emitter) if emitter else _SUBMITTED) + payload


def output_record(number: int, routine_id: str, event: str, payload: bytes) -> bytes:
    """The record of an output: who emitted it on which event, and its encoded params."""
    # An array of five: version, number, routine, event, params.
    return b"\x95\x01" + packb(number) + packb(routine_id) + packb(event) + payload


def traced_record(record: bytes, trace: bytes) -> bytes:
    """The record of an invocation with the packed context of a trace; as it is without one."""
    return _TRACED + record[2:] + trace if trace else record


def without_params(trace: bytes) -> bytes:
    """A record that carries a context and no params."""
    return _TRACED + b"\x00" + _NIL + trace


def split_trace(record: bytes) -> tuple[bytes, bytes]:
    """The record of an invocation without the context that it carries, and the packed context.

    Empty where there is none; a record that cannot be read stays as it is.
    """
    if not record.startswith(_TRACED):
        return record, b""
    try:
        unpacker = msgpack.Unpacker()
        unpacker.feed(record[1:])
        for _ in range(3):
            unpacker.skip()
        end = unpacker.tell() + 1
    except (ValueError, msgpack.UnpackException):
        return record, b""
    return _INVOCATION + record[2:end], record[end:]


def read_invocation(data: bytes, what: str) -> tuple[int, dict[str, Any]]:
    """The emitter's number and the params of an invocation's record."""
    record = _versioned(data, what, TRACED_VERSION)
    if len(record) != _ELEMENTS.get(record[0]):
        raise CorruptRecordError(f"{what} has {len(record) - 1} fields instead of 2")
    emitter, params = record[1], record[2]
    if type(emitter) is not int or type(params) is not dict:
        raise CorruptRecordError(f"{what} does not hold a number and params")
    return emitter, params


def masked_record(record: bytes, secret: frozenset[str], what: str) -> bytes:
    """The record of an invocation, without the values of its secret params.

    ``what``: the invocation, for CorruptRecordError.
    """
    if not secret:
        return record
    emitter, params = read_invocation(record, what)
    return invocation_record(emitter, packb(masked(params, secret)))


def read_kept(data: bytes, what: str) -> dict[str, Any] | None:
    """The params of a record; None for one that only carries a context."""
    if data.startswith(_TRACED + b"\x00" + _NIL):
        return None
    return read_invocation(data, what)[1]
