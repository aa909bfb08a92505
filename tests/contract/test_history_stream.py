"""The history of a job for those who follow it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.engine.waiting.events import Follower
from flowforge.errors import JobNotFoundError
from flowforge.execution.effects import Effects
from flowforge.model.definition import Definition, RoutineSpec
from flowforge.model.jobs.job_event import JobEvent, Position
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.job_reads.history_stream import PAGE, HistoryStream
from tests.contract.bench import LONG, RETRIED, STOPPED, Bench, passed_over

#: A routine, as far as entries name it.
SPEC = {"slots": [{"name": "s0"}, {"name": "s1"}], "events": [], "call": False}

#: Entries of a node of a stream: the server deletes whole nodes.
NODE = 100


def follower(bench: Bench, job: str, since: str | None = None) -> Follower:
    """Of a job on the bench, whose stored definition says nothing."""
    definition = Definition("flow", tuple(RoutineSpec(f"r{r}", "x", None, SPEC) for r in range(2)))
    inspector = SimpleNamespace(definition=lambda job_id: definition)
    server = SimpleNamespace(inspector=inspector, store=bench.store, client=bench.client)
    position = None if since is None else Position.of(since)
    return Follower(server, job, position)


def everything(bench: Bench, job: str, since: str | None = None) -> list[JobEvent]:
    """All that has happened so far, look by look."""
    reads, found = follower(bench, job, since), []
    while True:
        look = reads.look()
        found += look.events
        if not look.more:
            return found


def pauses(bench: Bench, job: str, count: int) -> None:
    for number in range(count):
        assert bench.pause(job, str(number)) == "ok"


def kinds(events: list[JobEvent]) -> list[str]:
    return [event.kind for event in events]


def test_a_page_at_a_time(bench: Bench) -> None:
    """The events of several pages are all there, once, in order."""
    job = bench.submit(history_limit=10 * PAGE)
    pauses(bench, job, 2 * PAGE)
    bench.store.control.cancel(job, "enough")
    events = everything(bench, job)
    assert kinds(events) == ["submitted", *["paused"] * 2 * PAGE, "cancelled", "ended"]
    assert [event.details["reason"] for event in events[1:-2]] == [str(n) for n in range(2 * PAGE)]
    assert events[-1].details == {"status": "cancelled", "reason": "enough"}


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1])
def test_from_each_event_on(bench: Bench, count: int) -> None:
    """What follows an event is the same, whoever asks for it, and when."""
    job = bench.submit(history_limit=10 * PAGE)
    pauses(bench, job, count)
    bench.store.control.cancel(job, "enough")
    events = everything(bench, job)
    assert len(events) == count + 3
    for place in sorted(
        {0, 1, len(events) // 2, len(events) - 3, len(events) - 2} & {*range(count + 2)}
    ):
        assert everything(bench, job, events[place].id) == events[place + 1 :]
    # That a job has ended is told to each reader that comes to its end.
    assert everything(bench, job, events[-1].id) == events[-1:]


def test_a_look_goes_on_where_the_latest_one_ended(bench: Bench) -> None:
    """Nothing is told twice."""
    job = bench.submit()
    reads = follower(bench, job)
    assert kinds(reads.look().events) == ["submitted"]
    assert reads.look().events == []
    pauses(bench, job, 2)
    assert kinds(reads.look().events) == ["paused", "paused"]
    assert reads.look() == ([], False, False)
    bench.store.control.cancel(job, "")
    assert kinds(reads.look().events) == ["cancelled", "ended"]


def test_a_gap_is_told(server_bench: Bench) -> None:
    """At the beginning, and where a reader was too slow; whoever goes on behind it is not told
    again."""
    bench = server_bench
    job = bench.submit(history_limit=NODE)
    reads = follower(bench, job)
    pauses(bench, job, 3)
    begun = reads.look().events
    assert kinds(begun) == ["submitted", *["paused"] * 3]
    pauses(bench, job, 4 * NODE)
    for events in (reads.look().events, everything(bench, job, begun[-1].id)):
        assert kinds(events)[:2] == ["gap", "paused"]
        assert events[0].details == {"history_limit": NODE}
        assert everything(bench, job, events[0].id) == events[1:]
    late = everything(bench, job)
    assert kinds(late)[:3] == ["submitted", "gap", "paused"]
    assert everything(bench, job, late[0].id) == late[1:]
    # The entry behind the gap may be deleted as well.
    pauses(bench, job, 2 * NODE)
    assert kinds(everything(bench, job, late[1].id))[0] == "gap"


def test_a_history_that_is_off_is_told(server_bench: Bench) -> None:
    """Once; the end of the job is known all the same."""
    job = server_bench.submit(history_limit=0)
    pauses(server_bench, job, 3)
    reads = follower(server_bench, job)
    gap = reads.look().events[-1]
    assert (gap.kind, gap.details) == ("gap", {"history_limit": 0})
    pauses(server_bench, job, 3)
    assert reads.look().events == []
    server_bench.store.control.cancel(job, "enough")
    assert kinds(reads.look().events) == ["ended"]


def test_an_end_without_an_entry_is_seen(bench: Bench) -> None:
    """Such as that of a job whose join was not filled in time."""
    job = bench.submit("1.0 count 1000 fail 0\n")
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "j3:"), (0, 1, "")])
    reads = follower(bench, job, everything(bench, job)[-1].id)
    assert reads.look().events == []
    bench.make_due()
    bench.store.upkeep.release_due(10)
    (end,) = reads.look().events
    assert (end.kind, end.details["status"]) == ("ended", "failed")


def test_who_waits_is_woken_by_the_next_entry(server_bench: Bench) -> None:
    """By the server, at once; whatever is there already is not waited for."""
    bench = server_bench
    job = bench.submit()
    stream = HistoryStream(bench.store, bench.client, job)
    woken = threading.Thread(target=stream.wait, args=("0-0", LONG / 1000))
    woken.start()
    pauses(bench, job, 1)
    woken.join(20)
    assert not woken.is_alive()
    stream.wait("0-0", LONG / 1000)


def test_of_a_job_that_is_gone(bench: Bench) -> None:
    """There is nothing to follow."""
    with pytest.raises(JobNotFoundError):
        follower(bench, "gone").look()


@pytest.mark.parametrize("ends", ["completed", "skipped", "retried", "failed"])
def test_how_long_a_message_lay_on_its_list(bench: Bench, ends: str) -> None:
    """It is beside the record of the attempt, which a former release reads as it always did."""
    for queued_ms in (1250, 0):
        job, packed = bench.submit(), pack_record("w1", 1, 5, {}, None, None)
        bench.start(job)
        lease, invocations = (job, "1.0.0", "t"), bench.store.invocations
        if ends == "retried":
            invocations.retry_later(*lease, 0, 5, packed, RETRIED, queued_ms)
        elif ends == "failed":
            invocations.fail(*lease, 5, packed, "broke", pack_record({}), STOPPED, queued_ms)
        else:
            outcome, effects = AttemptOutcome(ends), Effects()
            passed = passed_over(ends)
            invocations.commit(*lease, outcome, 5, packed, effects, None, passed, queued_ms)
        (entry,) = (event for event in everything(bench, job) if event.kind == ends)
        assert entry.details.get("queued", 0.0) == queued_ms / 1000
        (raw,) = bench.link.call("XRANGE", bench.key("history", job), "-", "+")
        fields = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
        assert len(unpack_record(fields[b"p"], "an attempt", 6)) == 6
