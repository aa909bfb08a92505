"""The same flows give the same results on every pool of Celery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import ErrorHandler, Flow
from flowforge.broker.message import MARK
from flowforge.local.server import LocalServer
from tests.integration.flows import (
    RICH,
    Collect,
    Counting,
    Elsewhere,
    Entered,
    Fan,
    Flaky,
    Limited,
    One,
    Router,
    Secretive,
    Seen,
    Slow,
    Tally,
    Triggered,
    Typed,
    countdown,
    double,
    fan_of,
    sift,
    single,
    squares,
)
from tests.integration.installation import LIMIT, Installation, installed, kinds, outputs
from tests.integration.notes import notes
from tests.support.eventually import eventually

POOLS = ("prefork", "spawn", "threads", "solo", "gevent")

#: How macOS starts the children of a prefork pool: as fresh interpreters.
SPAWN = ["worker.pool_start_method=spawn"]


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest,
    server: LocalServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """An installation with one worker of the pool."""
    directory = tmp_path_factory.mktemp(request.param)
    with installed(server, directory, lease=10.0, heartbeat=2.0) as installation:
        spawned = request.param == "spawn"
        worker = installation.fleet.start(
            pool="prefork" if spawned else request.param,
            concurrency=4,
            queues="celery,other",
            configuration=SPAWN if spawned else [],
            by_command=True,
        )
        yield installation
        assert worker.alive


@pytest.mark.usefixtures("pool")
class TestShapes:
    """What a flow computes does not depend on where its handlers run."""

    def test_a_chain_runs_to_its_end(self) -> None:
        """Every step emits the next; the job completes when nothing is left."""
        job = countdown().execute("it", {"n": 50})
        assert outputs(job) == [{"n": 0}]
        assert job.status == "completed"
        assert kinds(job).count("completed") == 51

    def test_a_task_that_has_no_message_has_the_headers_of_one(self) -> None:
        """What a process goes on to looks to Celery's signals as what a message brings."""
        flow = single(Seen)
        flow.connect("it", "next", "it", "input")
        seen = outputs(flow.execute("it", {"n": 50}))
        assert {one["origin"] for one in seen} == {MARK, None}
        assert [one["headers"] for one in seen] == [{MARK: 1}] * 51

    def test_appended_deliveries_see_every_length_once(self) -> None:
        """Of N deliveries to an append slot each sees another length, and one sees them all."""
        job = squares(Collect).execute("fan", {"count": 40})
        assert outputs(job) == [
            {"numbers": list(range(40)), "total": sum(n * n for n in range(40))}
        ]
        stats = job.routine_states["join"]["stats"]
        assert stats == {f"length {k}": 1 for k in range(1, 41)}

    def test_a_merge_function_loses_no_update(self) -> None:
        """Concurrent deliveries fold into one value."""
        job = squares(Tally).execute("fan", {"count": 40})
        assert outputs(job) == [{"total": sum(n * n for n in range(40))}]

    def test_a_router_sends_each_number_one_way(self) -> None:
        """Events of one handler lead to different routines."""
        flow = Flow()
        flow.add_routine(Fan, "fan")
        flow.add_routine(Router, "router")
        flow.add_routine(One, "even")
        flow.connect("fan", "output", "router", "input")
        flow.connect("router", "even", "even", "input")
        found = flow.execute("fan", {"count": 10}).result(LIMIT)
        by_routine = {
            routine_id: sorted(o.params["number"] for o in found if o.routine_id == routine_id)
            for routine_id in ("router", "even")
        }
        assert by_routine == {"router": [1, 3, 5, 7, 9], "even": [0, 2, 4, 6, 8]}

    def test_one_event_feeds_several_slots_with_params_of_their_own(self) -> None:
        """Each connection maps its own copy of the params."""
        flow = Flow()
        flow.add_routine(One, "source")
        flow.add_routine(One, "left")
        flow.add_routine(One, "right")
        flow.connect("source", "output", "left", "input", {"a": "b", "b": "a"})
        flow.connect("source", "output", "right", "input")
        found = flow.execute("source", {"a": 1, "b": [2]}).result(LIMIT)
        assert {o.routine_id: o.params for o in found} == {
            "left": {"a": [2], "b": 1},
            "right": {"a": 1, "b": [2]},
        }

    def test_a_routine_on_a_queue_of_its_own(self) -> None:
        """``queue`` of the class decides which list the work goes through."""
        flow = fan_of(Elsewhere)
        found = outputs(flow.execute("fan", {"count": 5}))
        assert sorted(params["number"] for params in found) == [0, 1, 2, 3, 4]
        assert flow.definition().routines[1].queue == "other"

    def test_functions_are_routines(self) -> None:
        """What a plain function returns is emitted; one that takes self chooses its event."""
        flow = Flow()
        flow.add_routine(double, "double")
        flow.add_routine(sift, "sift")
        flow.connect("double", "output", "sift", "input")
        (small,) = flow.execute("double", {"n": 2}).result(LIMIT)
        (large,) = flow.execute("double", {"n": 20}).result(LIMIT)
        assert (small.event, small.params) == ("small", {"n": 4})
        assert (large.event, large.params) == ("large", {"n": 40})


@pytest.mark.usefixtures("pool")
class TestRoutines:
    """What a routine may rely on while it runs."""

    def test_a_job_starts_at_call(self) -> None:
        """A routine that overrides ``__call__`` is entered there, whatever its slots."""
        assert outputs(single(Entered).execute("it", {"name": "x"})) == [{"entered": "x"}]

    def test_a_job_starts_at_trigger_and_other_slots_can_read_it(self) -> None:
        """``slot_data`` of an override slot is its latest payload."""
        flow = single(Triggered)
        flow.connect("it", "fed", "it", "data")
        assert outputs(flow.execute("it", {"value": 9})) == [{"value": 9, "last": 9}]

    def test_values_keep_their_types(self) -> None:
        """Dates, decimals, ids, bytes, sets, tuples and large numbers arrive as they were."""
        flow = single(Typed)
        flow.connect("it", "values", "it", "back")
        (found,) = outputs(flow.execute("it"))
        assert found["same"], found["kinds"]

    def test_entry_params_keep_their_types(self) -> None:
        """What a producer sends arrives, and comes back, as it was."""
        assert outputs(single(One).execute("it", RICH)) == [RICH]

    def test_stats_add_up_over_processes(self) -> None:
        """Increments of concurrent handlers are summed; what one sets on itself is gone."""
        flow = Flow()
        flow.add_routine(Fan, "fan")
        flow.add_routine(Counting, "counting")
        flow.connect("fan", "output", "counting", "input", {"number": "amount"})
        job = flow.execute("fan", {"count": 20})
        assert outputs(job) == [{"fresh": True, "setups": 1}] * 20
        stats = job.routine_states["counting"]["stats"]
        assert (stats["amount"], stats["calls"]) == (190, 20)
        assert set(stats["latest"]) == {"amount"}

    def test_secrets_stay_out_of_history_and_errors(self) -> None:
        """A param marked as secret is nowhere in what the job shows."""
        flow = single(Secretive)
        fine = flow.execute("it", {"user": "ann", "password": "correct-horse"}).wait(LIMIT)
        (entry,) = [e for e in fine.get_execution_history() if e.kind == "completed"]
        assert entry.details["params"] == {"user": "ann", "password": "***"}
        failed = flow.execute("it", {"user": "eve", "password": "correct-horse"}).wait(LIMIT)
        assert failed.status == "failed"
        assert "eve may not use ***" in str(failed.error)
        for job in (fine, failed):
            assert "correct-horse" not in str(job.serialize())

    def test_retries_are_counted_by_invocation(self) -> None:
        """Each of several concurrent invocations gets its own attempts."""
        flow = fan_of(Flaky)
        flow.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.01))
        job = flow.execute("fan", {"count": 6, "failures": 2})
        found = sorted((p["number"], p["attempt"]) for p in outputs(job))
        assert found == [(n, 3) for n in range(6)]
        assert job.routine_states["it"]["retried"] == 12

    def test_an_attempt_ends_when_its_time_is_over(
        self, pool: Installation, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        """It counts as a TimeoutError; what cannot be cut off hears of it, and what it does then is
        not accepted.
        """
        log = tmp_path / "log"
        flow = single(Limited)
        flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.01))
        job = flow.execute("it", {"log": str(log)})
        assert outputs(job) == [{"attempt": 2}]
        assert kinds(job) == ["submitted", "retried", "completed"]
        (error,) = [
            e.details["error"] for e in job.get_execution_history("it") if e.kind == "retried"
        ]
        assert error["type"] == "TimeoutError"
        if "prefork" in request.node.name or "spawn" in request.node.name:
            first, second = notes(log)
            assert first != second
        else:
            eventually(lambda: "cancelled" in notes(log))
        # Celery hears of it on every pool.
        told = f"Limited[{job.job_id}-1] retry: Retry in "
        eventually(lambda: told in pool.fleet.workers[0].output())

    def test_an_attempt_gets_more_time(self, tmp_path: Path) -> None:
        """As often as its handler asks for it."""
        job = single(Limited).execute("it", {"log": str(tmp_path / "log"), "more": 0.9})
        assert outputs(job) == [{"attempt": 1}]

    def test_handlers_of_a_worker_run_side_by_side(
        self, pool: Installation, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        """Four slots of a worker run four handlers of one job at once; solo has only one."""
        width = 1 if "solo" in request.node.name else 4
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = fan_of(Slow).execute("fan", {"count": 8, "log": str(log), "gate": str(gate)})
        eventually(lambda: len(notes(log)) >= width)
        assert job.counts["running"] == width
        gate.touch()
        assert sorted(p["number"] for p in outputs(job)) == list(range(8))
        assert sorted(int(line.split(":")[2]) for line in notes(log)) == list(range(8))


def test_many_jobs_at_once_stay_apart(pool: Installation) -> None:
    """Slot data of one job is never seen by another, and each counts only its own work."""
    flow = squares(Collect)
    jobs = {count: flow.execute("fan", {"count": count}) for count in range(1, 16)}
    for count, job in jobs.items():
        (found,) = outputs(job)
        assert found["numbers"] == list(range(count))
        assert kinds(job).count("completed") == 1 + 2 * count
    assert pool.redis.zcard(pool.key("leases")) == 0
    assert pool.queued() == 0
