"""Wide flows on real workers: joins, windows, large emissions, sub-flows, started jobs, bulk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowforge import ErrorHandler, ErrorStrategy, Flow, JobState
from flowforge.engine.submission.submit import SUBMIT_CHUNK
from flowforge.errors import JobFailedError, PayloadError
from flowforge.local.server import LocalServer
from tests.integration.flows import Fan, One, countdown, fan_of
from tests.integration.installation import FAST, LIMIT, Installation, installed, outputs
from tests.integration.notes import notes
from tests.integration.wide_flows import (
    Batches,
    Never,
    Retried,
    Starts,
    gathering,
    inside_out,
    joining,
    passing_over,
    starting,
)
from tests.support.eventually import eventually

IMPORTS = ("tests.integration.flows", "tests.integration.wide_flows")


@pytest.fixture(scope="module", params=["prefork", "threads", "gevent"])
def pool(
    request: pytest.FixtureRequest,
    server: LocalServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """An installation with one worker of the pool."""
    directory = tmp_path_factory.mktemp(request.param)
    with installed(server, directory, IMPORTS, **FAST) as installation:
        worker = installation.fleet.start(pool=request.param, concurrency=2)
        yield installation
        assert worker.alive


@pytest.fixture
def idle(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose worker is started by the test."""
    with installed(server, tmp_path, IMPORTS, **FAST) as installation:
        yield installation


@pytest.mark.usefixtures("pool")
class TestJoins:
    """A join fires once, when its rule says so."""

    def test_a_large_join_gets_everything(self) -> None:
        """More than one commit emits and more than one chunk holds, through a window of ten."""
        job = gathering(Retried, RETRY).execute("fan", {"count": 1200})
        assert outputs(job) == [{"count": 1200, "total": 1200 * 1199 // 2, "distinct": 1200}]
        assert job.routine_states["join"]["stats"] == {"fired": 1}
        assert job.routine_states["part"]["retried"] == 400

    @pytest.mark.parametrize("strategy", [ErrorStrategy.CONTINUE, ErrorStrategy.SKIP])
    def test_failed_branches_count_as_done(self, strategy: ErrorStrategy) -> None:
        """What an error handler passed over is missing from the join and does not hold it up."""
        job = passing_over(strategy).execute("fan", {"count": 21})
        assert outputs(job) == [{"count": 11, "total": 110, "distinct": 11}]

    def test_the_rest_of_a_count_can_be_handed_over(self) -> None:
        """Every seven, and with otherwise="fire" what is left."""
        job = joining(Batches).execute("fan", {"count": 17})
        assert sorted(found["size"] for found in outputs(job)) == [3, 7, 7]

    def test_a_join_that_is_never_filled_fails_the_job(self) -> None:
        """It says which join, how much it had, and how to get what is there."""
        job = joining(Never).execute("fan", {"count": 3, "wanted": 4})
        with pytest.raises(JobFailedError, match=r'join\.items had 3 items.*otherwise="fire"'):
            job.result(LIMIT)
        assert job.reason == "join not filled"
        assert job.error is not None
        assert 'join.items had 3 items' in job.error["message"]  # fmt: skip
        assert 'otherwise="fire"' in job.error["message"]

    def test_a_join_inside_a_sub_flow(self) -> None:
        """The sub-flow's join sees all of its inside, retries included, and emits outside."""
        job = inside_out().execute("before", {"count": 30})
        assert outputs(job) == [{"count": 30, "total": 435, "distinct": 30}]
        assert job.routine_states["inside/part"]["retried"] == 10


RETRY = ErrorHandler(strategy=ErrorStrategy.RETRY, retry_delay=0.05)


@pytest.mark.usefixtures("pool")
class TestStartedJobs:
    """Jobs that handlers start."""

    def test_their_outputs_come_back(self) -> None:
        """One event for each, and the job ends after them."""
        job = starting().execute("fan", {"count": 5})
        found = outputs(job)
        assert sorted(one["outputs"][0]["params"]["number"] for one in found) == [0, 1, 2, 3, 4]
        assert all(JobState.get(one["job_id"]).status == "completed" for one in found)

    def test_their_failure_travels_up(self) -> None:
        """It is an error of the routine that started the job, with the job's own reason."""
        flow = Flow("unlucky")
        flow.add_routine(Starts, "starts")
        job = flow.execute("starts", {"number": 13})
        with pytest.raises(JobFailedError, match="13 brings bad luck"):
            job.result(LIMIT)


class TestFamilies:
    """What happens to a job reaches those that it has started."""

    def test_a_pause_travels_down(self, idle: Installation, tmp_path: Path) -> None:
        """While the parent is paused nothing of its jobs begins; what runs may finish."""
        job, gate, log = begun(idle, tmp_path)
        job.pause("a check")
        gate.touch()
        job.wait(LIMIT)
        # Everything that is in the broker has been looked at when this later job has run.
        assert outputs(countdown().execute("it", {"n": 0})) == [{"n": 0}]
        assert len(notes(log)) == 1
        job.resume()
        assert len(outputs(job)) == 3
        assert sorted(notes(log)) == ["0", "1", "2"]

    def test_a_cancel_travels_down(self, idle: Installation, tmp_path: Path) -> None:
        """With the parent its jobs end, the one that runs too."""
        job, gate, log = begun(idle, tmp_path)
        job.cancel("enough")
        children = [one for one in JobState.find() if one.flow_id == "inner"]
        assert children
        for child in children:
            assert child.wait(LIMIT).status == "cancelled"
            assert child.reason == "its parent job has ended"
        gate.touch()
        assert len(notes(log)) == 1


def begun(idle: Installation, directory: Path) -> tuple[JobState, Path, Path]:
    """A job that starts three others, one of which runs, alone, until the gate is there."""
    gate, log = directory / "gate", directory / "log"
    job = starting().execute("fan", {"count": 3, "gate": str(gate), "log": str(log)})
    idle.fleet.start(concurrency=1)
    eventually(lambda: notes(log), LIMIT)
    return job, gate, log


class TestBulk:
    """Many jobs, and many items of one."""

    def test_execute_many_takes_from_an_iterator(self, pool: Installation) -> None:
        """Chunk by chunk: what was taken and not submitted is never more than one chunk."""
        taken: list[int] = []

        def params() -> Iterator[dict[str, Any]]:
            for n in range(250):
                taken.append(n)
                yield {"n": n % 3}

        jobs = countdown().execute_many("it", params())
        assert len({job.job_id for job in jobs}) == len(taken) == 250
        for job in jobs:
            assert outputs(job) == [{"n": 0}]

    def test_a_chunk_is_submitted_as_a_whole_or_not_at_all(self, idle: Installation) -> None:
        """Params that cannot travel keep their chunk from being created, not those before it."""
        params: list[Any] = [{"n": 0}] * (SUBMIT_CHUNK + 50)
        params[SUBMIT_CHUNK + 20] = {"n": object()}
        with pytest.raises(PayloadError):
            countdown().execute_many("it", params)
        assert idle.engine.overview.counts()["pending"] == SUBMIT_CHUNK

    def test_a_window_bounds_the_broker_and_lets_others_through(self, idle: Installation) -> None:
        """A wide job keeps few messages in the broker, and a later small one overtakes its rest."""
        wide = fan_of(One).execute("fan", {"count": 3000}, max_in_flight=20)
        idle.fleet.start(pool="solo", concurrency=1)
        eventually(lambda: (wide.get_routine_state("it") or {}).get("completed"), LIMIT)
        assert idle.queued() <= 20
        small = countdown().execute("it", {"n": 0})
        assert outputs(small) == [{"n": 0}]
        done = (wide.get_routine_state("it") or {})["completed"]
        assert done < 3000
        assert len(wide.result(LIMIT)) == 3000

    def test_urgent_jobs_go_first(self, idle: Installation) -> None:
        """Of jobs that wait, those of a more urgent step are begun before the others."""
        flow = fan_of(One)
        late = [flow.execute("fan", {"count": 1}, priority=9) for _ in range(3)]
        early = [flow.execute("fan", {"count": 1}, priority=0) for _ in range(3)]
        idle.fleet.start(pool="solo", concurrency=1, options=("--prefetch-multiplier", "1"))
        for job in (*late, *early):
            job.wait(LIMIT)
        ends = {job: job.get_execution_history()[-1].at for job in (*late, *early)}
        assert max(ends[job] for job in early) <= min(ends[job] for job in late)


def test_a_window_is_checked(idle: Installation) -> None:
    """A window below one is refused where it is given."""
    with pytest.raises(ValueError, match="max_in_flight"):
        Flow(max_in_flight=0)
    with pytest.raises(ValueError, match="max_in_flight"):
        fan_of(Fan).execute("fan", {"count": 1}, max_in_flight=0)
    assert idle.engine.overview.counts()["pending"] == 0
