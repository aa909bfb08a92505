"""What workers report, and what others read of it."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN, STALE, WorkerReports
from tests.contract.bench import Bench

FACTS = {"pid": 7, "pool": "solo", "concurrency": 2, "queues": ["q"], "routines": ["t.R0"]}


def report(bench: Bench, name: str, age: int, facts: Any) -> None:
    """A report that was written ``age`` seconds ago."""
    record = pack_record(bench.now() // 1000 - age, facts)
    bench.link.call("HSET", bench.key("workers"), name, record)


def test_a_report_is_read_as_it_was_written(bench: Bench) -> None:
    """Its age is that of the server's clock."""
    reports = WorkerReports(bench.store)
    reports.write("w1", "mark", FACTS, ["job/1.0.0"])
    (worker,), unreadable = reports.read()
    assert unreadable == []
    assert (worker.name, worker.pid, worker.pool, worker.concurrency) == ("w1", 7, "solo", 2)
    assert (worker.queues, worker.routines) == (frozenset({"q"}), frozenset({"t.R0"}))
    assert worker.live
    assert (worker.version, worker.lease) == ("", None)
    assert reports.rate_limited_messages() == {b"job/1.0.0"}


def test_a_report_says_what_releases_before_it_did_not(bench: Bench) -> None:
    """Version, lease and prefetch; without them it is read all the same, as above."""
    reports = WorkerReports(bench.store)
    reports.write("w1", "mark", {**FACTS, "version": "0.1.0", "lease": 15.0, "prefetch": 8}, [])
    (worker,), _ = reports.read()
    assert (worker.version, worker.lease, worker.prefetch) == ("0.1.0", 15.0, 8)


def test_a_silent_worker_serves_and_holds_nothing(bench: Bench) -> None:
    """It is still told of until it is forgotten."""
    reports = WorkerReports(bench.store)
    report(bench, "silent", STALE + 2, {**FACTS, "held": ["job/1.0.0"]})
    report(bench, "gone", FORGOTTEN + 2, FACTS)
    found, _ = reports.read()
    assert [(one.name, one.live) for one in found] == [("gone", False), ("silent", False)]
    assert reports.rate_limited_messages() == set()
    assert reports.forget_silent() == 1
    assert [one.name for one in reports.read()[0]] == ["silent"]


@pytest.mark.attack(what="A worker's report with facts of other types")
@pytest.mark.parametrize("facts", ["none", {"queues": "q"}, {"queues": [1]}], ids=repr)
def test_a_report_that_cannot_be_read_hides_no_other(bench: Bench, facts: Any) -> None:
    """The other reports are read, and the damaged one is named."""
    reports = WorkerReports(bench.store)
    reports.write("here", "mark", FACTS, [])
    report(bench, "junk", 0, facts)
    (worker,), (error,) = reports.read()
    assert worker.name == "here"
    assert "the report of worker junk" in str(error)


def test_a_report_that_has_been_replaced_is_not_forgotten(bench: Bench) -> None:
    """A worker may report between the look at its last report and the removal."""
    report(bench, "back", FORGOTTEN + 2, FACTS)
    old = bench.hash("workers")["back"]
    report(bench, "back", 0, FACTS)
    report(bench, "gone", FORGOTTEN + 2, FACTS)
    gone = bench.hash("workers")["gone"]
    assert bench.store.upkeep.forget_reports([("back", old), ("gone", gone), ("none", old)]) == 1
    assert set(bench.hash("workers")) == {"back"}


def test_a_worker_withdraws_its_own_report_alone(bench: Bench) -> None:
    """One that has replaced it under its name stays."""
    reports = WorkerReports(bench.store)
    assert not reports.write("w1", "one", FACTS, [])
    assert reports.write("w1", "other", FACTS, [])
    reports.withdraw("w1", "one")
    assert len(reports.read()[0]) == 1
    reports.withdraw("w1", "other")
    assert reports.read() == ([], [])
