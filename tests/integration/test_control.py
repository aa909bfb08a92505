"""Pause, resume, cancel and retry of running jobs."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from flowforge import ErrorHandler, Flow, JobState
from flowforge.errors import (
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobPausedError,
    JobStateError,
)
from flowforge.store.job_reads.routine_states import counted_attempts
from tests.integration.flows import (
    Approval,
    Flaky,
    Gated,
    Slow,
    SlowMerge,
    Square,
    Watchful,
    approval,
    countdown,
    fan_of,
    half_way,
    single,
    slow_setup,
    slow_then_echo,
    squares,
)
from tests.integration.installation import LIMIT, Installation, kinds, outputs
from tests.integration.notes import counted, notes
from tests.support.eventually import eventually
from tests.support.fleet import ROOT

pytestmark = pytest.mark.usefixtures("prefork")


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "log")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """Opened at the latest when the test ends, so that no handler keeps a process from the next."""
    gate = tmp_path / "gate"
    yield gate
    gate.touch()


def started_slow(log: str, gate: Path, flow: Flow | None = None) -> JobState:
    """A job whose first handler runs and waits for its gate."""
    job = (flow or slow_then_echo()).execute("slow", {"log": log, "gate": str(gate)})
    eventually(lambda: notes(log), message="the handler's start")
    return job


def run_another_job() -> None:
    """Return when the workers have served everything that was queued before."""
    for _ in range(4):
        assert outputs(countdown().execute("it", {"n": 3})) == [{"n": 0}]


class TestPause:
    """At once nothing new starts; what runs finishes and its emissions are parked."""

    def test_wait_reports_a_pause_once_nothing_runs(self, log: str, gate: Path) -> None:
        """A paused job with a running handler is not at rest yet."""
        job = started_slow(log, gate)
        job.pause("lunch")
        assert (job.status, job.reason) == ("paused", "lunch")
        with pytest.raises(TimeoutError):
            job.wait(0.2)
        gate.touch()
        assert job.wait(LIMIT).status == "paused"
        assert (job.counts["running"], job.counts["parked"]) == (0, 1)

    def test_what_a_running_handler_emitted_is_released_by_the_resume(
        self, log: str, gate: Path
    ) -> None:
        """The commit of a handler that was running is accepted, its emissions wait."""
        job = started_slow(log, gate)
        job.pause()
        gate.touch()
        job.wait(LIMIT)
        run_another_job()
        assert "echo" not in job.routine_states
        job.resume()
        assert outputs(job) == [{"number": 0, "attempt": 1}]
        assert kinds(job) == ["submitted", "paused", "completed", "resumed", "completed"]

    def test_no_handler_starts_after_pause_has_returned(self, log: str) -> None:
        """Nothing is claimed any more. What had been claimed has run, or was given back before its
        handler by a worker that was late and asked again.
        """
        job = squares(None).execute("fan", {"count": 400, "log": log, "pause": 0.002})
        eventually(lambda: len(notes(log)) > 20)
        job.pause()
        claimed = job.routine_states["square"]["started"]
        job.wait(LIMIT)
        run_another_job()
        square = job.routine_states["square"]
        assert square["started"] == claimed
        assert len(notes(log)) == square["completed"] == claimed - square["released"] < 400
        job.resume()
        found = sorted(params["number"] for params in outputs(job))
        assert found == list(range(400))
        assert counted(log) == {str(n): 1 for n in range(400)}

    def test_a_job_that_is_toggled_under_load_computes_the_same(self, log: str) -> None:
        """Whatever is paused and resumed, by several threads at once, runs exactly once."""
        job = squares(None).execute("fan", {"count": 600, "log": log})
        stop = threading.Event()

        def toggle() -> None:
            while not stop.is_set() and job.status not in ("completed", "failed"):
                try:
                    job.pause("toggled")
                    job.resume()
                except JobStateError:
                    return  # it has ended meanwhile

        togglers = [threading.Thread(target=toggle) for _ in range(3)]
        for toggler in togglers:
            toggler.start()
        eventually(lambda: len(job.pause_points) > 60 or job.status == "completed", LIMIT)
        stop.set()
        for toggler in togglers:
            toggler.join()
        if job.status != "completed":
            job.resume()
        assert sorted(params["number"] for params in outputs(job)) == list(range(600))
        assert counted(log) == {str(n): 1 for n in range(600)}
        assert not any(job.counts.values())

    def test_a_retry_that_comes_due_during_a_pause_waits_for_the_resume(self, log: str) -> None:
        """A timer of a paused job is parked, not lost."""
        flow = single(Flaky)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.4))
        job = flow.execute("it", {"failures": 1, "log": log})
        eventually(lambda: job.counts["timers"] == 1)
        job.pause()
        eventually(lambda: job.counts["parked"] == 1, message="the parked retry")
        assert notes(log) == ["0:1"]
        job.resume()
        assert outputs(job) == [{"attempt": 2, "number": 0}]

    def test_several_pauses_keep_their_points(self, log: str, gate: Path) -> None:
        """Each pause is remembered with its checkpoint; a handler reads the latest one given."""
        job = started_slow(log, gate)
        job.pause("first", checkpoint={"day": date(2013, 1, 1)})
        job.pause("second")
        points = [(p["reason"], p["checkpoint"]) for p in job.pause_points]
        assert points == [("first", {"day": date(2013, 1, 1)}), ("second", None)]
        job.cancel()

    @pytest.mark.parametrize("ends", [False, True])
    def test_no_handler_starts_behind_a_long_setup(self, log: str, gate: Path, ends: bool) -> None:
        """The claim came before the pause or the cancel, the handler would have come after it."""
        job = slow_setup(log, str(gate)).execute("it")
        eventually(lambda: notes(log) == ["setup"])
        if ends:
            job.cancel("enough")
        else:
            job.pause("for a while")
        gate.touch()
        eventually(lambda: job.counts["running"] == 0)
        run_another_job()
        assert notes(log) == ["setup"]
        state = job.routine_states["it"]
        assert (state["started"], state["released"], state["dropped"]) == (1, not ends, ends)
        if not ends:
            job.resume()
            assert len(outputs(job)) == 1
            assert notes(log)[-1] == "handled"

    def test_no_handler_starts_behind_a_long_merge(
        self, own: Installation, log: str, gate: Path, tmp_path: Path
    ) -> None:
        """The same in a process that has run the routine before; it is no attempt."""
        own.fleet.start(concurrency=1)
        flow, opened = single(SlowMerge), tmp_path / "opened"
        opened.touch()
        outputs(flow.execute("it", {"log": str(tmp_path / "first"), "gate": str(opened)}))
        job = flow.execute("it", {"log": log, "gate": str(gate)})
        eventually(lambda: notes(log) == ["merging"])
        job.pause()
        gate.touch()
        eventually(lambda: job.counts["parked"] == 1, message="what was given back")
        assert notes(log) == ["merging"]
        assert kinds(job) == ["submitted", "paused", "released"]
        state = job.routine_states["it"]
        assert (state["started"], state["released"], counted_attempts(state)) == (1, 1, 0)
        job.resume()
        assert len(outputs(job)) == 1
        assert notes(log) == ["merging", "merging", "handled"]
        assert counted_attempts(job.routine_states["it"]) == 1


class TestFromElsewhere:
    """Whoever knows the job's id controls it."""

    def test_a_handler_pauses_its_own_job(self) -> None:
        """``self.job`` is the running job; the checkpoint is there after the resume."""
        job = approval.execute("approval", {"how": "job"}).wait(LIMIT)
        assert (job.status, job.reason) == ("paused", "asked by the job")
        assert [point["by"] for point in job.pause_points] == [f"approval of job {job.job_id}"]
        job.resume("granted", by="kim")
        resumed = [one for one in job.get_execution_history() if one.kind == "resumed"]
        assert [one.details for one in resumed] == [{"by": "kim", "reason": "granted"}]
        assert outputs(job) == [{"checkpoint": {"step": 1, "at": date(2013, 1, 1)}}]

    def test_a_flow_inside_a_handler_means_the_running_job(self) -> None:
        """``flow.pause()`` in a worker pauses the job whose handler calls it."""
        bystander = approval.execute("approval", {"how": "flow", "asked": True})
        job = approval.execute("approval", {"how": "flow"}).wait(LIMIT)
        assert (job.status, job.reason) == ("paused", "asked by the flow")
        assert bystander.wait(LIMIT).status == "completed"
        assert approval.resume(job).wait(LIMIT).status == "completed"

    def test_another_process_finds_the_job_by_its_id(
        self, prefork: Installation, log: str, gate: Path
    ) -> None:
        """A second process pauses with a checkpoint and resumes, knowing no flow at all."""
        job = started_slow(log, gate)
        script = (
            "import sys, flowforge\n"
            "flowforge.configure(redis_url=sys.argv[1], prefix=sys.argv[2])\n"
            "job = flowforge.JobState.get(sys.argv[3])\n"
            "job.pause('from outside', checkpoint=[1, 2])\n"
            "print(job.status, job.flow_id)\n"
        )
        said = subprocess.check_output(
            [sys.executable, "-c", script, prefork.server.url, prefork.prefix, job.job_id],
            cwd=ROOT,
            text=True,
            timeout=30,
        )
        assert said.split() == ["paused", job.flow_id]
        assert job.pause_points[0]["checkpoint"] == [1, 2]
        gate.touch()
        job.wait(LIMIT)
        JobState.get(job.job_id).resume()
        assert len(outputs(job)) == 1

    def test_many_waiters_see_the_same_end(self, log: str, gate: Path) -> None:
        """Every thread that waits for a job returns when it ends."""
        job = started_slow(log, gate)
        seen: list[str] = []
        waiters = [
            threading.Thread(target=lambda: seen.append(JobState(job.job_id).wait(LIMIT).status))
            for _ in range(5)
        ]
        for waiter in waiters:
            waiter.start()
        gate.touch()
        for waiter in waiters:
            waiter.join(LIMIT)
        assert seen == ["completed"] * 5


class TestCancel:
    """Final: what waits is dropped, what runs is told and cannot commit."""

    def test_a_running_handler_sees_it_and_its_commit_is_refused(self, log: str) -> None:
        """``self.cancelled`` turns true within a heartbeat; what is emitted then is dropped."""
        job = single(Watchful).execute("it", {"log": log})
        eventually(lambda: notes(log))
        job.cancel("no longer needed")
        assert (job.status, job.reason) == ("cancelled", "no longer needed")
        eventually(lambda: len(notes(log)) == 2, message="the handler's end")
        assert notes(log) == ["started", "cancelled"]
        eventually(lambda: job.routine_states["it"]["dropped"] == 1)
        assert job.outputs == []
        assert kinds(job) == ["submitted", "cancelled"]
        with pytest.raises(JobCancelledError, match="no longer needed"):
            job.result(1)

    def test_queued_and_parked_work_is_dropped(
        self, prefork: Installation, log: str, gate: Path
    ) -> None:
        """Nothing of a cancelled job starts any more, paused or not, and no work is kept."""
        flow = fan_of(Slow)
        job = flow.execute("fan", {"count": 50, "log": log, "gate": str(gate)})
        eventually(lambda: len(notes(log)) == 2)
        job.pause()
        job.cancel()
        assert job.counts == {
            "queued": 0, "running": 2, "parked": 0, "timers": 0, "staged": 0, "stopped": 0,
            "expected": 0, "at_limits": 0,
        }  # fmt: skip
        gate.touch()
        run_another_job()
        assert len(notes(log)) == 2
        eventually(lambda: not any(job.counts.values()))
        for kind in ("invocations", "parked", "claims", "merges"):
            assert not prefork.redis.exists(prefork.key(kind, job.job_id))

    def test_a_waiting_retry_is_dropped(self, prefork: Installation, log: str) -> None:
        """The timer of a cancelled job starts nothing."""
        flow = single(Flaky)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.3))
        job = flow.execute("it", {"failures": 1, "log": log})
        eventually(lambda: job.counts["timers"] == 1)
        job.cancel()
        assert not any(job.counts.values())
        eventually(lambda: prefork.redis.zcard(prefork.key("timers")) == 0)
        run_another_job()
        assert notes(log) == ["0:1"]
        assert job.status == "cancelled"


class TestRetry:
    """A failed job goes on where it failed."""

    def test_nothing_that_had_committed_is_repeated(self, log: str, gate: Path) -> None:
        """Only the failed invocation, and what had not run yet, runs after ``retry()``."""
        flow = fan_of(Gated)
        job = flow.execute("fan", {"count": 60, "gate": str(gate), "log": log, "fails": 20})
        with pytest.raises(JobFailedError, match="number 20"):
            job.result(LIMIT)
        eventually(lambda: job.counts["running"] == 0)
        committed = {output.params["number"] for output in job.outputs}
        assert 20 not in committed
        gate.touch()
        job.retry()
        assert sorted(params["number"] for params in outputs(job)) == list(range(60))
        assert job.error is None
        counts = counted(log)
        assert all(counts[str(number)] == 1 for number in committed)
        assert counts["20"] == 2

    def test_attempts_begin_anew(self, log: str) -> None:
        """A retried job gives its failed invocation all of its attempts again."""
        flow = single(Flaky)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.01))
        job = flow.execute("it", {"failures": 2, "log": log}).wait(LIMIT)
        assert job.status == "failed"
        job.retry()
        assert job.wait(LIMIT).status == "failed"
        assert notes(log) == ["0:1", "0:2", "0:1", "0:2"]

    def test_a_handler_that_was_told_to_stop_runs_again(
        self, log: str, gate: Path, tmp_path: Path
    ) -> None:
        """It may have stopped half-way: its commit does not count, although the job runs again."""
        mended = tmp_path / "mended"
        params = {"log": log, "gate": str(gate), "mended": str(mended)}
        job = half_way().execute("begin", params)
        assert job.wait(LIMIT).status == "failed"
        eventually(lambda: notes(log) == ["started", "cancelled"])
        mended.touch()
        job.retry()
        gate.touch()
        assert outputs(job) == [{"done": True}]
        assert notes(log) == ["started", "cancelled", "started"]


Verb = Callable[[JobState], object]

VERBS: dict[str, Verb] = {
    "pause": lambda job: job.pause(),
    "resume": lambda job: job.resume(),
    "cancel": lambda job: job.cancel(),
}


@pytest.fixture(scope="module")
def ended(prefork: Installation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobState]:
    """One job for each terminal status."""
    log = str(tmp_path_factory.mktemp("ended") / "log")
    completed = countdown().execute("it", {"n": 0}).wait(LIMIT)
    failed = single(Flaky).execute("it", {"failures": 1}).wait(LIMIT)
    cancelled = single(Watchful).execute("it", {"log": log})
    cancelled.cancel()
    return {"completed": completed, "failed": failed, "cancelled": cancelled}


class TestRefusals:
    """Every misuse is a ValueError that names the job and its state."""

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
    def test_an_ended_job_stays_as_it_is(
        self, ended: dict[str, JobState], status: str, verb: str
    ) -> None:
        """Terminal states are final for pause, resume and cancel."""
        job = ended[status]
        with pytest.raises(ValueError, match=f"cannot {verb} job {job.job_id}: it is {status}"):
            VERBS[verb](job)
        assert job.status == status

    @pytest.mark.parametrize("status", ["completed", "cancelled"])
    def test_only_a_failed_job_can_be_retried(
        self, ended: dict[str, JobState], status: str
    ) -> None:
        """``retry()`` is refused for every other status."""
        with pytest.raises(ValueError, match=f"is {status}; only a failed job"):
            ended[status].retry()

    def test_a_flow_refuses_the_job_of_another(self, ended: dict[str, JobState]) -> None:
        """pause, resume and cancel check whose job it is before they touch it."""
        other = single(Square, "strange")
        job = ended["completed"]
        for call in (
            lambda: other.pause(job_state=job),
            lambda: other.resume(job),
            lambda: other.cancel(job_state=job),
        ):
            with pytest.raises(ValueError, match="belongs to flow 'countdown', not to 'strange'"):
                call()

    def test_a_flow_without_jobs_has_nothing_to_control(self) -> None:
        """Without a job the refusal says how to name one."""
        flow = single(Approval)
        for call in (flow.pause, flow.resume, flow.cancel):
            with pytest.raises(ValueError, match=r"no job in this process.*JobState\.get"):
                call()

    def test_a_flow_means_its_newest_job(self, tmp_path: Path) -> None:
        """Without a job argument the last execute of this object counts."""
        flow = single(Watchful)
        first = flow.execute("it", {"log": str(tmp_path / "1")})
        second = flow.execute("it", {"log": str(tmp_path / "2")})
        flow.cancel("the newest")
        assert (first.status != "cancelled", second.status) == (True, "cancelled")
        first.cancel()

    def test_resuming_a_job_that_runs_changes_nothing(self, log: str, gate: Path) -> None:
        """A second resume, or one too early, is no error: somebody else was faster."""
        job = started_slow(log, gate)
        job.resume()
        assert kinds(job) == ["submitted"]
        job.pause()
        job.resume()
        job.resume()
        assert kinds(job) == ["submitted", "paused", "resumed"]
        gate.touch()
        assert outputs(job)

    def test_a_paused_job_has_no_result_yet(self, log: str, gate: Path) -> None:
        """Whoever asks for it is told what to do."""
        job = started_slow(log, gate)
        job.pause()
        gate.touch()
        with pytest.raises(JobPausedError, match="resume"):
            job.result(LIMIT)
        job.resume()
        assert outputs(job)

    def test_an_unknown_job_is_not_found(self) -> None:
        """Control of a job that is not there says what to check."""
        for verb in VERBS.values():
            with pytest.raises(JobNotFoundError, match="check the id"):
                verb(JobState("0" * 24))
