"""Any sequence of what happens to a schedule: the scripts on a real server against a model."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flowforge.local.server import LocalServer
from flowforge.model.times.timing import Timing
from flowforge.settings import Settings
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.schedules import DueSchedule, Start
from tests.contract.bench import Bench
from tests.contract.reference.schedule import CATCH_UP, EVERY, ScheduledJob, ScheduleModel
from tests.contract.schedule_bench import ScheduleBench
from tests.support.virtual_clock import ClockedLink, VirtualClock

TIMING = Timing("", EVERY)

#: How far from a time everything happens, so that the time of the test itself decides nothing.
APART = 30

#: Jobs of the schedule from which on they are completed before time passes: a look sees 64.
MANY = 40

OVERLAPS = st.sampled_from(["skip", "queue", "queue_all", "replace", "allow"])
CHOICES = st.sampled_from(["", "skip", "queue", "queue_all", "replace", "allow"])
MISSED = st.sampled_from(["skip", "latest", "all"])
TIMES = st.sampled_from([None, None, None, None, 3, 9])
#: Minutes: within an interval, to the next time, past several, and longer than is made up for.
MINUTES = st.sampled_from([10, 10, 10, 2, 5, 30, 90])


class Machine(RuleBasedStateMachine):
    """Does each step on the server and in the model."""

    real: ServerLink
    client: Any

    @initialize(overlap=OVERLAPS, missed=MISSED, pauses=st.booleans(), times=TIMES)
    def save(self, overlap: str, missed: str, times: int | None, *, pauses: bool) -> None:
        prefix = f"t{secrets.token_hex(6)}"
        plain = Bench(self.real, self.client, prefix)
        bench = Bench(ClockedLink(self.real, plain.keys.root), self.client, prefix)
        self.clock = VirtualClock(bench.store, Settings())
        self.clock.advance(seconds=(APART - bench.now() / 1000) % EVERY)
        self.made = ScheduleBench(bench)
        self.mark, self.ids = 0, list[str]()
        self._save(overlap, missed, times, pauses=pauses)
        next_time = self.made.next_time()
        assert next_time == (self.now // EVERY + 1) * EVERY
        self.model = ScheduleModel(next_time, overlap, missed, pauses, times)

    def _save(self, overlap: str, missed: str, times: int | None, *, pauses: bool) -> None:
        self.mark += 1
        answer = self.made.save(
            TIMING, mark=str(self.mark), overlap=overlap, missed=missed, catch_up=CATCH_UP,
            pause_on_failure=int(pauses), times="" if times is None else times,
        )  # fmt: skip
        assert answer is Answer.OK

    @property
    def now(self) -> int:
        return self.made.now

    # --- time ----------------------------------------------------------------------------------

    @rule(minutes=st.lists(MINUTES, min_size=1, max_size=4), second=st.booleans())
    def times_pass(self, minutes: list[int], *, second: bool) -> None:
        """``second``: a leader that has looked before acts late."""
        for one in minutes:
            self.time_passes(one, second=second)

    @rule()
    def the_next_time_comes(self) -> None:
        """On time."""
        self.time_passes(10, second=False)

    @precondition(lambda self: self.model.live)
    @rule()
    def all_end_before_the_next_time(self) -> None:
        """As most do."""
        for job in self.model.live:
            self._end(job, "completed" if job.status == "pending" else "cancelled")
        self.time_passes(10, second=False)

    def time_passes(self, minutes: int, *, second: bool) -> None:
        if sum(job.indexed for job in self.model.jobs) > MANY:
            for job in self.model.live:
                self._end(job, "cancelled")
        late = self._read() if second else None
        before = self.model.next_time
        self.clock.advance(minutes=minutes)
        self.model.look(self.now)
        if late is not None and self.model.next_time != before:
            self._act_late(late)

    def _read(self) -> DueSchedule:
        scores = self.made.bench.key("schedules")
        score = self.made.bench.link.call("ZSCORE", scores, "s")
        self.made.bench.link.call("ZADD", scores, 1, "s")
        (due,) = self.made.scripts.due(10).schedules
        self.made.bench.link.call("ZADD", scores, score, "s")
        return due

    def _act_late(self, due: DueSchedule) -> None:
        before = self.made.bench.snapshot()
        assert due.next_time is not None
        job = self.made.bench.submission().job_id
        step = Start(due.next_time, job, due.next_time * 1000)
        following = due.next_time + EVERY
        fired = self.made.scripts.fire(due, following, following * 1000, [job], [step])
        assert fired.answer is Answer.STALE
        assert self.made.bench.snapshot() == before

    # --- jobs ----------------------------------------------------------------------------------

    @precondition(lambda self: any(one.status == "pending" for one in self.model.jobs))
    @rule(data=st.data(), how=st.sampled_from(["completed", "completed", "failed", "cancelled"]))
    def a_job_ends(self, data: st.DataObject, how: str) -> None:
        job = data.draw(st.sampled_from([o for o in self.model.jobs if o.status == "pending"]))
        self._end(job, how)

    def _end(self, job: ScheduledJob, how: str) -> None:
        # Those that have been started since the latest comparison have no ids yet.
        self.ids = self.made.jobs()
        bench, job_id = self.made.bench, self.ids[self.model.jobs.index(job)]
        if how == "cancelled":
            bench.store.control.cancel(job_id, "over", "anna")
        else:
            bench.start(job_id)
            _ = bench.commit(job_id) if how == "completed" else bench.fail(job_id)
        self.model.step += 1
        job.status, job.failed = how, self.model.step

    @precondition(lambda self: any(one.status == "failed" for one in self.model.jobs))
    @rule(data=st.data())
    def a_job_is_retried(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from([o for o in self.model.jobs if o.status == "failed"]))
        self.made.bench.store.control.retry(self.ids[self.model.jobs.index(job)])
        job.status = "retried"

    # --- people --------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.jobs) % 4 == 2)
    @rule()
    def pause(self) -> None:
        told = self.made.scripts.pause("s", "anna", "")
        assert (told is Answer.OK) == self.model.pause()

    @precondition(lambda self: self.model.status == "paused")
    @rule()
    def resume(self) -> None:
        told = self.made.scripts.resume("s", "anna", "")
        self.model.step += 1
        assert (told is Answer.OK) == self.model.resume()
        # A failure within the same millisecond would be one before the resume.
        self.time_passes(2, second=False)

    @rule(overlap=CHOICES, times=st.integers(1, 2))
    def trigger(self, overlap: str, times: int) -> None:
        job = self.made.bench.submission().job_id
        answers = [self.made.scripts.trigger("s", job, overlap, "anna")[0] for _ in range(times)]
        expected = self.model.trigger(self.now, overlap)
        assert answers[0] == expected
        if expected in ("ok", "waits"):
            assert len(set(answers)) == 1

    @rule(overlap=CHOICES, number=st.integers(1, 3), ago=st.integers(0, 6))
    def backfill(self, overlap: str, number: int, ago: int) -> None:
        last = self.now // EVERY * EVERY - ago * EVERY
        times = [last - EVERY * place for place in reversed(range(number))]
        jobs = [(time, self.made.bench.submission().job_id) for time in times]
        answer, counts = self.made.scripts.backfill("s", overlap, "anna", jobs)
        assert answer is Answer.OK
        assert counts == self.model.backfill(times, overlap)

    @rule(overlap=OVERLAPS, missed=MISSED, pauses=st.booleans(), times=TIMES)
    def it_is_changed(self, overlap: str, missed: str, times: int | None, *, pauses: bool) -> None:
        self.model.step += 1
        self._save(overlap, missed, times, pauses=pauses)
        self.model.change(self.now, overlap, missed, times, pauses=pauses)
        self.time_passes(2, second=False)

    # --- what is there -------------------------------------------------------------------------

    @invariant()
    def it_is_as_in_the_model(self) -> None:
        """Each time has one job, or waits, or is counted as skipped."""
        if not hasattr(self, "model"):
            return
        info, model = self.made.info(), self.model
        started = self.made.events("started")
        known = len(self.ids)
        self.ids = [one.job_id or "" for one in started]
        found = [(int(one.time.timestamp()), one.how) for one in started if one.time is not None]
        expected = [(one.time, one.how) for one in model.jobs]
        assert [_about(*one) for one in found] == [_about(*one) for one in expected]
        assert len(set(self.ids)) == len(self.ids) >= known
        statuses = [self.made.bench.status(one) for one in self.ids]
        assert [_status(one.status) for one in model.jobs] == [_status(one) for one in statuses]
        assert (info.status, info.waiting) == (model.status, len(model.waiting))
        assert dict(info.skipped) == dict(model.skipped)
        assert info.started == len(model.jobs)
        shown = None if info.next_at is None else int(info.next_at.timestamp())
        assert shown == (None if model.used_up else model.next_time)
        keys = [one for one, how in expected if how != "trigger"]
        assert len(keys) == len(set(keys))


def _about(time: int, how: str | None) -> tuple[int, str | None]:
    """The time of what a person has asked for is that of the call, which may take a second."""
    return (time // 5 if how == "trigger" else time), how


def _status(status: str) -> str:
    """Whether a job has ended, and how."""
    return "live" if status in ("pending", "running", "retried") else status


@pytest.mark.timeout(300)
def test_any_sequence_of_what_happens_to_a_schedule(server: LocalServer, real: ServerLink) -> None:
    """Scripts and model agree on every answer and on everything that people see."""
    Machine.real = real
    with make_client(server.url) as client:
        Machine.client = client
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
