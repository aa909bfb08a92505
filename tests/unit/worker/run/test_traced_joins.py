"""The contexts that the items of a join carry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flowforge.codec.binary import invocation_record, packb, traced_record
from flowforge.worker.run.joining import Collections


def collections(items: list[bytes | None], asked: list[int]) -> Collections:
    """The collections of a store whose only join has these items."""

    def call(command: str, key: str, *fields: str) -> list[bytes | None]:
        asked.append(len(fields))
        return [items[int(field.partition(".")[2]) - 1] for field in fields]

    store: Any = SimpleNamespace(
        link=SimpleNamespace(call=call), keys=SimpleNamespace(of=lambda *_: "key")
    )
    return Collections(store)


def item(number: int) -> bytes:
    return traced_record(invocation_record(number, packb({})), packb([f"context {number}"]))


@pytest.mark.parametrize(
    ("count", "found", "asked"),
    [(2, [1, 2], [2]), (3, [1, 2, 3], [3]), (9, [1, 2, 3, 9], [3, 1])],
)
def test_they_are_bounded(count: int, found: list[int], asked: list[int]) -> None:
    """The first ones and the last one, for which the join has waited."""
    reads: list[int] = []
    store = collections([item(number) for number in range(1, count + 1)], reads)
    attempt: Any = SimpleNamespace(raw=b"J%d k" % count, job_id="j1", invocation="7.0.0")
    assert store.traces(attempt, 3) == [packb([f"context {number}"]) for number in found]
    assert reads == asked


def test_items_without_one_are_left_out() -> None:
    """As those of a producer that is not traced, and those that are gone."""
    store = collections([invocation_record(1, packb({})), item(2), None], [])
    attempt: Any = SimpleNamespace(raw=b"J3 ", job_id="j1", invocation="7.0.0")
    assert store.traces(attempt, 9) == [packb(["context 2"])]
