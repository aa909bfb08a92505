"""What Celery is told of attempts: a failed one is a failed task, a retry is a retry."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from celery import Celery

from flowforge import ErrorHandler, Flow, JobState
from flowforge.engine.current import current_engine, set_engine
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.broker_lists import BrokerLists
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.worker.upkeep.resender import Resender
from flowforge.worker.upkeep.timeouts import Timeouts
from tests.integration.celery_states import (
    NOTES,
    ODD,
    Limited,
    Overslept,
    Prepared,
    Raises,
    Sleeps,
    Waits,
    make_app,
)
from tests.integration.flows import Countdown, One, Secretive, fan_of, single
from tests.integration.installation import LIMIT
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker


@dataclass
class Told:
    """The joined app in this process, its worker, and the notes of the signals' receivers."""

    app: Celery
    fleet: Fleet
    worker: Worker
    notes: Path
    seen: int = field(default=0)

    def next(self, number: int) -> list[dict[str, str]]:
        """What was noted since the last look, when it is so much."""

        def lines() -> list[str]:
            return self.notes.read_text().splitlines()[self.seen :] if self.notes.exists() else []

        eventually(lambda: len(lines()) >= number, message=self.worker.tail)
        found = [json.loads(line) for line in lines()]
        self.seen += len(found)
        return found

    def signals(self, number: int) -> list[str]:
        """The names of all signals since the last look, when there are so many."""
        return [told["signal"] for told in self.next(number)]

    def came(self, job: JobState, routine: str) -> Counter[str]:
        """How often the worker was given each invocation of a routine, apart from those times that
        its upkeep says it has pushed the message again: a stalled worker may claim it too late.
        """
        text = self.worker.output()
        given = re.findall(rf"{re.escape(routine)}\[({job.job_id}-\d+)\] received", text)
        again = re.findall(rf"pushed invocation ({job.job_id}-\d+) \(it\.input\) again", text)
        found = Counter(given)
        found.subtract(again)
        return found

    def all_came_once(self, job: JobState, routine: str, number: int) -> None:
        """Return when so many invocations of a routine have come to the worker, each once."""

        def once() -> bool:
            return [*self.came(job, routine).values()] == [1] * number

        eventually(once, message=lambda: f"{number}, each once: {self.came(job, routine)}")

    def control(self, command: str, *arguments: Any, **options: Any) -> None:
        """Send a command of remote control, and return when every worker has answered.

        All answers are awaited. The next call may have the same list for its answers, and kombu
        counts one that comes late as an answer to that call, which then has one too few.
        """
        number = sum(worker.alive for worker in self.fleet.workers)
        control: Any = self.app.control
        begun = time.monotonic()
        replies = getattr(control, command)(
            *arguments, reply=True, timeout=LIMIT, limit=number, **options
        )
        took, late = time.monotonic() - begun, dict(control.mailbox.unclaimed)
        assert len(replies) == number, f"after {took:.1f} s: {replies}; to other calls: {late}"


@contextmanager
def joined(server: LocalServer, directory: Path, **settings: Any) -> Iterator[Told]:
    """An app that is joined in this process, and a prefork worker of two processes, with what users
    have by default. It is not awaited.
    """
    prefix = f"t{secrets.token_hex(6)}"
    former = set_engine(None)
    app = make_app(server.url, prefix)
    try:
        with Fleet(
            server.url, prefix, directory, app="tests.integration.celery_states", **settings
        ) as fleet:
            notes = directory / "notes"
            worker = fleet.start(env={NOTES: str(notes)}, options=(), wait=False)
            yield Told(app, fleet, worker, notes)
            assert worker.alive
            fleet.kill(worker)
    finally:
        engine = set_engine(former)
        assert engine is not None
        engine.close()


@pytest.fixture(scope="module")
def told(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Shared by a module; it notices the loss of a worker within seconds."""
    settings = {"lease": 4, "heartbeat": 0.5, "upkeep_interval": 0.5, "unclaimed_grace": 1}
    with joined(server, tmp_path_factory.mktemp("told"), **settings) as shared:
        shared.fleet.wait_until_ready()
        yield shared


@pytest.fixture(autouse=True)
def _from_here(told: Told) -> None:
    told.next(0)


def raising(handler: ErrorHandler | None = None) -> Flow:
    """A flow of one routine that raises."""
    flow = single(Raises)
    if handler is not None:
        flow.set_error_handler(handler)
    return flow


def ended(job: JobState) -> str:
    """The status that a job ends with."""
    return job.wait(LIMIT).status


class TestFailures:
    """One failed task for a failed job, whatever was raised."""

    def test_a_step_that_fails_its_job_is_a_failed_task(self, told: Told) -> None:
        """With the exception and the traceback of the handler, once, and in the log."""
        job = raising().execute("it")
        assert ended(job) == "failed"
        (failure,) = told.next(1)
        assert failure["signal"] == "failure"
        assert failure["type"] == "ValueError"
        assert failure["text"] == "refused at attempt 1"
        assert failure["where"] == "go"
        said = f"Raises[{job.job_id}-1] raised unexpected: ValueError('refused at"
        eventually(lambda: said in told.worker.output())
        assert f"Raises[{job.job_id}-1] succeeded" not in told.worker.output()

    def test_so_is_one_that_runs_behind_another(self, told: Told) -> None:
        """A process that goes from one commit to the next invocation tells of each."""
        flow = Flow()
        flow.add_routine(Countdown, "count")
        flow.add_routine(Raises, "it")
        flow.connect("count", "next", "count", "input")
        flow.connect("count", "output", "it", "input")
        job = flow.execute("count", {"n": 10})
        assert ended(job) == "failed"
        assert told.signals(12) == ["success"] * 11 + ["failure"]
        # Celery's consumer has seen fewer of them than there were.
        received = re.findall(rf"\[{job.job_id}-\d+\] received", told.worker.output())
        assert 1 <= len(received) < 12

    @pytest.mark.parametrize("kind", sorted(ODD))
    def test_celery_does_nothing_else_with_it(self, told: Told, kind: str) -> None:
        """It is not rejected nor run again, and no process ends of it."""
        job = raising().execute("it", {"kind": kind})
        assert ended(job) == "failed"
        assert told.signals(1) == ["failure"]
        assert [entry.kind for entry in job.get_execution_history("it")] == ["failed"]
        assert ended(single(One).execute("it")) == "completed"
        assert told.signals(1) == ["success"]
        assert " exited " not in told.worker.output()

    def test_it_shows_no_secrets(self, told: Told) -> None:
        """What the history hides is also hidden from the log, and from who tracks errors."""
        job = single(Secretive).execute("it", {"user": "eve", "password": "correct-horse"})
        assert ended(job) == "failed"
        assert told.signals(1) == ["failure"]
        eventually(lambda: "eve may not use ***" in told.worker.output())
        for text in (told.worker.output(), told.notes.read_text()):
            assert "correct-horse" not in text


class TestRetries:
    """A retry is told as Celery's own."""

    def test_a_retry_is_a_retry_and_no_failure(self, told: Told) -> None:
        """Each with the exception of its attempt; then the task succeeds."""
        handler = ErrorHandler("retry", max_retries=2, retry_delay=0.01)
        job = raising(handler).execute("it", {"attempts": 2})
        assert ended(job) == "completed"
        first, second, third = told.next(3)
        signals = [first["signal"], second["signal"], third["signal"]]
        assert signals == ["retry", "retry", "success"]
        assert (first["type"], first["text"]) == ("ValueError", "refused at attempt 1")
        assert (second["type"], second["text"]) == ("ValueError", "refused at attempt 2")
        said = f"Raises[{job.job_id}-1] retry: Retry in 0.01s: ValueError('refused at attempt 1"
        eventually(lambda: said in told.worker.output())

    def test_the_last_attempt_is_the_failure(self, told: Told) -> None:
        """Once, when no retry is left."""
        handler = ErrorHandler("retry", max_retries=1, retry_delay=0.01)
        assert ended(raising(handler).execute("it")) == "failed"
        assert told.signals(2) == ["retry", "failure"]


@pytest.mark.parametrize(
    ("strategy", "kind"), [("continue", "error_continued"), ("skip", "skipped")]
)
def test_what_a_job_passes_over_is_a_warning(told: Told, strategy: str, kind: str) -> None:
    """The task succeeds; its log says why, with the traceback."""
    job = raising(ErrorHandler(strategy)).execute("it")
    assert ended(job) == "completed"
    assert told.signals(1) == ["success"]
    line = f"goes on ({kind}) after an error of it.input, invocation {job.job_id}-1, attempt 1"
    said = told.worker.output().partition(line)
    assert "WARNING" in said[0].splitlines()[-1]
    assert "in go\n" in said[2]
    assert "ValueError: refused at attempt 1" in said[2]


def test_the_log_names_a_step_by_the_id_of_its_task(told: Told) -> None:
    """In every line that tells of it, Celery's and FlowForge's, whatever becomes of the step."""
    handlers = ("continue", "skip", "stop")
    jobs = [raising(ErrorHandler(strategy)).execute("it") for strategy in handlers]
    jobs.append(raising(ErrorHandler("retry", max_retries=1, retry_delay=0.01)).execute("it"))
    for job in jobs:
        ended(job)
        eventually(partial(_lines_about, told, job.job_id))
        for line in _lines_about(told, job.job_id):
            assert f"{job.job_id}-1" in line
            assert f"{job.job_id}/" not in line
    told.next(5)


def _lines_about(told: Told, job_id: str) -> list[str]:
    return [line for line in told.worker.output().splitlines() if job_id in line]


class TestTimeLimits:
    """A hard limit ends the process, and is an error of the handler; set while the worker runs."""

    @pytest.fixture(autouse=True)
    def _limit(self, told: Told) -> Iterator[None]:
        told.control("time_limit", "tests.integration.celery_states.Sleeps", hard=1)
        yield
        told.control("time_limit", "tests.integration.celery_states.Sleeps")

    def test_it_fails_the_job_as_what_it_is(self, told: Told, tmp_path: Path) -> None:
        """Not as a worker that crashed, and not after the lease of a lost one."""
        job = single(Sleeps).execute("it", {"log": str(tmp_path / "log")})
        assert ended(job) == "failed"
        assert job.error is not None
        assert job.error["type"] == "celery.exceptions.TimeLimitExceeded"
        assert "hard time limit of 1 s" in str(job.reason)
        assert [entry.kind for entry in job.get_execution_history("it")] == ["failed"]
        assert told.signals(1) == ["failure"]

    def test_it_asks_the_error_handler(self, told: Told, tmp_path: Path) -> None:
        """A retry runs in another process; Celery hears of a retry."""
        flow = single(Sleeps)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.01))
        job = flow.execute("it", {"log": str(tmp_path / "log"), "attempts": 1})
        assert job.result(LIMIT)[0].params == {"attempt": 2}
        assert told.signals(2) == ["retry", "success"]

    def test_a_job_can_pass_over_it(self, told: Told, tmp_path: Path) -> None:
        """As over any error."""
        flow = single(Sleeps)
        flow.set_error_handler(ErrorHandler("skip"))
        job = flow.execute("it", {"log": str(tmp_path / "log")})
        assert ended(job) == "completed"
        assert job.routine_states["it"]["status"] == "skipped"
        assert told.signals(0) == []


class TestTimeouts:
    """The timeout of a slot ends the process as well, and is told to Celery as an error."""

    def test_it_fails_the_job(self, told: Told, tmp_path: Path) -> None:
        """Celery hears of the failure once."""
        job = single(Overslept).execute("it", {"log": str(tmp_path / "log")})
        assert ended(job) == "failed"
        assert job.error is not None
        assert job.error["type"] == "TimeoutError"
        assert told.signals(1) == ["failure"]
        assert "timeout (0.5 s) exceeded" in told.worker.output()

    def test_it_asks_the_error_handler(self, told: Told, tmp_path: Path) -> None:
        """A retry runs in another process; Celery hears of a retry."""
        flow = single(Overslept)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.01))
        job = flow.execute("it", {"log": str(tmp_path / "log")})
        assert job.result(LIMIT)[0].params == {"attempt": 2}
        assert told.signals(2) == ["retry", "success"]

    def test_a_main_process_that_is_too_busy_hears_of_it_later(
        self, told: Told, tmp_path: Path
    ) -> None:
        """The upkeep of another worker comes first, and leaves a note of what it has decided."""
        log = tmp_path / "log"
        job = single(Overslept).execute("it", {"log": str(log)})
        eventually(log.exists)
        os.kill(told.worker.pid, signal.SIGSTOP)
        try:
            engine: Any = current_engine()
            upkeep = Timeouts(engine.store, lease=4)
            eventually(lambda: upkeep.run_once() == 1)
            assert ended(job) == "failed"
        finally:
            os.kill(told.worker.pid, signal.SIGCONT)
        (failure,) = told.next(1)
        assert (failure["signal"], failure["type"]) == ("failure", "TimeoutError")

    def test_what_comes_before_the_claim_takes_none_of_the_time(
        self, told: Told, tmp_path: Path
    ) -> None:
        """A process that has not begun the attempt is not ended."""
        log = tmp_path / "log"
        job = single(Prepared).execute("it", {"log": str(log)})
        assert job.result(LIMIT)[0].params == {"attempt": 1}
        assert told.signals(1) == ["success"]


class TestNothingDone:
    """What counts for nothing is no success either."""

    def test_a_step_that_is_not_started(self, told: Told) -> None:
        """The message of a paused job is taken off its list, and told of when it has run."""
        flow = Flow()
        flow.add_routine(One, "it", queue="unserved")
        job = flow.execute("it")
        job.pause()
        told.control("add_consumer", "unserved")
        eventually(lambda: job.counts["parked"] == 1)
        job.resume()
        assert ended(job) == "completed"
        told.control("cancel_consumer", "unserved")
        assert told.signals(1) == ["success"]

    def test_a_step_whose_job_has_ended(self, told: Told, tmp_path: Path) -> None:
        """The handler runs to its end; its commit is refused."""
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = single(Waits).execute("it", {"log": str(log), "gate": str(gate)})
        eventually(log.exists)
        job.cancel("not needed")
        gate.touch()
        eventually(lambda: job.counts["running"] == 0)
        assert ended(single(One).execute("it")) == "completed"
        assert told.signals(1) == ["success"]
        assert f"Waits[{job.job_id}-1] succeeded" not in told.worker.output()


class TestRevoking:
    """What remote control revokes ends its job, whether it waits or runs."""

    def test_what_waits(self, told: Told) -> None:
        """The message is discarded, and the job is cancelled with the reason."""
        flow = Flow()
        flow.add_routine(One, "it", queue="unserved")
        job = flow.execute("it")
        task_id = f"{job.job_id}-1"
        told.control("revoke", task_id)
        told.control("add_consumer", "unserved")
        assert ended(job) == "cancelled"
        told.control("cancel_consumer", "unserved")
        assert str(job.reason).startswith("revoked by Celery's remote control: invocation 1, ")
        assert told.signals(0) == []

    def test_what_runs_and_is_terminated(self, told: Told, tmp_path: Path) -> None:
        """Its process ends, and the invocation does not run again elsewhere."""
        log = tmp_path / "log"
        job = single(Waits).execute("it", {"log": str(log), "gate": str(tmp_path / "gate")})
        eventually(log.exists)
        told.control("revoke", f"{job.job_id}-1", terminate=True)
        assert ended(job) == "cancelled"
        assert "revoked with terminate by Celery's remote control" in str(job.reason)
        eventually(lambda: job.counts["running"] == 0)
        assert len(log.read_text().splitlines()) == 1

    def test_what_runs_in_a_thread(self, told: Told, tmp_path: Path) -> None:
        """Threads cannot be ended: the handler is told that its job is cancelled."""
        log = tmp_path / "log"
        env = {NOTES: str(tmp_path / "notes")}
        worker = told.fleet.start(pool="threads", queues="threads", options=(), env=env)
        flow = Flow()
        flow.add_routine(Waits, "it", queue="threads")
        job = flow.execute("it", {"log": str(log), "gate": str(tmp_path / "gate")})
        eventually(log.exists)
        told.control("revoke", f"{job.job_id}-1", terminate=True)
        assert ended(job) == "cancelled"
        eventually(lambda: "cancelled" in log.read_text())
        told.fleet.kill(worker)

    def test_what_has_ended(self, told: Told) -> None:
        """Too late: nothing happens, as in Celery."""
        job = single(One).execute("it")
        assert ended(job) == "completed"
        told.control("revoke", f"{job.job_id}-1")
        assert job.status == "completed"


def test_a_rate_limit_set_while_the_worker_runs_is_obeyed(told: Told) -> None:
    """Each invocation comes through the consumer, which is where Celery keeps the limit."""
    name = "tests.integration.flows.One"
    told.control("rate_limit", name, "1000/s")
    job = fan_of(One).execute("fan", {"count": 40})
    assert ended(job) == "completed"
    told.control("rate_limit", name, 0)
    told.all_came_once(job, name, 40)


def test_messages_that_wait_for_a_rate_limit_come_once(told: Told) -> None:
    """Each is run once. It is given to the worker once, and again when the upkeep says so."""
    name = "tests.integration.celery_states.Limited"
    told.control("rate_limit", name, "5/s")
    job = fan_of(Limited).execute("fan", {"count": 10})
    assert sorted(output.params["number"] for output in job.result(LIMIT)) == list(range(10))
    told.control("rate_limit", name, 0)
    told.all_came_once(job, name, 10)
    assert [entry.kind for entry in job.get_execution_history("it")] == ["completed"] * 10


def test_messages_that_wait_for_a_rate_limit_are_not_lost(
    server: LocalServer, tmp_path: Path
) -> None:
    """However long they wait: they are not found lost as long as their worker reports."""
    with joined(server, tmp_path, unclaimed_grace=1) as told:
        store: Any = cast(Any, current_engine()).store
        # The upkeep is this test's, which knows no grace; the worker just reports.
        assert store.upkeep.lead("this test", 300_000)
        told.fleet.wait_until_ready()
        told.control("rate_limit", "tests.integration.celery_states.Limited", "1/m")
        job = fan_of(Limited).execute("fan", {"count": 3})
        eventually(lambda: len(WorkerReports(store).rate_limited_messages()) == 2)
        lists = BrokerLists(store)
        ((name, latest),) = lists.latest_numbers()
        eventually(lambda: len(lists.unclaimed(name.decode(), int(latest) + 1, 0, 10)) == 2)
        assert Resender(store, grace=0.0).run_once() == 0
        job.cancel()


def test_events_enabled_while_the_worker_runs_tell_of_each_task(told: Told) -> None:
    """As Flower enables them: failures and retries are events of these kinds. Their order says
    nothing: a worker may be given a retry before it hears of the attempt that has failed.
    """
    handler = ErrorHandler("retry", max_retries=1, retry_delay=0.01)
    jobs: list[JobState] = []
    told_of: Counter[str] = Counter()
    wanted = Counter({"task-started": 2, "task-retried": 1, "task-failed": 1})

    def take(event: dict[str, Any]) -> None:
        if not jobs:
            jobs.append(raising(handler).execute("it"))  # the worker's heartbeat: it is heard
        if event.get("uuid") == f"{jobs[0].job_id}-1":
            told_of[event["type"]] += 1
            receiver.should_stop = told_of >= wanted

    told.control("enable_events")
    with told.app.connection_for_read() as connection:
        receiver = told.app.events.Receiver(connection, handlers={"*": take})
        receiver.capture(limit=None, timeout=LIMIT, wakeup=True)
    told.control("disable_events")
    assert told_of.pop("task-received") >= 2
    assert told_of == wanted
    name = "tests.integration.celery_states.Raises"
    eventually(lambda: [*told.came(jobs[0], name).values()] == [2])
