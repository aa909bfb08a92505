"""What becomes of a job when a handler, a record or the server is broken."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from flowforge import ErrorHandler, Flow, JobState, Routine
from flowforge.engine import engine as engine_module
from flowforge.engine.waiting import patience
from flowforge.engine.waiting import wait as wait_module
from flowforge.errors import (
    DefinitionError,
    InvalidValueError,
    JobFailedError,
    JobNotFoundError,
    LoginRefusedError,
    PayloadError,
    PayloadTooLargeError,
    StoreUnavailableError,
)
from flowforge.local.server import LocalServer
from tests.integration.flows import (
    Called,
    Careless,
    Demanding,
    Flaky,
    Forker,
    Held,
    Leaver,
    One,
    Slow,
    Stubborn,
    ThreadedEmitter,
    Watchful,
    countdown,
    fan_of,
    single,
    slow_then_echo,
)
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds, outputs
from tests.integration.notes import notes
from tests.support.eventually import eventually
from tests.support.fleet import Fleet


class Stranger(One):
    """No worker imports this module."""


@pytest.fixture(autouse=True)
def _worker_lives_on(prefork: Installation) -> Iterator[None]:
    """Whatever a test breaks, the worker is the same afterwards and runs the next job."""
    yield
    (worker,) = prefork.fleet.workers
    assert worker.alive
    assert outputs(countdown().execute("it", {"n": 2})) == [{"n": 0}]


def failed(job: JobState) -> dict[str, Any]:
    """The error of a job that has to fail."""
    assert job.wait(LIMIT).status == "failed"
    assert job.error is not None
    return job.error


def run_barrier() -> None:
    """Return when the workers have served what was queued before."""
    for _ in range(4):
        outputs(countdown().execute("it", {"n": 2}))


def raw_kinds(installation: Installation, job: JobState) -> list[str]:
    """The kinds of the history of a job whose definition cannot be read."""
    entries: Any = installation.redis.xrange(installation.key("history", job.job_id))
    return [fields[b"k"].decode() for _, fields in entries]


class TestStrategies:
    """Entry and slot handlers go by the same policy."""

    ENTRIES = pytest.mark.parametrize("by", ["entry", "slot"])

    @staticmethod
    def flow(by: str, handler: ErrorHandler | None) -> Flow:
        """A routine that fails, at the entry or behind one that does not."""
        flow = single(Flaky) if by == "entry" else fan_of(Flaky)
        flow.set_error_handler(handler)
        return flow

    @staticmethod
    def run(flow: Flow, by: str) -> JobState:
        params = {"failures": 1} if by == "entry" else {"count": 3, "failures": 1}
        job = flow.execute("it" if by == "entry" else "fan", params).wait(LIMIT)
        # Others of the fan's items may still run when one of them has failed the job.
        eventually(lambda: job.counts["running"] == 0)
        return job

    @ENTRIES
    def test_stop_is_the_default(self, by: str) -> None:
        """The job fails with the error, and nothing that the attempt emitted is seen."""
        job = self.run(self.flow(by, None), by)
        error = failed(job)
        assert error["type"] == "tests.integration.flows.FlakyError"
        assert error["routine_id"] == "it"
        assert "raise FlakyError" in error["traceback"]
        assert job.routine_states["it"]["status"] == "failed"
        assert job.outputs == []
        with pytest.raises(JobFailedError, match=r"it\.input: .*FlakyError: attempt 1 of"):
            job.result(1)

    @ENTRIES
    @pytest.mark.parametrize(
        ("strategy", "status"), [("continue", "error_continued"), ("skip", "skipped")]
    )
    def test_continue_and_skip_let_the_job_go_on(self, by: str, strategy: str, status: str) -> None:
        """The routine shows what happened, the job completes, the emissions are dropped."""
        job = self.run(self.flow(by, ErrorHandler(strategy)), by)
        assert job.status == "completed"
        state = job.routine_states["it"]
        assert (state["status"], state[status]) == (status, 1 if by == "entry" else 3)
        assert job.outputs == []
        assert job.error is None

    @ENTRIES
    def test_retry_runs_the_handler_again(self, by: str) -> None:
        """Only the attempt that succeeds is seen."""
        job = self.run(self.flow(by, ErrorHandler("retry", 2, retry_delay=0.01)), by)
        assert job.status == "completed"
        assert {output.params["attempt"] for output in job.outputs} == {2}

    def test_a_call_entry_fails_by_the_same_rules(self) -> None:
        """``__call__`` is a handler like any other."""
        assert failed(single(Called).execute("it"))["type"] == "ValueError"
        flow = single(Called)
        flow.set_error_handler(ErrorHandler("continue"))
        assert flow.execute("it").wait(LIMIT).status == "completed"

    def test_the_routines_own_policy_beats_the_flows(self) -> None:
        """The flow's policy is for routines that have none."""
        part = Flaky()
        part.set_as_optional()
        flow = single(part)
        flow.set_error_handler(ErrorHandler("stop"))
        assert flow.execute("it", {"failures": 1}).wait(LIMIT).status == "completed"


class TestRetry:
    """At most 1 + max_retries attempts, each after its delay."""

    def test_attempts_and_delays_can_be_read_from_the_history(self) -> None:
        """``retry_delay * retry_backoff**(n-1)`` passes before retry n, at least."""
        job = single(Stubborn).execute("it", {"failures": 3})
        assert outputs(job) == [{"attempt": 4}]
        entries = [e for e in job.get_execution_history("it") if e.kind != "submitted"]
        assert [e.kind for e in entries] == ["retried", "retried", "retried", "completed"]
        assert [e.details["attempt"] for e in entries] == [1, 2, 3, 4]
        pauses = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(entries)]
        for pause, delay in zip(pauses, (0.1, 0.2, 0.4), strict=True):
            assert pause >= delay - 0.002  # times are cut to milliseconds

    def test_an_exhausted_retry_fails_the_job(self, tmp_path: Path) -> None:
        """The error is that of the last attempt."""
        log = tmp_path / "log"
        flow = single(Flaky)
        flow.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.01))
        error = failed(flow.execute("it", {"failures": 99, "log": str(log)}))
        assert (error["attempt"], error["message"]) == (3, "attempt 3 of 0")
        assert notes(log) == ["0:1", "0:2", "0:3"]

    def test_what_is_not_retryable_fails_at_once(self) -> None:
        """An exception outside retryable_exceptions is not tried again."""
        job = single(Stubborn).execute("it", {"failures": 0, "wrong": True})
        assert failed(job)["type"] == "KeyError"
        assert kinds(job) == ["submitted", "failed"]

    def test_a_waiting_retry_holds_no_process(self, tmp_path: Path) -> None:
        """While ten invocations wait for their retry, both processes run something else."""
        log, gate = tmp_path / "log", tmp_path / "gate"
        flow = fan_of(Flaky)
        flow.set_error_handler(ErrorHandler("retry", 1, retry_delay=30))
        job = flow.execute("fan", {"count": 10, "failures": 1})
        eventually(lambda: job.counts["timers"] == 10)
        busy = fan_of(Slow).execute("fan", {"count": 2, "log": str(log), "gate": str(gate)})
        eventually(lambda: len(notes(log)) == 2, message="two handlers side by side")
        gate.touch()
        assert len(outputs(busy)) == 2
        job.cancel()


class TestMisuse:
    """An error of one invocation says what is wrong and where."""

    def test_a_missing_argument_names_the_connection(self) -> None:
        """The message tells which connection should have sent it."""
        flow = fan_of(Demanding)
        job = flow.execute("fan", {"count": 1, "order": 7})
        message = failed(job)["message"]
        assert "amount" in message
        assert "fan.output -> it.input" in message

    def test_a_missing_entry_argument_names_the_entry(self) -> None:
        """At the entry there is no connection: the entry params are named."""
        message = failed(single(Demanding).execute("it", {"order": 7}))["message"]
        assert "amount" in message
        assert "entry params" in message

    def test_a_value_that_cannot_travel_is_named_by_its_path(self) -> None:
        """The path leads through nested containers to the value."""
        error = failed(single(Careless).execute("it", {"what": "object"}))
        assert error["type"].endswith("PayloadError")
        assert "params['value']['rows'][1]['handle'] is a builtins.object" in error["message"]
        assert "it.emit('output')" in error["message"]

    def test_an_oversized_emission_says_what_to_do(self) -> None:
        """The size and the limit are named."""
        error = failed(single(Careless).execute("it", {"what": "large"}))
        assert error["type"].endswith("PayloadTooLargeError")
        assert re.search(r"take 2000\d+ bytes, the limit is 1048576; pass a reference", str(error))

    def test_an_undeclared_event_lists_the_declared_ones(self) -> None:
        """A typo in an event's name is found at once."""
        message = failed(single(Careless).execute("it", {"what": "undeclared"}))["message"]
        assert "'nowhere'" in message
        assert "output" in message

    def test_entry_params_are_checked_at_submit(self) -> None:
        """What cannot travel never becomes a job."""
        flow = single(One)
        with pytest.raises(PayloadError, match=r"params\['a'\]\[0\] is a builtins.object"):
            flow.execute("it", {"a": [object()]})
        with pytest.raises(PayloadTooLargeError, match="max_payload"):
            flow.execute("it", {"a": "x" * 2_000_000})
        with pytest.raises(DefinitionError, match="nobody"):
            flow.execute("nobody")

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"priority": 10}, "priority must be"),
            ({"max_in_flight": 0}, "max_in_flight must be"),
            ({"idempotency_key": ""}, "idempotency_key must be text, not empty"),
        ],
    )
    def test_options_are_checked_at_submit(self, options: dict[str, Any], expected: str) -> None:
        """An option out of range is an error that names it."""
        with pytest.raises(InvalidValueError, match=expected):
            single(One).execute("it", **options)

    def test_the_unfit_one_of_many_is_named(self) -> None:
        """A note tells how many jobs were submitted before it."""
        params: list[Any] = [{"n": n} for n in range(250)]
        params[237] = {"n": object()}
        with pytest.raises(PayloadError, match=r"entry_params\[237\] of 'it'") as caught:
            single(One).execute_many("it", params)
        assert caught.value.__notes__ == ["200 jobs had been submitted before"]

    def test_a_flow_controls_handles(self) -> None:
        """An id, where a handle is needed, is refused with what makes one of it."""
        flow = single(One)
        job: Any = flow.execute("it").job_id
        with pytest.raises(InvalidValueError, match=r"use JobState\.get"):
            flow.resume(job)

    def test_a_child_that_a_handler_forks_is_no_worker(self) -> None:
        """It leaves with its own status; the handler's outcome is the parent's, once."""
        job = single(Forker).execute("it", {"code": 3})
        (output,) = job.result(timeout=LIMIT)
        assert output.params["status"] == 3
        kinds = [entry.kind for entry in job.get_execution_history()]
        assert kinds == ["submitted", "completed"]

    def test_threads_of_a_handler_emit_all_they_emit(self) -> None:
        """None is lost, none comes twice, also when most of them are staged."""
        job = single(ThreadedEmitter).execute("it", {"count": 3000})
        numbers = [output.params["number"] for output in job.result(timeout=LIMIT)]
        assert sorted(numbers) == list(range(3000))

    @pytest.mark.parametrize(
        ("part", "params"), [(Leaver, {}), (Called, {"kind": "exit"})], ids=["slot", "call"]
    )
    def test_sys_exit_in_a_handler_is_an_error_of_the_handler(
        self, part: type[Routine], params: dict[str, Any]
    ) -> None:
        """The job fails as by any exception; the worker does not leave."""
        job = single(part).execute("it", params)
        assert failed(job)["type"] == "SystemExit"


class TestUnknownClass:
    """A worker that has not imported a class gives its work back."""

    def test_the_job_fails_after_three_deliveries_and_says_what_to_import(self) -> None:
        """The reason names class, module, queue and remedy."""
        job = single(Stranger).execute("it")
        failed(job)
        assert job.reason is not None
        for part in (
            "tests.integration.test_errors.Stranger",
            "'celery'",
            "add tests.integration.test_errors to FLOWFORGE_IMPORTS",
        ):
            assert part in job.reason
        assert kinds(job).count("given_back") == 3

    def test_an_unknown_class_without_a_definition_fails_the_job(
        self, prefork: Installation
    ) -> None:
        """Giving back what has no place to go to must not make the job wait for ever."""
        flow = Flow()
        flow.add_routine(Stranger, "it", queue="nobody")
        job = flow.execute("it")
        definition = prefork.redis.hget(prefork.key("job", job.job_id), "def").decode()
        prefork.redis.delete(prefork.key("definition", definition))
        prefork.hand_over("nobody")
        eventually(lambda: job.status == "failed")
        assert "definition" in str(job.error)

    def test_another_worker_that_knows_the_class_takes_it(
        self, prefork: Installation, tmp_path: Path
    ) -> None:
        """A fleet whose workers know different routines is normal, each on its queue."""
        flow = Flow()
        flow.add_routine(One, "known")
        flow.add_routine(Stranger, "stranger", queue="strangers")
        flow.connect("known", "output", "stranger", "input")
        job = flow.execute("known", {"value": 1})
        eventually(lambda: job.counts["queued"] == 1)
        imports = ["tests.integration.test_errors"]
        with Fleet(prefork.server.url, prefork.prefix, tmp_path, imports, **FAST) as fleet:
            worker = fleet.start(pool="solo", queues="strangers")
            assert outputs(job) == [{"value": 1}]
            fleet.kill(worker)


class TestBrokenRecords:
    """What cannot be read fails its own job, or waits, with the reason; nothing else suffers."""

    def parked_job(self, tmp_path: Path) -> JobState:
        """A paused job with one parked invocation, of ``echo``."""
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        job.pause()
        gate.touch()
        job.wait(LIMIT)
        return job

    def test_a_corrupt_invocation_fails_its_job(
        self, prefork: Installation, tmp_path: Path
    ) -> None:
        """The reason names the invocation that cannot be read."""
        job = self.parked_job(tmp_path)
        key = prefork.key("invocations", job.job_id)
        (invocation,) = prefork.redis.hkeys(key)
        prefork.redis.hset(key, invocation, b"\xc1 no record")
        job.resume()
        number = invocation.decode().partition(".")[0]
        assert failed(job)["type"] == "CorruptRecordError"
        assert failed(job)["invocation"] == int(number)
        assert f"invocation {job.job_id}-{number}" in str(job.reason)

    def test_a_record_of_a_newer_version_waits_for_a_newer_worker(
        self, prefork: Installation, tmp_path: Path
    ) -> None:
        """It is given back with the reason as often as it takes; the attempt does not count."""
        job = self.parked_job(tmp_path)
        key = prefork.key("invocations", job.job_id)
        ((invocation, record),) = prefork.redis.hgetall(key).items()
        prefork.redis.hset(key, invocation, record[:1] + b"\x63" + record[2:])
        job.resume()
        eventually(lambda: kinds(job).count("released") >= 1)
        entry = next(e for e in job.get_execution_history() if e.kind == "released")
        assert entry.details["error"]["type"] == "NewerRecordError"
        (worker,) = prefork.fleet.workers
        assert entry.details["worker"].startswith(f"{worker.name}@")
        assert "upgrade" in entry.details["error"]["message"]
        assert job.status == "running"
        prefork.redis.hset(key, invocation, record)
        assert outputs(job) == [{"number": 0, "attempt": 1}]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{no json", "CorruptRecordError: the definition is no JSON"),
            ('{"version": 1}', "CorruptRecordError"),
            (None, "definition"),
        ],
    )
    def test_a_broken_definition_fails_its_job(
        self, prefork: Installation, text: str | None, reason: str
    ) -> None:
        """Unreadable, incomplete or gone: the job fails and says so."""
        job = single(Held).execute("it", {"text": text})
        definition = prefork.redis.hget(prefork.key("job", job.job_id), "def").decode()
        if text is None:
            prefork.redis.delete(prefork.key("definition", definition))
        else:
            prefork.redis.hset(prefork.key("definition", definition), "json", text)
        prefork.hand_over("nobody")
        eventually(lambda: job.status == "failed")
        assert reason in str(job.reason)
        assert job.error is not None
        assert "definition" in job.error["message"]

    def test_a_definition_of_a_newer_version_waits(self, prefork: Installation) -> None:
        """A worker that is too old leaves the job to another."""
        job = single(Held).execute("it", {"newer": True})
        definition = prefork.redis.hget(prefork.key("job", job.job_id), "def").decode()
        key = prefork.key("definition", definition)
        text = prefork.redis.hget(key, "json").decode()
        prefork.redis.hset(key, "json", text.replace('"version":1', '"version":99'))
        prefork.hand_over("nobody")
        eventually(lambda: raw_kinds(prefork, job).count("released") >= 1)
        assert job.status == "running"
        prefork.redis.hset(key, "json", text)
        job.cancel()


class TestMissing:
    """Asking for what is not there, or asking a server that is not there."""

    def test_an_unknown_job_is_not_found(self) -> None:
        """``JobState.get`` raises instead of handing out an empty job."""
        with pytest.raises(JobNotFoundError, match="check the id, the server and the prefix"):
            JobState.get("no-such-job")

    def test_waiting_for_a_job_whose_keys_vanish_ends(
        self, prefork: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A waiter learns that the job is gone; it does not hang."""
        monkeypatch.setattr(wait_module, "LOOK_AGAIN", 0.1)
        job = single(Held).execute("it")
        vanishing = threading.Timer(0.3, lambda: prefork.redis.delete(key))
        key = prefork.key("job", job.job_id)
        vanishing.start()
        with pytest.raises(JobNotFoundError):
            job.wait(LIMIT)

    def test_a_handler_whose_job_vanishes_is_told(
        self, prefork: Installation, tmp_path: Path
    ) -> None:
        """It sees ``self.cancelled`` as after a cancel, and its commit creates nothing."""
        log = str(tmp_path / "log")
        job = single(Watchful).execute("it", {"log": log})
        eventually(lambda: notes(log))
        names = prefork.key("job", job.job_id) + "*"
        prefork.redis.delete(*prefork.redis.scan_iter(names))
        eventually(lambda: len(notes(log)) == 2, message="the handler's end")
        run_barrier()
        assert notes(log) == ["started", "cancelled"]
        assert list(prefork.redis.scan_iter(names)) == []

    def test_a_server_that_is_gone_is_reported_in_bounded_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """execute, get and wait raise StoreUnavailableError; none hangs or shows the password."""
        monkeypatch.setattr(engine_module, "PRODUCER_PATIENCE", 0.3)
        with LocalServer.start() as server, installed(server, tmp_path):
            job = single(One).execute("it")
            server.kill()
            began = time.monotonic()
            for call in (
                lambda: single(One).execute("it"),
                lambda: JobState.get(job.job_id),
                lambda: job.wait(0.5),
            ):
                with pytest.raises((StoreUnavailableError, TimeoutError)) as caught:
                    call()
                assert server.url.split("@")[0] not in str(caught.value)
            assert time.monotonic() - began < 15
            with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{server.port} does not"):
                single(One).execute("it")
            with pytest.raises(ConnectionError):
                single(One).execute("it")

    def test_waiting_outlives_an_outage_and_tells_of_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One warning when the outage lasts, one when it is over; then the job's end is seen."""
        monkeypatch.setattr(engine_module, "PRODUCER_PATIENCE", 0.3)
        monkeypatch.setattr(patience, "OUTAGE_TOLD", 0.5)
        with (
            LocalServer.start(str(tmp_path / "data")) as server,
            installed(server, tmp_path) as own,
            ThreadPoolExecutor(1) as pool,
        ):
            job = single(One).execute("it")
            waiting = pool.submit(job.wait, LIMIT)
            eventually(lambda: own.redis.pubsub_channels("*"), message="the subscription")
            server.stop()
            eventually(lambda: "does not answer" in caplog.text, message="the warning")
            server.restart()
            eventually(lambda: "answers again" in caplog.text, message="the end of the outage")
            job.cancel()
            assert waiting.result(LIMIT).status == "cancelled"
        assert caplog.text.count("does not answer") == 1

    def test_waiting_ends_when_the_login_is_refused(self, tmp_path: Path) -> None:
        """Trying again would not help."""
        with LocalServer.start() as server, installed(server, tmp_path) as own:
            job = single(One).execute("it")
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(job.wait, LIMIT)
                eventually(lambda: own.redis.pubsub_channels("*"), message="the subscription")
                own.redis.config_set("requirepass", "changed")
                other = redis.Redis(port=server.port, password="changed")
                other.client_kill_filter(_type="pubsub", skipme=True)
                with pytest.raises(LoginRefusedError, match="refused the login"):
                    waiting.result(LIMIT)
            other.close()
