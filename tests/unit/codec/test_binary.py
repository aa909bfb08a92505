"""Payloads and records: what goes in comes out, and what cannot is refused with its place."""

from __future__ import annotations

import enum
import subprocess
import sys
from collections import OrderedDict
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import dateutil.tz
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.codec.binary import (
    ALLOWED,
    MAX_DEPTH,
    MAX_NESTED,
    RECORD_VERSION,
    encode_payload,
    invocation_record,
    output_record,
    pack_record,
    packb,
    read_invocation,
    read_kept,
    split_trace,
    traced_record,
    unpack_record,
    unpackb,
    without_params,
)
from flowforge.errors import (
    CorruptRecordError,
    NewerRecordError,
    PayloadError,
    PayloadTooLargeError,
)
from tests.unit.codec.payloads import hashable_trees, payloads, same, values

LIMIT = 1024 * 1024


@given(payloads)
def test_a_payload_survives_the_trip(params: dict[str, Any]) -> None:
    """Every allowed value keeps its value and its type."""
    record = invocation_record(7, encode_payload(params, LIMIT, "here"))
    emitter, found = read_invocation(record, "it")
    assert emitter == 7
    assert same(found, params)


@given(st.sets(hashable_trees, max_size=4))
def test_a_set_keeps_its_types(value: set[Any]) -> None:
    """Members of a set are told apart by type as well."""
    found = unpackb(packb(value))
    assert type(found) is set
    assert {(type(v), str(v)) for v in found} == {(type(v), str(v)) for v in value}


@pytest.mark.parametrize("fold", [0, 1])
def test_a_repeated_hour_is_told_apart(fold: int) -> None:
    """A time that occurs twice a year keeps which of the two it is, and its zone."""
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)
    found = unpackb(packb(moment))
    assert (found.fold, found.tzinfo, found.utcoffset()) == (
        fold, moment.tzinfo, moment.utcoffset(),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-0", "Infinity", "1.10", "1E+400"])
def test_a_decimal_keeps_its_digits(text: str) -> None:
    """Trailing zeros, signs and special values of decimals are kept."""
    assert str(unpackb(packb(Decimal(text)))) == text


def test_nan_and_infinity_are_floats() -> None:
    """Floats that JSON lacks travel."""
    found = unpackb(packb([float("nan"), float("-inf")]))
    assert found[0] != found[0]
    assert found[1] == float("-inf")


class Colour(enum.IntEnum):
    RED = 1


class Word(str):
    pass


class Point(NamedTuple):
    x: int


class Moment(datetime):
    pass


@pytest.mark.parametrize(
    "value",
    [
        object(), Colour.RED, Word("x"), Point(1), OrderedDict(a=1), frozenset({1}), 1j, len,
        Colour, Moment(2020, 1, 1), timedelta(1), iter([]),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_anything_else_is_refused(value: Any) -> None:
    """What could not come back as it was is refused, by the name of its type."""
    with pytest.raises(PayloadError) as refused:
        encode_payload({"a": value}, LIMIT, "fetch.emit('output')")
    message = str(refused.value)
    assert message.startswith("fetch.emit('output'): params['a'] is a ")
    assert type(value).__name__ in message


@pytest.mark.parametrize("value", [bytearray(b"x"), memoryview(b"x")], ids=["array", "view"])
def test_what_is_like_bytes_arrives_as_bytes(value: Any) -> None:
    """The only kinds that come back as another; the list of what may travel says so."""
    data = encode_payload({"a": value}, LIMIT, "here")
    assert unpackb(data) == {"a": b"x"}
    assert type(unpackb(data)["a"]) is bytes
    assert "a bytearray arrives as bytes" in ALLOWED


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"a": {"b": [1, 2, object()]}}, "params['a']['b'][2]"),
        ({"a": (1, {2: object()})}, "params['a'][1][2]"),
        ({"a": {Colour: 1}}, "params['a'] key "),
        ({"a": {(1, frozenset()): 1}}, "params['a'] key "),
        ({"a": {"x": {frozenset({1})}}}, "params['a']['x'][0]"),
        ({"ok": list(range(1000)), "bad": [object()]}, "params['bad'][0]"),
    ],
)
def test_the_place_of_a_bad_value_is_named(params: dict[str, Any], place: str) -> None:
    """The error leads to the value inside lists, tuples, sets, dicts and keys."""
    with pytest.raises(PayloadError) as refused:
        encode_payload(params, LIMIT, "here")
    assert str(refused.value).startswith(f"here: {place}")


def test_half_a_character_is_refused_for_what_it_is() -> None:
    """A lone surrogate has no UTF-8 form; the error does not say that text cannot travel."""
    with pytest.raises(PayloadError) as refused:
        encode_payload({"name": "caf\udce9"}, LIMIT, "here")
    message = str(refused.value)
    assert "params['name']" in message
    assert "is a builtins.str, which cannot travel" not in message
    assert "surrogate" in message


def nested(depth: int, kind: type) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value} if kind is dict else kind([value])
    return value


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (list, f"nested too deep.*: {MAX_DEPTH} levels of lists and dicts are sure to travel"),
        (dict, f"nested too deep.*: {MAX_DEPTH} levels of lists and dicts are sure to travel"),
        (tuple, f"tuples and sets are nested deeper than {MAX_NESTED} levels"),
    ],
)
def test_what_is_nested_too_deep_is_refused(kind: type, message: str) -> None:
    """Depth is bounded, with an error that says how."""
    with pytest.raises(PayloadError, match=message):
        encode_payload({"a": nested(5000, kind)}, LIMIT, "here")


@pytest.mark.parametrize("kind", [list, dict])
def test_lists_and_dicts_nest_as_deep_as_is_said(kind: type) -> None:
    """The documented depth travels and can be read, the params' own dict included."""
    value = {"a": nested(MAX_DEPTH - 1, kind)}
    data = invocation_record(1, encode_payload(value, LIMIT, "here"))
    assert read_invocation(data, "it") == (1, value)


@pytest.mark.parametrize("kind", [tuple, lambda inner: {inner[0]}])
def test_tuples_and_sets_nest_so_far(kind: Any) -> None:
    """The deepest that travels comes back; one level more is refused, naming the limit."""
    deepest: Any = 1
    for _ in range(MAX_NESTED - 1):
        deepest = (deepest,)
    deepest = kind([deepest])
    assert unpackb(encode_payload({"a": deepest}, LIMIT, "here")) == {"a": deepest}
    deeper: Any = 1
    for _ in range(MAX_NESTED):
        deeper = (deeper,)
    with pytest.raises(PayloadError, match=f"nested deeper than {MAX_NESTED} levels"):
        encode_payload({"a": kind([deeper])}, LIMIT, "here")


def test_lists_and_dicts_do_not_count_as_tuples() -> None:
    """Their depth is bounded apart, and far higher."""
    value = nested(50, list)
    for _ in range(MAX_NESTED):
        value = {"k": [(value,)]}
    assert unpackb(encode_payload({"a": value}, LIMIT, "here")) == {"a": value}


def test_a_record_that_is_nested_deeper_is_corrupt() -> None:
    """What another process wrote without the limit does not end the one that reads it."""
    data = msgpack.packb([1])
    for _ in range(2000):
        data = msgpack.packb([msgpack.ExtType(1, data)])
    with pytest.raises(CorruptRecordError, match="the thing"):
        unpack_record(data, "the thing", 1)


#: Encodes ever deeper values and decodes what was accepted, in a thread with a small stack.
_READ_BACK = """
import sys, threading
from flowforge.codec.binary import encode_payload, read_invocation, invocation_record
from flowforge.errors import PayloadError

def nested(depth, kind):
    value = 1
    for _ in range(depth):
        value = {"k": value} if kind == "dict" else {"list": list, "tuple": tuple}[kind]([value])
    return value

def read_back():
    accepted = 0
    for depth in [*range(1, 60), *range(60, 600, 7)]:
        try:
            data = encode_payload({"a": nested(depth, sys.argv[1])}, 10**6, "here")
        except PayloadError:
            continue
        read_invocation(invocation_record(1, data), "it")
        accepted = depth
    print(accepted)

threading.stack_size(512 * 1024)
thread = threading.Thread(target=read_back)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("kind", ["list", "dict", "tuple"])
def test_whatever_is_let_out_can_be_read(kind: str) -> None:
    """No depth is accepted that ends the process that decodes it, not even on a small stack."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_BACK, kind], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"ended by signal {-done.returncode}: {done.stderr[-300:]}"
    assert not done.stderr
    assert int(done.stdout) >= 8


def test_a_value_that_contains_itself_is_refused() -> None:
    """A cycle is an error, not an endless loop."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(PayloadError, match="contain themselves"):
        encode_payload({"a": cycle}, LIMIT, "here")


def test_the_size_is_bounded() -> None:
    """A payload above the limit says its size, the limit and what to do."""
    assert len(encode_payload({"a": b"x" * 90}, 100, "here")) <= 100
    with pytest.raises(PayloadTooLargeError, match=r"take 10.* bytes, the limit is 100"):
        encode_payload({"a": b"x" * 98}, 100, "here")


def test_what_was_encoded_is_a_copy() -> None:
    """Later changes of the value do not reach the record."""
    value = [1]
    data = encode_payload({"a": value}, LIMIT, "here")
    value.append(2)
    assert unpackb(data) == {"a": [1]}


# --- records -------------------------------------------------------------------------------


@given(st.lists(values, max_size=4))
def test_a_record_survives_the_trip(fields: list[Any]) -> None:
    """A record gives its fields back."""
    assert same(unpack_record(pack_record(*fields), "it", len(fields)), fields)


def test_an_output_is_a_record() -> None:
    """An output names its invocation, routine and event, and holds the params."""
    data = output_record(3, "fetch", "output", packb({"a": 1}))
    assert unpack_record(data, "an output", 4) == [3, "fetch", "output", {"a": 1}]


@given(st.binary(max_size=40))
def test_rubbish_is_a_corrupt_record(data: bytes) -> None:
    """Any bytes are a record or an error that names what was read; nothing else is raised."""
    try:
        fields = unpack_record(data, "the thing", 2)
    except (CorruptRecordError, NewerRecordError) as error:
        assert "the thing" in str(error) or "type code" in str(error)  # noqa: PT017
    else:
        assert len(fields) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", packb(1), packb([]), packb(["x", 1, 2]), packb({"a": 1}), packb([True, 1, 2]),
     pack_record(1), pack_record(1, 2, 3), pack_record(1, 2) + b"x", pack_record(1, 2)[:-1]],
)  # fmt: skip
def test_a_damaged_record_is_refused(data: bytes) -> None:
    """No record, a cut one, one with other fields, one with something behind it."""
    with pytest.raises(CorruptRecordError, match="the thing"):
        unpack_record(data, "the thing", 2)


def test_a_newer_record_is_refused() -> None:
    """A layout of a later release is not guessed at."""
    data = packb([RECORD_VERSION + 1, 1, 2])
    with pytest.raises(NewerRecordError, match="the thing has layout version 2"):
        unpack_record(data, "the thing", 2)


def test_a_newer_type_is_refused() -> None:
    """A value of a type that a later release has introduced asks for the upgrade."""
    data = msgpack.packb([1, msgpack.ExtType(99, b"")])
    with pytest.raises(NewerRecordError, match="type code 99"):
        unpack_record(data, "the thing", 1)


def test_a_record_of_no_invocation_is_refused() -> None:
    """Params are a dict and the emitter is a number."""
    damaged: list[tuple[Any, Any]] = [(1, [2]), ("1", {}), (None, {})]
    for fields in damaged:
        with pytest.raises(CorruptRecordError, match="a number and params"):
            read_invocation(pack_record(*fields), "it")


def test_the_uuid_of_a_payload_is_the_same() -> None:
    """All kinds that are stored as bytes come back."""
    values = [UUID(int=5), date(2020, 2, 29), 2**200, -(2**200), 2**63, -(2**63) - 1]
    assert unpackb(packb(values)) == values


def test_what_can_be_encoded_can_be_read_as_a_record() -> None:
    """However deep the installed msgpack goes: what is emitted is not found unreadable later."""
    depth = 0
    value: list[Any] = []
    while True:
        try:
            payload = encode_payload({"value": value}, 10**6, "here")
        except PayloadError:
            break
        depth, value = depth + 1, [value]
        assert read_invocation(invocation_record(1, payload), "it")[0] == 1
    assert depth >= MAX_DEPTH - 10


class Localized(tzinfo):
    """A zone as pytz makes them: one object for each offset, with the name of the zone."""

    def __init__(self, zone: str, hours: float) -> None:
        self.zone = zone
        self._offset = timedelta(hours=hours)

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        return None if at is None else self._offset

    def tzname(self, at: datetime | None) -> str:
        return self.zone

    def dst(self, at: datetime | None) -> timedelta | None:
        return None


class Fixed(Localized):
    """A zone that has one offset, and no name that the database knows."""

    def utcoffset(self, at: datetime | None) -> timedelta:
        return self._offset


class Looking(tzinfo):
    """A zone of a user's own, whose offset depends on the time."""

    def utcoffset(self, at: Any) -> timedelta:
        return timedelta(hours=1 + (3 < at.month < 10))


def carried(moment: datetime) -> datetime:
    """What a handler receives of a moment."""
    found: datetime = read_invocation(
        invocation_record(1, encode_payload({"at": moment}, LIMIT, "e")), "r"
    )[1]["at"]
    return found


@pytest.mark.parametrize(
    "zone",
    [dateutil.tz.gettz("Europe/Berlin"), Localized("Europe/Berlin", 2)],
    ids=["dateutil", "pytz"],
)
def test_another_librarys_zone_is_carried_by_its_name(zone: tzinfo) -> None:
    """Half a year later the clock shows what it would in the producer's zone."""
    moment = datetime(2024, 7, 1, 12, tzinfo=zone)
    found = carried(moment)
    assert (found, found.tzinfo) == (moment, ZoneInfo("Europe/Berlin"))
    assert (found + timedelta(days=180)).utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize("hours", [1, 2])
def test_the_hour_that_comes_twice_is_told_by_its_offset(hours: int) -> None:
    """pytz knows no fold, so the offset tells which of the two it was."""
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=Localized("Europe/Berlin", hours))
    assert carried(moment).utcoffset() == timedelta(hours=hours)


def test_a_fixed_offset_needs_no_name() -> None:
    """The ISO text holds it."""
    moment = datetime(2024, 7, 1, 12, tzinfo=Fixed("somewhere", 5.5))
    assert carried(moment) == moment
    assert carried(moment).tzinfo == timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    "zone",
    [
        Looking(),  # type: ignore[abstract]
        Localized("Nowhere/Else", 1),
        # What datetime(..., tzinfo=pytz.timezone("Europe/Berlin")) makes: the mean time of 1893.
        Localized("Europe/Berlin", 0.9),
    ],
    ids=["own class", "unknown name", "wrong offset"],
)
def test_a_zone_that_cannot_be_carried_is_refused(zone: tzinfo) -> None:
    """In place of another offset half a year later; the error says what travels."""
    with pytest.raises(PayloadError, match=r"^e: params\['at'\] is a datetime of zone.*ZoneInfo"):
        encode_payload({"at": datetime(2024, 7, 1, tzinfo=zone)}, LIMIT, "e")


@pytest.mark.parametrize("value", [msgpack.ExtType(1, b"zz"), msgpack.Timestamp(5)], ids=repr)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda value: value, "params['x']"),
        (lambda value: [1, {"y": value}], "params['x'][1]['y']"),
        (lambda value: (1, value), "params['x'][1]"),
        (lambda value: {value: 1}, "params['x'] key"),
    ],
)
def test_msgpacks_own_extensions_are_refused(value: Any, wrap: Any, path: str) -> None:
    """They would arrive as another type, or as none that the reader knows."""
    with pytest.raises(PayloadError) as caught:
        encode_payload({"x": wrap(value)}, LIMIT, "e")
    assert str(caught.value).startswith(f"e: {path}")
    assert "which cannot travel" in str(caught.value)


class TestRecordsWithATrace:
    """The context of a trace stands behind the params of an invocation's record."""

    TRACE = packb(["00-trace"])

    @given(payloads)
    def test_it_is_taken_off_again(self, params: dict[str, Any]) -> None:
        """The rest is the record that it was put on."""
        plain = invocation_record(7, encode_payload(params, LIMIT, "here"))
        record = traced_record(plain, self.TRACE)
        assert split_trace(record) == (plain, self.TRACE)
        assert split_trace(plain) == (plain, b"")
        assert traced_record(plain, b"") == plain
        emitter, found = read_invocation(record, "it")
        assert emitter == 7
        assert same(found, params)

    def test_it_may_stand_alone(self) -> None:
        """Where the params are too large to be kept."""
        record = without_params(self.TRACE)
        assert read_kept(record, "it") is None
        assert split_trace(record)[1] == self.TRACE
        assert read_kept(invocation_record(0, packb({"n": 1})), "it") == {"n": 1}
        assert read_kept(traced_record(invocation_record(0, packb({})), self.TRACE), "it") == {}

    @pytest.mark.parametrize("record", [b"\x94\x02", b"\x94\x02\x01\xc1", b"J2 x", b""])
    def test_what_cannot_be_read_stays(self, record: bytes) -> None:
        """Whoever reads the record says what is wrong with it."""
        assert split_trace(record) == (record, b"")

    def test_the_length_belongs_to_the_version(self) -> None:
        """A record of another one is refused, and a later one asks for the upgrade."""
        for fields in ([1, 7, {}, []], [2, 7, {}], [2, 7, {}, [], []]):
            with pytest.raises(CorruptRecordError, match="fields instead of 2"):
                read_invocation(packb(fields), "it")
        with pytest.raises(NewerRecordError, match="layout version 3, this process reads up to 2"):
            read_invocation(packb([3, 7, {}, []]), "it")
