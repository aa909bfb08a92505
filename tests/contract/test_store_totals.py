"""Totals of jobs and of attempts: what is counted, once, and under how many names."""

from __future__ import annotations

import pytest

from flowforge.metrics.exposition import Page
from flowforge.metrics.fleet import FleetMetrics
from flowforge.model.jobs.status import AttemptOutcome, JobStatus
from flowforge.store.fleet_reads.totals import (
    BUCKETS,
    DELIVERED,
    OUTCOMES,
    RUN,
    RUN_BUCKETS,
    WAITED,
    WAITED_BUCKETS,
    ConnectionName,
    JobTotals,
    SlotName,
    Totals,
    bucket_of,
)
from flowforge.store.transitions.tallies import Counted
from tests.contract.bench import LARGE, LONG, Bench
from tests.contract.keyed import call
from tests.support.scrape import Scrape

NAME = "shop\ncharge\ninput"
SLOT = SlotName("shop", "charge", "input")


def add(
    bench: Bench, changes: dict[str, dict[int, int]], batch: int = 1, *, writer: str = "p1",
    worker: str = "", carried: dict[Counted, dict[int, int]] | None = None,
) -> bool:  # fmt: skip
    slots: dict[Counted, dict[int, int]] = {("slot", name): one for name, one in changes.items()}
    return bench.store.tallies.add(writer, batch, worker, {**slots, **(carried or {})})


def jobs(bench: Bench, flow: str = "flow") -> JobTotals:
    return Totals(bench.store).jobs().get(flow, JobTotals())


def ended(bench: Bench) -> dict[str, int]:
    return {status.value: times.count for status, times in jobs(bench).ended.items()}


def test_counters_of_a_slot_are_added_up(bench: Bench) -> None:
    """Those of several processes; a counter that nobody has changed is zero."""
    add(bench, {NAME: {0: 2, RUN: 1_500_000, RUN_BUCKETS + 3: 2}})
    add(bench, {NAME: {0: 1, 1: 1}, "shop\nship\ninput": {5: 1}}, writer="p2")
    found = Totals(bench.store).attempts()
    assert set(found) == {SLOT, SlotName("shop", "ship", "input")}
    assert {k: v for k, v in found[SLOT].outcomes.items() if v} == {
        AttemptOutcome.COMPLETED: 3,
        AttemptOutcome.FAILED: 1,
    }
    assert (found[SLOT].run.count, found[SLOT].run.seconds) == (2, 1.5)
    assert found[SlotName("shop", "ship", "input")].outcomes[AttemptOutcome.LOST] == 1
    assert Totals(bench.store).of_routine("shop", "charge") == found[SLOT]
    assert Totals(bench.store).of_routine("shop", "charg").run.count == 0


def test_what_a_connection_has_carried_is_added_up(bench: Bench) -> None:
    """Beside the slots, and not in the totals of a worker."""
    name = "a.out -> b.input"
    carried: dict[Counted, dict[int, int]] = {
        ("connection", f"shop\n{name}"): {DELIVERED: 3, WAITED: 1500, WAITED_BUCKETS + 11: 1}
    }
    for batch in (1, 2):
        add(bench, {NAME: {0: 1}}, batch, worker="w1", carried=carried)
    ((found, totals),) = Totals(bench.store).connections().items()
    assert found == ConnectionName("shop", name)
    assert (totals.delivered, totals.queued.count, totals.queued.seconds) == (6, 2, 3.0)
    assert totals.queued.counts[11] == 2
    assert set(Totals(bench.store).attempts()) == {SLOT}
    assert Totals(bench.store).of_worker("w1") == {SLOT: {0: 2}}


def test_connections_have_totals_of_their_own_up_to_a_bound(bench: Bench) -> None:
    for start in range(0, 250, 50):
        names = [f"flow\na.out -> r{n}.input" for n in range(start, start + 50)]
        add(bench, {}, 1 + start, carried={("connection", name): {DELIVERED: 1} for name in names})
    found = Totals(bench.store).connections()
    assert len(found) == 201
    assert found[ConnectionName("", "")].delivered == 50


def test_a_batch_that_is_sent_again_is_added_once(bench: Bench) -> None:
    """Its reply may have been lost; the batches of another process have numbers of their own."""
    assert [add(bench, {NAME: {0: 1}}, n) for n in (1, 1, 2, 1)] == [True, False, True, False]
    assert add(bench, {NAME: {0: 1}}, writer="p2")
    assert Totals(bench.store).attempts()[SLOT].outcomes[AttemptOutcome.COMPLETED] == 3
    assert 0 < bench.link.call("PTTL", bench.key("tally_writer", "p1")) <= LONG


def test_a_worker_has_totals_of_its_own(bench: Bench) -> None:
    """Without the histograms; they are forgotten a day after the latest change."""
    add(bench, {NAME: {0: 2, RUN: 7, RUN_BUCKETS: 2}}, worker="w1")
    assert Totals(bench.store).of_worker("w1") == {SLOT: {0: 2, RUN: 7}}
    assert Totals(bench.store).of_worker("w2") == {}
    assert 0 < bench.link.call("PTTL", bench.key("worker_totals", "w1")) <= 86_400_000


def test_slots_have_totals_of_their_own_up_to_a_bound(bench: Bench) -> None:
    """All others are counted together, and those that have some keep them."""
    for start in range(0, 300, 100):
        names = [f"flow\nr{n}\ninput" for n in range(start, start + 100)]
        add(bench, {name: {0: 1} for name in names}, 1 + start)
    add(bench, {"flow\nr0\ninput": {0: 1}, "flow\nr299\ninput": {0: 1}}, 1000, worker="w1")
    found = Totals(bench.store).attempts()
    assert len(found) == 201
    assert found[SlotName("flow", "r0", "input")].outcomes[AttemptOutcome.COMPLETED] == 2
    other = SlotName("", "", "")
    assert found[other].outcomes[AttemptOutcome.COMPLETED] == 101
    assert set(Totals(bench.store).of_worker("w1")) == {SlotName("flow", "r0", "input"), other}


def test_flows_have_totals_of_their_own_up_to_a_bound(bench: Bench) -> None:
    """Jobs of further flows are counted together, at their creation and at their end."""
    for number in range(102):
        job = bench.submit(flow_id=f"f{number}", definition=f"d{number}")
    bench.store.control.cancel(job, "")
    found = Totals(bench.store).jobs()
    assert len(found) == 101
    assert found["f0"].events == {"created": 1}
    assert found[""].events == {"created": 2}
    assert found[""].ended[JobStatus.CANCELLED].count == 1
    assert set(Totals(bench.store).flows()) == {f"f{number}" for number in range(100)}
    assert not [field for field in bench.hash("job_totals") if field.startswith("f101")]


def test_each_end_of_a_job_is_counted_once(bench: Bench) -> None:
    """By status, with the time since the job was created."""
    done, failed, cancelled = (bench.submit() for _ in range(3))
    bench.start(done)
    bench.commit(done)
    assert bench.commit(done) == "done"
    bench.start(failed)
    bench.fail(failed)
    bench.store.control.cancel(cancelled, "")
    assert ended(bench) == {"completed": 1, "failed": 1, "cancelled": 1}
    assert jobs(bench).events == {"created": 3}


def test_a_retried_job_ends_again(bench: Bench) -> None:
    """So that no total ever falls."""
    job = bench.submit()
    bench.start(job)
    bench.fail(job)
    bench.store.control.retry(job)
    assert jobs(bench).events == {"created": 1, "retried": 1}
    bench.start(job)
    bench.commit(job)
    assert ended(bench) == {"failed": 1, "completed": 1}


def test_child_jobs_are_counted_in_their_flow(bench: Bench) -> None:
    """At the commit that creates them."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, jobs=[bench.child("one", flow_id="kids"), bench.child("two", flow_id="kids")])
    assert jobs(bench, "kids").events == {"created": 2}


def test_quarantined_jobs_are_counted(bench: Bench) -> None:
    """They are among the failed ones too."""
    bench.start(bench.submit(), lease=-1)
    bench.reclaim(1, 10)
    assert jobs(bench).events == {"created": 1, "quarantined": 1}
    assert ended(bench) == {"failed": 1}


def test_the_time_of_a_job_falls_into_its_bucket(bench: Bench) -> None:
    """Scripts and Python have the same bounds."""
    for ms in (0, 1, 3, 1000, 2**40):
        job = bench.submit()
        bench.link.call("HSET", bench.key("job", job), "created", bench.now() - ms)
        bench.store.control.cancel(job, "")
    counts = jobs(bench).ended[JobStatus.CANCELLED].counts
    assert sum(counts[: bucket_of(500)]) == 3
    assert sum(counts[bucket_of(1000) : bucket_of(1500) + 1]) == 1
    assert counts[BUCKETS - 1] == 1


def test_totals_that_cannot_be_kept_stop_no_job(bench: Bench) -> None:
    """A key of another type in their place."""
    bench.link.call("SET", bench.key("job_totals"), "x")
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job) == "ok"
    assert bench.status(job) == "completed"


def test_a_job_from_before_there_were_entries_ends(bench: Bench) -> None:
    """It is of no flow that is known, and is not counted."""
    job = bench.submit()
    bench.link.call("DEL", bench.key("entries"))
    bench.start(job)
    bench.commit(job)
    assert (bench.status(job), ended(bench)) == ("completed", {})


def test_every_outcome_has_a_counter() -> None:
    """The order is stored: a new one comes last."""
    assert set(OUTCOMES) == set(AttemptOutcome)


@pytest.mark.parametrize(("key", "parts"), [("named", ("flow",)), ("job_totals", ())])
def test_damaged_totals_keep_no_job_from_its_way(
    bench: Bench, key: str, parts: tuple[str, ...]
) -> None:
    """It is created, fails, is retried and completes, whatever becomes of the totals."""
    bench.link.call("SET", bench.key(key, *parts), "damaged")
    job = bench.submit()
    bench.start(job)
    bench.fail(job)
    assert bench.store.control.retry(job) == "ok"
    bench.start(job)
    assert bench.commit(job) == "ok"
    assert bench.status(job) == "completed"


def test_damaged_totals_of_a_slot_keep_no_others_from_being_counted(bench: Bench) -> None:
    """Nor does what is damaged about the names, or about one worker."""
    other = "shop\nship\ninput"
    bench.link.call("SET", bench.key("worker_totals", "w1"), "damaged")
    bench.link.call("HSET", bench.key("attempt_totals", NAME), "no", "counters")
    assert add(bench, {NAME: {0: 1}, other: {0: 1}}, worker="w1")
    bench.link.call("DEL", bench.key("attempt_totals", NAME))
    assert Totals(bench.store).of_routine("shop", "ship").outcomes[AttemptOutcome.COMPLETED] == 1
    bench.link.call("SET", bench.key("named", "slot"), "damaged")
    assert add(bench, {NAME: {0: 1}}, 2, worker="w1")


@LARGE
def test_calls_that_create_no_job_are_counted(bench: Bench) -> None:
    """By why; what is parked until its turn has a cause of its own."""
    for _ in range(3):
        call(bench, debounce="d")
    jobs_of_key = [call(bench, single="k", when_running=when) for when in ("skip", "queue", "skip")]
    assert [one.how for one in jobs_of_key] == ["created", "created", "single"]
    assert jobs(bench).events == {"created": 3, "debounced": 2, "skipped": 1}
    page = Page()
    FleetMetrics(bench.store, "one").add_to(page)
    found = Scrape(page.text())
    name = "flowforge_calls_without_a_job_total"
    assert {one["how"]: int(n) for one, n in found.labels(name)} == {"debounced": 2, "skipped": 1}
    parked = {one["cause"]: int(n) for one, n in found.labels("flowforge_parked_invocations")}
    assert parked == {"room": 0, "paused": 0, "failed": 0, "turn": 1}
