"""Counting attempts in memory, without a worker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest

from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.model.connection import Connection
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.plan import Target
from flowforge.store.fleet_reads.totals import (
    DELIVERED,
    QUEUED,
    QUEUED_BUCKETS,
    RETRY,
    RETRY_BUCKETS,
    RUN,
    RUN_BUCKETS,
    WAITED,
    WAITED_BUCKETS,
)
from flowforge.store.transitions.tallies import Counted
from flowforge.worker.run import tally as module
from flowforge.worker.run.tally import AttemptEnd, Tally

NAME: Counted = ("slot", "shop\ncharge\ninput")


class Totals:
    """A store that takes counts, or raises what it is told to."""

    def __init__(self) -> None:
        self.tallies = self
        self.batches: list[tuple[int, str, dict[Counted, dict[int, int]]]] = []
        self.refusal: Exception | None = None

    def add(
        self, writer: str, batch: int, worker: str, changes: Mapping[Counted, Mapping[int, int]]
    ) -> bool:
        self.batches.append((batch, worker, {k: dict(v) for k, v in changes.items()}))
        if self.refusal is not None:
            raise self.refusal
        return True


@pytest.fixture
def store() -> Totals:
    return Totals()


@pytest.fixture
def tally(store: Totals, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """One whose thread adds nothing by itself."""
    monkeypatch.setattr(module, "INTERVAL", 600)
    taken: Any = store
    return Tally(taken, lambda: "w1")


def end(
    outcome: AttemptOutcome = AttemptOutcome.COMPLETED, slot: str = "input", **about: Any
) -> AttemptEnd:
    return AttemptEnd("shop", "charge", slot, outcome, **about)


def test_attempts_are_added_up_by_slot(tally: Tally, store: Totals) -> None:
    """Times by bucket and in all; of what took no time only that it happened."""
    tally.note(end(micros=700, queued_ms=0))
    tally.note(end(micros=5_000, queued_ms=1500))
    tally.note(end(AttemptOutcome.RETRIED, micros=2_000_000, retry_ms=60_000))
    tally.note(end(AttemptOutcome.LOST))
    tally.flush()
    assert store.batches == [
        (
            1,
            "w1",
            {
                NAME: {
                    0: 2, 2: 1, 5: 1,
                    RUN: 2_005_700, RUN_BUCKETS: 1, RUN_BUCKETS + 3: 1, RUN_BUCKETS + 11: 1,
                    QUEUED: 1500, QUEUED_BUCKETS: 2, QUEUED_BUCKETS + 11: 1,
                    RETRY: 60_000, RETRY_BUCKETS + 16: 1,
                }
            },
        )
    ]  # fmt: skip
    tally.flush()
    assert len(store.batches) == 1


def test_deliveries_are_added_up_by_connection(tally: Tally, store: Totals) -> None:
    """All connections of an event carry each of its emissions; a slot that one connection leads to
    tells how long what it has carried waited.
    """
    targets = {
        "paid": [
            Target(1, 0, Connection("charge", "paid", name, "input"), False, False)
            for name in ("ship", "mail")
        ],
        "done": [],
    }
    source = "cart.sum -> charge.input"
    for emitted in ({"paid": 3, "done": 1}, {"paid": 1}):
        tally.note(end(queued_ms=1500, source=source, emitted=emitted, targets=targets))
    tally.note(end(AttemptOutcome.RETRIED, queued_ms=200, source=source, targets=targets))
    tally.note(end(queued_ms=900, targets=targets))
    tally.flush()
    ((_, _, changes),) = store.batches
    assert {name: counters for (kind, name), counters in changes.items() if kind != "slot"} == {
        "shop\ncart.sum -> charge.input": {
            WAITED: 3200, WAITED_BUCKETS + 11: 2, WAITED_BUCKETS + 8: 1,
        },
        "shop\ncharge.paid -> ship.input": {DELIVERED: 4},
        "shop\ncharge.paid -> mail.input": {DELIVERED: 4},
    }  # fmt: skip


def test_each_version_of_a_flow_has_its_own_connections(tally: Tally, store: Totals) -> None:
    """The same event of two versions leads to different slots."""
    for name, times in (("ship", 2), ("mail", 5)):
        target = Target(1, 0, Connection("charge", "paid", name, "input"), False, False)
        tally.note(end(emitted={"paid": times}, targets={"paid": (target,)}))
    tally.flush()
    ((_, _, changes),) = store.batches
    assert {name: counters for (kind, name), counters in changes.items() if kind != "slot"} == {
        "shop\ncharge.paid -> ship.input": {DELIVERED: 2},
        "shop\ncharge.paid -> mail.input": {DELIVERED: 5},
    }


def test_a_batch_that_may_have_arrived_is_sent_again_as_it_was(tally: Tally, store: Totals) -> None:
    """Under its number; what was noted since comes behind it."""
    tally.note(end(AttemptOutcome.LOST))
    store.refusal = StoreUnavailableError("away")
    tally.flush()
    tally.note(end(AttemptOutcome.DROPPED))
    tally.flush()
    store.refusal = None
    tally.flush()
    assert [batch for batch, _, _ in store.batches] == [1, 1, 1, 2]
    assert [changes for *_, changes in store.batches[2:]] == [{NAME: {5: 1}}, {NAME: {7: 1}}]


def test_counts_that_are_refused_are_lost(
    tally: Tally, store: Totals, caplog: pytest.LogCaptureFixture
) -> None:
    """A user without the rights is told once, and the process goes on."""
    store.refusal = CommandRefusedError("NOPERM")
    for _ in range(2):
        tally.note(end())
        tally.flush()
    store.refusal = None
    tally.flush()
    assert [batch for batch, _, _ in store.batches] == [1, 2]
    assert caplog.text.count("they are lost: NOPERM") == 1


def test_many_slots_go_in_several_batches(tally: Tally, store: Totals) -> None:
    """So that none keeps the server for long."""
    for number in range(120):
        tally.note(end(slot=f"s{number}"))
    tally.flush()
    assert [len(changes) for *_, changes in store.batches] == [50, 50, 20]


def test_a_forked_child_counts_its_own(tally: Tally, store: Totals) -> None:
    """What the parent has noted stays the parent's."""
    tally.note(end())
    pid = os.fork()
    if pid == 0:
        tally.flush()
        tally.note(end())
        tally.flush()
        os._exit(0 if [sum(c[NAME][0] for *_, c in store.batches)] == [1] else 1)
    assert os.waitpid(pid, 0)[1] == 0
    tally.close()
    assert [changes[NAME][0] for *_, changes in store.batches] == [1]
