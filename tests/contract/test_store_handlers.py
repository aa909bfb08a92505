"""What workers say of handlers, as the server has it: bounded, and damaged at times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from flowforge import Routine
from flowforge.codec.binary import pack_record
from flowforge.model.definition import RoutineSpec
from flowforge.store.fleet_reads.handler_records import HandlerRecords, of_slot
from tests.contract.bench import Bench

PARAM = ["n", "integer", True, False, None, []]


class Plain(Routine):
    def handle(self, n: int, mark: float = 1.5) -> None: ...


class Halved(Routine):
    def handle(self, choice: Literal["whole", "\ud800"]) -> None: ...


def forge(bench: Bench, record: object) -> None:
    bench.link.call("HSET", bench.key("handlers"), "shop.Plain", pack_record(record))


def test_it_is_read_as_it_was_written(bench: Bench) -> None:
    """By the class; what no worker has told of is left out."""
    records = HandlerRecords(bench.store)
    assert records.write({"shop.Plain": Plain}) == 1
    found = records.read(["shop.Plain", "shop.Other"])
    assert [one.name for one in found.pop("shop.Plain")["handle"].params] == ["n", "mark"]
    assert not found


def test_a_class_that_cannot_be_stored_does_not_hide_others(bench: Bench) -> None:
    """Half of a surrogate pair has no UTF-8 form, in a choice and in a name."""
    records = HandlerRecords(bench.store)
    classes = {"shop.Halved": Halved, "shop.\ud800": Plain, "shop.Plain": Plain}
    assert records.write(classes) == 1
    assert list(records.read(classes)) == ["shop.Plain"]


@pytest.mark.parametrize(
    "record",
    [
        {f"handle{n}": [[], False] for n in range(31)},
        {"handle": [[PARAM] * 51, False]},
        {"handle": [[["n", "text", True, False, None, ["x"] * 51]], False]},
        {"handle": [[["n" * 20_000, *PARAM[1:]]], False]},
        {"handle": [[[["n"], *PARAM[1:]]], False]},
        {"handle": [[["n", "text", True, False, None, [7]]], False]},
        {7: [[PARAM], False]},
    ],
    ids=["handlers", "params", "choices", "bytes", "name", "choice", "handler"],
)  # fmt: skip
def test_a_record_that_no_worker_writes_is_left_out(bench: Bench, record: object) -> None:
    """It is bounded where it is read as well, and what should be a text is one."""
    forge(bench, record)
    assert HandlerRecords(bench.store).read(["shop.Plain"]) == {}


@pytest.mark.parametrize(
    "default",
    [float("nan"), float("inf"), 10**5000, "secret", b"\xff"],
    ids=["nan", "inf", "digits", "text", "bytes"],
)
def test_only_a_default_that_can_be_shown_is_told(bench: Bench, default: Any) -> None:
    """A number of 5,000 digits cannot be printed."""
    forge(bench, {"handle": [[["n", "any", False, False, default, []]], False]})
    (param,) = HandlerRecords(bench.store).read(["shop.Plain"])["shop.Plain"]["handle"].params
    assert param.default is None


def test_bytes_that_are_no_record_are_left_out(bench: Bench) -> None:
    """No UTF-8 in a text, and what is no msgpack."""
    damaged: list[Callable[[bytes], bytes]] = [
        lambda packed: packed.replace(b"handle", b"handl\xed"),
        lambda packed: packed[:-1],
    ]
    for damage in damaged:
        packed = damage(pack_record({"handle": [[PARAM], False]}))
        bench.link.call("HSET", bench.key("handlers"), "shop.Plain", packed)
        assert HandlerRecords(bench.store).read(["shop.Plain"]) == {}


def test_a_handler_that_is_no_name_takes_what_is_not_known() -> None:
    """A definition may be forged as well."""
    raw: dict[str, Any] = {"slots": [{"name": "input", "handler": ["handle"]}], "events": []}
    assert of_slot({}, RoutineSpec("charge", "shop.Plain", None, raw), 0) is None
    told: dict[str, Any] = {"shop.Plain": {}}
    assert of_slot(told, RoutineSpec("charge", "shop.Plain", None, raw), 0) is None
