"""What users are told of a failure, a timeout, and of waiting where nothing can come."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator

import pytest

from flowforge import ErrorHandler, Flow, JobState
from flowforge.errors import JobFailedError
from flowforge.local.server import LocalServer
from tests.integration.error_message_flows import (
    Nest,
    breaking,
    inner,
    misspelt,
    nest,
    unserved,
    waiting,
)
from tests.integration.installation import FAST, LIMIT, Installation, installed, outputs
from tests.support.eventually import eventually

FLOWS = "tests.integration.error_message_flows"


@pytest.fixture(scope="module")
def fleet(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker with threads, for the default queue."""
    with installed(server, tmp_path_factory.mktemp("told"), [FLOWS], **FAST) as shared:
        shared.fleet.start(pool="threads", concurrency=4)
        yield shared


def reason(job: JobState) -> str:
    """What the exception of a job says that has to fail."""
    with pytest.raises(JobFailedError) as caught:
        job.result(LIMIT)
    return str(caught.value)


@pytest.mark.usefixtures("fleet")
class TestFailures:
    """The reason leads to the line that is wrong."""

    def test_the_users_own_frame_and_the_type_are_told(self) -> None:
        """File, line and function are those of the handler, not the engine's."""
        job = breaking(None).execute("it", {"text": "gone"})
        told = reason(job)
        assert "it.input: KeyError: 'gone' (" in told
        assert "error_message_flows.py:" in told
        assert told.endswith(", in breaks)")
        assert job.error is not None
        assert job.error["at"].endswith(", in breaks")

    def test_the_traceback_from_the_worker_is_the_cause(self) -> None:
        """As an error of an executor in another process shows it, also after pickling."""
        with pytest.raises(JobFailedError) as caught:
            breaking(None).execute("it", {"text": "gone"}).result(LIMIT)
        for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301
            shown = "".join(traceback.format_exception(error))
            assert 'error_message_flows.py", line' in shown
            assert "raise KeyError(text)" in shown
            assert 'KeyError: \'gone\'\n"""' in shown
            assert "direct cause of the following exception:" in shown
            assert shown.rstrip().endswith(f"JobFailedError: {error}")

    def test_a_failure_without_a_handler_has_no_cause(self) -> None:
        """There is no traceback of user code to show."""
        job = misspelt.execute("both").wait(LIMIT)
        assert job.status == "failed"
        lost = Flow("lost")
        lost.add_routine(
            type("Gone", (Nest,), {"__module__": "gone", "__qualname__": "Gone"}), "it"
        )
        with pytest.raises(JobFailedError) as caught:
            lost.execute("it", {"depth": 0}).result(LIMIT)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize("depth", [1, 3, 6])
    def test_the_root_cause_is_told_through_any_depth_of_started_jobs(self, depth: int) -> None:
        """Each job above says which job failed first, and why; the text does not grow."""
        job = nest.execute("it", {"depth": depth})
        told = reason(job)
        assert "it.input: ValueError: innermost (" in told
        assert told.count("of this routine has failed") == 1
        assert job.error is not None
        root, because = job.error["root"]
        assert "innermost" in because
        assert JobState.get(root).error["message"] == "innermost"  # type: ignore[index]
        assert depth == 1 or f"because of job {root}" in told

    @pytest.mark.parametrize(
        ("handler", "status"),
        [
            (ErrorHandler("stop"), "failed"),
            (ErrorHandler("continue"), "completed"),
            (ErrorHandler("skip"), "completed"),
            (ErrorHandler("retry", max_retries=1, retry_delay=0.01), "failed"),
        ],
        ids=lambda value: getattr(value, "strategy", None),
    )
    def test_a_routines_state_carries_its_latest_error(
        self, handler: ErrorHandler, status: str
    ) -> None:
        """Whatever its error handler made of it."""
        job = breaking(handler).execute("it", {"text": "gone"}).wait(LIMIT)
        assert job.status == status
        error = job.routine_states["it"]["last_error"]
        assert (error["type"], error["message"]) == ("KeyError", "'gone'")
        assert job.created_at <= error["when"] <= job.updated_at
        assert error["at"].endswith(", in breaks")
        groups = JobState.error_groups(flow="breaking", since=job.created_at)
        (group,) = [one for one in groups if job.job_id in one.job_ids]
        assert (group.routine_id, group.type, group.message) == ("it", "KeyError", "'gone'")
        assert group.last_at == error["when"]

    def test_a_routine_without_an_error_has_none(self) -> None:
        """The name is there all the same."""
        job = inner.execute("echo", {"n": 1}).wait(LIMIT)
        assert job.routine_states["echo"]["last_error"] is None

    def test_a_missing_param_leads_to_the_one_connection_that_sent_another(self) -> None:
        """The other connection of the slot is not suspected."""
        told = reason(misspelt.execute("both"))
        assert "total.input was called without 'amount'; right.output -> total.input sent" in told
        assert "left.output" not in told


@pytest.mark.usefixtures("fleet")
class TestWaiting:
    """A wait that cannot end, or not here, says so."""

    def test_a_timeout_names_the_queue_that_no_worker_serves(self) -> None:
        """What is slow is not put down to a missing worker."""
        job = unserved.execute("it", {"n": 1})
        with pytest.raises(TimeoutError, match=r"is still pending; no worker .* 'nobody'.*-Q nobo"):
            job.wait(0.01)
        job.cancel()
        slow = breaking(ErrorHandler("retry", retry_delay=600)).execute("it", {"text": "gone"})
        eventually(lambda: slow.counts["timers"] == 1)
        with pytest.raises(TimeoutError, match=r"is still running; it\.input .* waits"):
            slow.wait(0)
        slow.cancel()

    def test_a_handler_that_waits_is_told_of_start(self, fleet: Installation) -> None:
        """In place of a deadlock once every worker waits."""
        told = reason(waiting.execute("it", {"n": 1}))
        assert "WouldBlockError: it.input waits for job" in told
        assert "self.start(flow" in told
        assert outputs(inner.execute("echo", {"n": 2})) == [{"n": 2}]
        assert all(worker.alive for worker in fleet.fleet.workers)

    def test_a_module_that_waits_when_imported_ends_the_worker(self, own: Installation) -> None:
        """Its log names the line and the guard that is missing."""
        fleet = own.fleet
        worker = fleet.start(
            pool="solo",
            concurrency=1,
            env={"FLOWFORGE_IMPORTS": "tests.integration.waits_at_import"},
            wait=False,
        )
        fleet.wait_until_ended(worker)
        log = worker.output()
        assert "waits_at_import.py:7 submits a job of flow 'inner' while Celery imports it" in log
        assert "waits_at_import.py, line 7: WouldBlockError: " in log
        assert "waits_at_import.py:7 waits for job" in log
        assert "if __name__ == '__main__':" in log


@pytest.mark.usefixtures("fleet")
class TestUnknownClass:
    """The remedy can work."""

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            (f"{FLOWS}.Renamed", "is imported there but does not define it: it was renamed"),
            ("__main__.Charge", "it was defined interactively"),
            ("shop.make.<locals>.Charge", "define it at the top level of shop"),
        ],
    )
    def test_what_is_missing_is_not_put_down_to_imports(self, name: str, told: str) -> None:
        """Naming a module that the worker has imported would change nothing."""
        module, _, qualname = name.rpartition(".")
        cls = type("Charge", (Nest,), {"__module__": module, "__qualname__": qualname})
        flow = Flow()
        flow.add_routine(cls, "it")
        assert told in reason(flow.execute("it", {"depth": 0}))
