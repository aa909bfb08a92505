"""Attempts with a timeout: who ends them, once, and what becomes of what handlers do later."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery

from flowforge.broker.routing import Router
from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import CorruptRecordError
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.flow import FlowGraph
from flowforge.model.join import Join
from flowforge.model.routine import Routine
from flowforge.settings import Settings
from flowforge.store.fleet_reads.overdue import OverdueAttempts
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import NextClaim
from tests.contract.bench import LONG, UNDO, Bench, record
from tests.support.virtual_clock import VirtualClock

LEASE = Settings.lease


class Timed(Routine):
    """Slots with a timeout, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("fetch", self.take, timeout=30)
        self.define_slot("plain", self.take)
        self.define_slot("card", self.take, timeout=0.5, secret=["pin"])
        self.define_slot("merged", self.take, merge_strategy="append", timeout=30)
        self.define_slot("joined", self.take, join=Join.all(), timeout=30)
        self.define_slot("undone", self.take, timeout=0.5, undo=self.take_back)
        self.define_event("done")

    def take(self, **params: Any) -> None: ...

    def take_back(self, charge: str) -> None: ...


def flow(handler: ErrorHandler | None = None) -> FlowGraph:
    made = FlowGraph("timed")
    made.add_routine(Timed(), "timed")
    made.set_error_handler(handler)
    return made


Submit = Callable[..., str]


@pytest.fixture
def submit(timed_bench: Bench) -> Submit:
    """Submits a job of ``flow`` at a slot, with the error handler that is given."""

    def submit_timed(
        slot: int = 0,
        handler: ErrorHandler | None = None,
        mode: str = "",
        deadlines: str = "",
        **params: Any,
    ) -> str:
        definition = flow(handler).definition({"timed": timed_bench.list})
        fields = Router(Celery()).fields(definition)
        request = timed_bench.submission(slot=slot, mode=mode, record=record(0, **params))
        common = replace(
            request.common, definition=definition.hash, flow_id="timed", deadlines=deadlines
        )
        assert timed_bench.send(replace(request, common=common), fields) == request.job_id
        return request.job_id

    return submit_timed


def ends(bench: Bench) -> dict[str, int]:
    return bench.members("attempt_ends")


def history(bench: Bench, job: str) -> list[tuple[str, Any]]:
    """Kind and error of each entry."""
    found = []
    for kind, details in entries(bench, job):
        fields = unpack_record(details, "an entry", 6) if details[:1] == b"\x97" else [None]
        found.append((kind, fields[-1]))
    return found


def entries(bench: Bench, job: str) -> list[tuple[str, bytes]]:
    found = []
    for _, fields in bench.link.call("XRANGE", bench.key("history", job), "-", "+"):
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        found.append((pairs[b"k"].decode(), pairs[b"p"]))
    return found


# --- until when an attempt may run ----------------------------------------------------------------


def test_a_claim_says_until_when_the_attempt_may_run(timed_bench: Bench, submit: Submit) -> None:
    """By the server's clock, from the claim on; the row keeps earlier releases away."""
    job = submit()
    timed_bench.start(job)
    (member,) = ends(timed_bench)
    assert member == f"{job}/1.0.0/t"
    assert 29_000 < ends(timed_bench)[member] - timed_bench.now() <= 30_000
    assert timed_bench.row(job)["v"] == "5"


def test_a_slot_without_a_timeout_has_no_end(timed_bench: Bench, submit: Submit) -> None:
    """Also beside slots that have one."""
    job = submit(slot=1)
    timed_bench.start(job, "1.0.1")
    assert ends(timed_bench) == {}


@pytest.mark.parametrize("way", ["commit", "fail", "retry_later", "release"])
def test_the_end_of_the_attempt_takes_its_time_along(
    timed_bench: Bench, submit: Submit, way: str
) -> None:
    """Whatever takes the lease."""
    job = submit()
    timed_bench.start(job)
    assert getattr(timed_bench, way)(job) == "ok"
    assert ends(timed_bench) == {}


def test_a_message_with_a_timeout_goes_to_celery(timed_bench: Bench, submit: Submit) -> None:
    """A commit goes on with no such invocation: its process has to be known to Celery."""
    first, timed = submit(slot=1), submit()
    timed_bench.start(first, "1.0.1")
    then = NextClaim("next", LONG, [timed_bench.list], 0.0)
    assert timed_bench.commit_then(then, first, "1.0.1") == ("ok", None)
    assert f"{timed}/1.0.0" in timed_bench.unclaimed(timed_bench.list)


# --- the time is over -----------------------------------------------------------------------------


def test_by_default_the_job_fails(timed_bench: Bench, clock: VirtualClock, submit: Submit) -> None:
    """With a TimeoutError, at the time that the slot has, and with the params in the history."""
    job = submit(order=7)
    before = clock.now()
    timed_bench.start(job)
    clock.advance_running(seconds=29.5)
    assert timed_bench.row(job)["status"] == "running"
    clock.advance_running(seconds=1)
    row = timed_bench.row(job)
    assert (row["status"], row["running"]) == ("failed", "0")
    told = re.match(
        r"timed.fetch: TimeoutError: the attempt was ended after ([\d.]+) s", row["reason"]
    )
    assert told
    assert 30 <= float(told[1]) <= (clock.now() - before).total_seconds() + 0.05
    kind, error = history(timed_bench, job)[-1]
    assert (kind, error[0]) == ("failed", "TimeoutError")
    assert timed_bench.members("leases") == ends(timed_bench) == {}


@pytest.mark.parametrize(
    ("strategy", "kind"), [("continue", "error_continued"), ("skip", "skipped")]
)
def test_the_error_handler_decides(
    timed_bench: Bench, clock: VirtualClock, submit: Submit, strategy: str, kind: str
) -> None:
    """As for any other error."""
    job = submit(handler=ErrorHandler(strategy))
    timed_bench.start(job)
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["status"] == "completed"
    assert [entry for entry, _ in history(timed_bench, job)] == [kind]


def test_it_uses_up_an_attempt(timed_bench: Bench, clock: VirtualClock, submit: Submit) -> None:
    """RETRY waits its delay, and fails the job when the attempts are used up."""
    job = submit(handler=ErrorHandler("retry", max_retries=1, retry_delay=60))
    timed_bench.start(job, token="a")
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["timers"] == "1"
    clock.advance(seconds=60)
    assert timed_bench.start(job, token="b").attempt_number == 2
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["status"] == "failed"
    kinds = [kind for kind, error in history(timed_bench, job) if error]
    assert kinds == ["retried", "failed"]


@pytest.mark.parametrize(
    ("classes", "kind"),
    [([TimeoutError], "retried"), ([OSError], "retried"), ([ValueError], "failed"), ([], "failed")],
)
def test_a_retry_is_for_the_classes_that_it_names(
    timed_bench: Bench, clock: VirtualClock, submit: Submit, classes: list[Any], kind: str
) -> None:
    """TimeoutError and its bases among them."""
    job = submit(handler=ErrorHandler("retry", retryable_exceptions=classes))
    timed_bench.start(job)
    clock.advance_running(seconds=31)
    assert kind in [kind for kind, _ in history(timed_bench, job)]


def test_secret_params_are_blanked_out(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """In the history, as for any attempt."""
    job = submit(slot=2, pin="4242-4242")
    timed_bench.start(job, "1.0.2")
    clock.advance_running(seconds=1)
    assert timed_bench.row(job)["status"] == "failed"
    told = [details for _, details in entries(timed_bench, job)]
    assert not any(b"4242" in details for details in told)
    assert any(b"***" in details for details in told)


def test_items_of_a_join_go_with_it(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """When its invocation was passed over, nothing of what it collected is left."""
    job = submit(slot=4, handler=ErrorHandler("skip"), mode="j1:")
    (invocation,) = timed_bench.hash("invocations", job)
    timed_bench.start(job, invocation)
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["status"] == "completed"
    assert timed_bench.hash("collected", job) == {}


def test_an_undo_has_the_timeout_of_its_slot(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """One that hangs is called again, also where errors of the handler would be passed over."""
    job = submit(slot=5, handler=ErrorHandler("continue"))
    timed_bench.start(job, "1.0.5")
    timed_bench.commit(job, "1.0.5", emitted=[(0, 1, "")], undo=record(1, charge="c"))
    timed_bench.store.control.cancel(job, "", "", True)
    undoing = timed_bench.row(job)["undo"]
    compensation = f"1.0.{UNDO + 5}"
    timed_bench.start(undoing, compensation)
    clock.advance_running(seconds=1)
    assert [kind for kind, _ in history(timed_bench, undoing)] == ["retried"]
    clock.advance(seconds=2)
    assert timed_bench.start(undoing, compensation).attempt_number == 2
    assert timed_bench.commit(undoing, compensation) == "ok"
    assert timed_bench.row(undoing)["status"] == "completed"


# --- the handler that still runs ------------------------------------------------------------


@pytest.mark.parametrize("way", ["commit", "fail", "retry_later", "release"])
def test_what_the_old_attempt_does_is_stale(
    timed_bench: Bench, clock: VirtualClock, submit: Submit, way: str
) -> None:
    """Also while the next attempt runs, and its lease is lost to its worker."""
    job = submit(handler=ErrorHandler("retry", retry_delay=0))
    timed_bench.start(job, token="old")
    clock.advance_running(seconds=31)
    timed_bench.start(job, token="new")
    assert getattr(timed_bench, way)(job, token="old") == "stale"
    invocations = timed_bench.store.invocations
    assert invocations.heartbeat(LONG, [f"{job}/1.0.0/old"]) == [Answer.LOST]
    assert invocations.extend(job, "1.0.0", "old", 60_000) is Answer.LOST
    assert timed_bench.commit(job, token="new") == "ok"
    assert timed_bench.row(job)["status"] == "completed"


def test_what_it_has_staged_goes(timed_bench: Bench, clock: VirtualClock, submit: Submit) -> None:
    """No later attempt adopts it, and it cannot stage any more."""
    job = submit(slot=0, handler=ErrorHandler("retry", retry_delay=0))
    timed_bench.start(job)
    assert timed_bench.stage(job, [(0, 1, "")]) == "ok"
    clock.advance_running(seconds=31)
    assert timed_bench.stage(job, [(0, 1, "")], already=1) == "stale"
    assert timed_bench.link.call("EXISTS", timed_bench.key("segment", f"{job}/1.0.0/t")) == 0


def test_an_attempt_may_be_extended(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """From now on, and never to less than it had."""
    job = submit()
    timed_bench.start(job)
    extend = timed_bench.store.invocations.extend
    clock.advance_running(seconds=29)
    assert extend(job, "1.0.0", "t", 60_000) is Answer.OK
    assert extend(job, "1.0.0", "t", 1_000) is Answer.OK
    clock.advance_running(seconds=59)
    assert timed_bench.row(job)["status"] == "running"
    clock.advance_running(seconds=2)
    assert timed_bench.row(job)["status"] == "failed"


def test_what_has_ended_is_not_extended(timed_bench: Bench, submit: Submit) -> None:
    """A cancelled job is no place to go on in."""
    job = submit()
    timed_bench.start(job)
    timed_bench.store.control.cancel(job, "", "")
    assert timed_bench.store.invocations.extend(job, "1.0.0", "t", 1_000) is Answer.LOST


# --- who is lost, and who is slow -----------------------------------------------------------


def test_a_lost_worker_uses_up_no_attempt(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """A lease that nobody renews expires, though the time of its attempt is over before."""
    job = submit(slot=2, handler=ErrorHandler("retry"))
    timed_bench.start(job, "1.0.2", token="dead", lease=15_000)
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 4_000)
    clock.look()
    assert timed_bench.row(job)["running"] == "1"
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 12_000)
    assert timed_bench.reclaim(3, 10) == (1, 0, 0)
    assert [kind for kind, _ in history(timed_bench, job)] == ["lost"]
    assert ends(timed_bench) == {}
    assert timed_bench.start(job, "1.0.2", token="next").attempt_number == 1


def test_an_upkeep_that_dies_is_followed(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """What it has taken and not recorded is taken by another a moment later."""
    job = submit(handler=ErrorHandler("continue"))
    timed_bench.start(job)
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 31_000)
    timed_bench.store.invocations.heartbeat(15_000, [f"{job}/1.0.0/t"])
    take = timed_bench.store.upkeep.take_overdue
    assert [one[0] for one in take("over.first", 15_000, 10)] == [job]
    assert take("over.second", 15_000, 10) == []
    assert timed_bench.commit(job) == "stale"
    clock.advance_running(seconds=4)
    assert timed_bench.row(job)["status"] == "completed"
    assert timed_bench.fail(job, token="over.first") == "done"


def test_the_main_process_of_the_worker_comes_first(
    timed_bench: Bench, submit: Submit, clock: VirtualClock
) -> None:
    """It alone can tell Celery what became of the task, so the upkeep leaves it half a second."""
    job = submit(slot=2)
    timed_bench.start(job, "1.0.2")
    timed_bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.2/t"])
    clock.advance_running(seconds=0.7)
    overdue = OverdueAttempts(timed_bench.store, LEASE)
    assert overdue.end(1) == []
    (ended,) = overdue.end(1, f"{job}/1.0.2/t")
    assert ended.answer is Answer.OK


@pytest.mark.parametrize(
    ("handler", "kind", "delay"),
    [
        (None, "failed", 0),
        (ErrorHandler("skip"), "skipped", 0),
        (ErrorHandler("retry", retry_delay=9), "retried", 9),
    ],
)
def test_the_process_of_the_handler_can_ask_what_became_of_the_attempt(
    timed_bench: Bench, clock: VirtualClock, submit: Submit, handler: Any, kind: str, delay: float
) -> None:
    """For ten minutes: the upkeep cannot tell Celery."""
    job = submit(handler=handler)
    timed_bench.start(job)
    overdue, lease = OverdueAttempts(timed_bench.store, LEASE), f"{job}/1.0.0/t"
    assert overdue.ending_of(lease) is None
    clock.advance_running(seconds=31)
    found = overdue.ending_of(lease)
    assert found is not None
    assert (found.kind, found.delay) == (kind, delay)
    assert str(found.error).endswith("its timeout is 30 s")
    assert type(found.error) is TimeoutError
    assert 0 < timed_bench.link.call("PTTL", timed_bench.key("time_over", lease)) <= 600_000


def test_what_the_process_ends_itself_need_not_be_told(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """It knows."""
    job = submit()
    timed_bench.start(job)
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 31_000)
    overdue, lease = OverdueAttempts(timed_bench.store, LEASE), f"{job}/1.0.0/t"
    assert len(overdue.end(1, lease)) == 1
    assert overdue.ending_of(lease) is None


@pytest.mark.attack(what="The note of how an attempt has timed out, changed")
@pytest.mark.parametrize("told", [b"junk", pack_record("gone", 0, "x"), pack_record(1, "x", 0)])
def test_what_was_told_of_an_attempt_and_cannot_be_read(timed_bench: Bench, told: bytes) -> None:
    """The process reports nothing to Celery; what became of the attempt is recorded elsewhere."""
    timed_bench.link.call("SET", timed_bench.key("time_over", "j/1.0.0/t"), told)
    with pytest.raises(CorruptRecordError, match=r"the end of attempt j/1\.0\.0/t"):
        OverdueAttempts(timed_bench.store, LEASE).ending_of("j/1.0.0/t")


def test_only_the_attempt_that_is_meant_is_ended(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """A worker that ends its own process says which; nothing happens before the time is over."""
    jobs = [submit(slot=2), submit(slot=2)]
    for job in jobs:
        timed_bench.start(job, "1.0.2")
    overdue = OverdueAttempts(timed_bench.store, LEASE)
    lease = f"{jobs[0]}/1.0.2/t"
    assert 0 < (overdue.time_left(lease) or 0) <= 0.5
    assert overdue.end(1, lease) == []
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 60_000)
    assert (overdue.time_left(lease) or 0) < 0
    (ended,) = overdue.end(1, lease)
    assert (ended.attempt.job_id, ended.answer) == (jobs[0], Answer.OK)
    assert [timed_bench.row(job)["status"] for job in jobs] == ["failed", "running"]
    assert overdue.time_left(lease) is None


def test_a_process_knows_whether_the_time_of_its_attempt_is_over(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """Not before its claim or after its own end; also when the upkeep has looked first."""
    overdue = OverdueAttempts(timed_bench.store, LEASE)
    jobs = [submit() for _ in range(3)]
    leases = [f"{job}/1.0.0/t" for job in jobs]
    assert list(map(overdue.time_left, leases)) == [None] * 3
    for job in jobs:
        timed_bench.start(job)
    timed_bench.commit(jobs[0])
    timed_bench.store.control.cancel(jobs[1], "", "")
    assert [overdue.time_left(lease) is None for lease in leases] == [True, False, False]
    clock.advance_running(seconds=31)
    assert list(map(overdue.time_left, leases)) == [None, 0.0, 0.0]


def test_a_handler_of_a_job_that_has_ended_does_not_hold_it(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """It is heard no more when its time is over, and a retry runs the invocation again."""
    job = submit(deadlines=" 20000")
    timed_bench.start(job)
    clock.advance_running(seconds=29)
    assert timed_bench.row(job)["status"] == "failed"
    assert timed_bench.counters(job) == (0, 1, 0, 0)
    clock.advance_running(seconds=2)
    assert timed_bench.counters(job) == (0, 0, 1, 0)
    assert ends(timed_bench) == timed_bench.members("leases") == {}
    assert timed_bench.commit(job) == "stale"
    overdue, lease = OverdueAttempts(timed_bench.store, LEASE), f"{job}/1.0.0/t"
    assert (overdue.time_left(lease), overdue.ending_of(lease)) == (0.0, None)
    assert [kind for kind, _ in entries(timed_bench, job)] == ["deadline_missed"]
    assert timed_bench.store.control.retry(job) is Answer.OK
    timed_bench.start(job, token="next")
    assert timed_bench.commit(job, token="next") == "ok"


def test_a_cancelled_job_waits_no_longer_for_its_handler(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """Its undo begins then at the latest."""
    job = submit(slot=1)
    timed_bench.start(job, "1.0.1")
    undo = record(1, charge="c1")
    timed_bench.commit(job, "1.0.1", emitted=[(0, 0, "")], undo=undo)
    timed_bench.start(job, "2.0.0")
    timed_bench.store.control.cancel(job, "enough", "anna", True)
    clock.advance_running(seconds=29)
    assert timed_bench.row(job)["undo"] == "waits"
    clock.advance_running(seconds=2)
    assert timed_bench.row(job)["running"] == "0"
    assert timed_bench.row(job)["undo"] not in ("waits", "")
    assert ends(timed_bench) == timed_bench.members("leases") == {}


def test_a_paused_job_has_its_timeouts(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """What runs goes on running in a pause, and so does its time."""
    job = submit(handler=ErrorHandler("retry", retry_delay=0))
    timed_bench.start(job)
    timed_bench.pause(job)
    clock.advance_running(seconds=31)
    row = timed_bench.row(job)
    assert (row["status"], row["running"], row["waiting"]) == ("paused", "0", "1")


def test_without_its_definition_the_job_fails(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """No error handler can be asked."""
    job = submit()
    timed_bench.start(job)
    timed_bench.link.call("DEL", timed_bench.key("definition", timed_bench.row(job)["def"]))
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["reason"] == "definition missing"


def test_what_names_no_attempt_is_told_and_dropped(
    timed_bench: Bench, clock: VirtualClock, submit: Submit
) -> None:
    """It keeps no other from its end."""
    job = submit()
    timed_bench.start(job)
    timed_bench.link.call("ZADD", timed_bench.key("attempt_ends"), 1, "rubbish")
    clock.advance_running(seconds=31)
    assert timed_bench.row(job)["status"] == "failed"
    assert "attempt_ends rubbish: no lease" in timed_bench.hash("damaged")
