"""Work that a dead worker, a dead server or a lost message leaves behind is done all the same."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from flowforge import ErrorHandler, JobState
from flowforge.errors import JobFailedError
from flowforge.local.server import LocalServer
from tests.chaos.harness import soft_shutdown
from tests.integration.cli_shell import Shell
from tests.integration.flows import (
    Busy,
    Flaky,
    Held,
    One,
    Poison,
    Slow,
    SlowBuild,
    countdown,
    fan_of,
    single,
    slow_then_echo,
    squares,
)
from tests.integration.installation import (
    FAST,
    FLOWS,
    LIMIT,
    Installation,
    installed,
    kinds,
    outlive_lease,
    outputs,
)
from tests.integration.notes import counted, notes
from tests.support.eventually import eventually
from tests.support.fleet import Worker


def keeper(own: Installation) -> Worker:
    """A worker that serves no queue in use: it only does the upkeep, whoever else dies."""
    worker = own.fleet.start(pool="solo", concurrency=1, queues="idle")
    own.lead()
    return worker


def committed_once(job: JobState) -> bool:
    """Whether every invocation of the job completed exactly once."""
    done = [e.invocation for e in job.get_execution_history() if e.kind == "completed"]
    return len(done) == len(set(done))


class TestDeadWorkers:
    """A lease that nobody renews is taken back."""

    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_a_routine_that_is_built_slowly_is_not_lost(
        self, server: LocalServer, tmp_path: Path, pool: str
    ) -> None:
        """The lease is renewed from the claim on, also while ``__init__`` runs."""
        gate = tmp_path / "gate"
        with installed(server, tmp_path, **FAST) as own:
            own.fleet.start(pool=pool, env={"SLOW_BUILD": str(gate)})
            job = single(SlowBuild).execute("it")
            eventually(lambda: notes(f"{gate}.log"))
            outlive_lease(own, job)
            gate.touch()
            assert outputs(job) == [{}]
            assert kinds(job) == ["submitted", "completed"]
            assert own.redis.zcard(own.key("leases")) == 0

    def test_a_killed_workers_invocation_runs_again_elsewhere(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """The lost attempt does not count as one; history and log name it with its worker."""
        upkeep = keeper(own)
        victim = own.fleet.start(pool="prefork")
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        workers = own.key("workers")
        (host,) = eventually(
            lambda: [w.decode() for w in own.redis.hkeys(workers) if victim.name.encode() in w]
        )
        own.fleet.kill(victim)
        gate.touch()
        own.fleet.start(pool="threads")
        assert outputs(job) == [{"number": 0, "attempt": 1}]
        (lost,) = (entry for entry in job.get_execution_history() if entry.kind == "lost")
        assert lost.details == {"worker": host}
        told = f"(slow.input) from worker {host}, which was lost"
        assert f"reclaimed invocation {job.job_id}-1 {told}" in upkeep.output()
        assert [line.split(":")[1:] for line in notes(log)] == [["1", "0"], ["1", "0"]]
        assert kinds(job) == ["submitted", "lost", "completed", "completed"]

    def test_a_handler_may_run_longer_than_its_lease(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """The heartbeat renews the lease, so an idle worker beside never gets the invocation."""
        own.fleet.start(pool="prefork")
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))

        def expiry() -> float:
            ((_, milliseconds),) = own.redis.zrange(own.key("leases"), 0, -1, withscores=True)
            return float(milliseconds)

        first = expiry()
        eventually(lambda: expiry() > first + 2 * FAST["lease"] * 1000, message="renewals")
        gate.touch()
        assert len(outputs(job)) == 1
        assert len(notes(log)) == 1

    def test_the_upkeep_survives_the_death_of_its_leader(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """Another worker takes the lead when the old one's has run out."""
        leader = own.fleet.start(pool="threads")
        own.lead()
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        gate.touch()
        own.fleet.kill(leader)
        own.fleet.start(pool="threads")
        assert len(outputs(job)) == 1

    def test_a_worker_that_was_stopped_for_too_long_cannot_commit(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """A process that wakes up after its lease was given away changes nothing."""
        keeper(own)
        zombie = own.fleet.start(pool="solo")
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        os.kill(zombie.pid, signal.SIGSTOP)
        own.fleet.start(pool="solo")
        eventually(lambda: len(notes(log)) == 2, message="the second delivery")
        # Paused, the job has not ended when the zombie wakes: only the lease can refuse it.
        job.pause()
        gate.touch()
        assert job.wait(LIMIT).status == "paused"
        before = kinds(job)
        os.kill(zombie.pid, signal.SIGCONT)
        # By its commit, or when it has learned of its loss before that.
        refused = re.compile(
            rf"invocation {job.job_id}-1.* (is not accepted|need not be given back)"
        )
        eventually(lambda: len(refused.findall(zombie.output())) == 1, message=zombie.tail)
        assert kinds(job) == before
        job.resume()
        assert len(outputs(job)) == 1
        assert committed_once(job)

    def test_a_retry_timer_survives_the_death_of_the_worker(
        self, timed: Installation, tmp_path: Path
    ) -> None:
        """The delay is kept in Redis, not in the worker that failed."""
        keeper(timed)
        victim = timed.fleet.start(pool="prefork")
        log = tmp_path / "log"
        flow = single(Flaky)
        flow.set_error_handler(ErrorHandler("retry", 1, retry_delay=3600))
        job = flow.execute("it", {"failures": 1, "log": str(log)})
        eventually(lambda: job.counts["timers"] == 1)
        timed.fleet.kill(victim)
        timed.fleet.start(pool="solo")
        timed.clock.advance(minutes=59)
        timed.clock.run_until_quiet()
        assert notes(log) == ["0:1"]
        timed.clock.advance(minutes=1)
        assert outputs(job) == [{"attempt": 2, "number": 0}]
        assert notes(log) == ["0:1", "0:2"]

    def test_what_keeps_killing_workers_is_quarantined(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """After three lost processes the job fails and says so; other jobs never wait for it."""
        worker = own.fleet.start(pool="prefork")
        antidote = tmp_path / "antidote"
        job = single(Poison).execute("it", {"antidote": str(antidote)})
        others = 0
        while job.status not in ("failed", "completed"):
            assert outputs(countdown().execute("it", {"n": 5})) == [{"n": 0}]
            others += 1
        assert job.status == "failed"
        assert others > 3
        assert job.error is not None
        assert job.error["type"] == "Quarantined"
        assert "routine 'it' was quarantined: 3 workers were lost" in job.error["message"]
        with pytest.raises(JobFailedError, match=r"'it' was quarantined: 3 workers .* then retry"):
            job.result(LIMIT)
        assert kinds(job).count("lost") == 3
        assert worker.alive
        row = re.search(r"^it .*", Shell(own).run("show", job.job_id).stdout, re.MULTILINE)
        assert row is not None
        # Its status, ended, attempts, running, retried, failed, lost.
        assert row[0].split()[1:8] == ["failed", "0", "3", "0", "0", "1", "3"]
        assert job.progress().routines[0].failed == 1
        antidote.touch()
        job.retry()
        assert job.wait(LIMIT).status == "completed"


class TestLostMessages:
    """A message is a hint: what is lost or comes twice changes nothing."""

    def test_a_message_that_was_popped_and_never_claimed_is_pushed_again(
        self, own: Installation
    ) -> None:
        """This is what a worker leaves that dies between BRPOP and claim."""
        keeper(own)
        jobs = [single(Held).execute("it", {"number": n}) for n in range(3)]
        assert own.redis.rpop(own.broker_list("nobody")) is not None
        own.redis.delete(own.broker_list("nobody"))
        eventually(lambda: own.queued("nobody") == 3, message="the messages again")
        own.fleet.start(pool="solo", queues="nobody")
        assert [outputs(job) for job in jobs] == [[{"number": n}] for n in range(3)]

    def test_a_lost_message_of_a_job_without_definition_fails_the_job(
        self, own: Installation
    ) -> None:
        """What cannot be pushed again is an error of the job; no waiter hangs on it."""
        keeper(own)
        job = single(Held).execute("it")
        definition = own.redis.hget(own.key("job", job.job_id), "def").decode()
        own.redis.delete(own.key("definition", definition), own.broker_list("nobody"))
        eventually(lambda: job.status == "failed")
        assert "definition" in str(job.error)

    def test_a_stopped_worker_does_not_keep_what_it_popped(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """Messages that a worker prefetched behind a long handler are given to another."""
        keeper(own)
        busy = own.fleet.start(pool="solo", concurrency=1)
        log, gate = tmp_path / "log", tmp_path / "gate"
        first = single(Slow).execute("it", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        jobs = [countdown().execute("it", {"n": 1}) for _ in range(4)]
        os.kill(busy.pid, signal.SIGSTOP)
        # Room for the long handler too, which is taken over when its lease has expired.
        own.fleet.start(pool="threads", concurrency=2)
        assert [outputs(job) for job in jobs] == [[{"n": 0}]] * 4
        gate.touch()
        os.kill(busy.pid, signal.SIGCONT)
        assert first.wait(LIMIT).status == "completed"

    def test_five_copies_of_every_message_commit_once(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """Copies, in any order, before and after the original, run nothing twice."""
        log, gate = tmp_path / "log", tmp_path / "gate"
        gate.touch()
        params = {"log": str(log), "gate": str(gate)}
        fans = [fan_of(Slow).execute("fan", {"count": 10, **params}) for _ in range(10)]
        jobs = [single(Slow).execute("it", {"number": n, **params}) for n in range(10, 40)]
        stop = threading.Event()
        copier = threading.Thread(target=_multiply, args=(own, stop))
        copier.start()
        try:
            eventually(lambda: own.queued() == 40 * 5, message="five of each")
            own.fleet.start(pool="prefork")
            for job in fans:
                assert sorted(p["number"] for p in outputs(job)) == list(range(10))
            assert [outputs(job)[0]["number"] for job in jobs] == list(range(10, 40))
        finally:
            stop.set()
            copier.join()
        eventually(lambda: own.queued() == 0)
        assert counted_starts(log) == {n: 10 if n < 10 else 1 for n in range(40)}
        for job in (*fans, *jobs):
            assert committed_once(job)
            assert not any(job.counts.values())


def _multiply(own: Installation, stop: threading.Event) -> None:
    """Push four copies of every message seen in the broker list, shuffled among the others."""
    order = random.Random(7)
    seen: set[bytes] = set()
    while not stop.wait(0.001):
        items: Any = own.redis.lrange(own.broker_list(), 0, -1)
        copies = [item for item in items if item not in seen] * 4
        seen.update(copies)
        order.shuffle(copies)
        for copy in copies:
            push = own.redis.lpush if order.random() < 0.5 else own.redis.rpush
            push(own.broker_list(), copy)


def counted_starts(log: Path) -> dict[int, int]:
    """How often Slow started for each number."""
    starts = [int(line.split(":")[2]) for line in notes(log)]
    return {number: starts.count(number) for number in sorted(set(starts))}


class TestServer:
    """The server may go and come back; workers and producers go on."""

    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_workers_outlive_a_killed_server(self, tmp_path: Path, pool: str) -> None:
        """With every write synced, nothing is lost and nothing has to be restarted by hand."""
        with (
            LocalServer.start(str(tmp_path / "data"), config={"appendfsync": "always"}) as server,
            installed(server, tmp_path, **FAST) as own,
        ):
            worker = own.fleet.start(pool=pool)
            log, gate = tmp_path / "log", tmp_path / "gate"
            held = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
            loads = [countdown().execute("it", {"n": 300}) for _ in range(3)]
            wide = squares(None).execute("fan", {"count": 200, "log": str(tmp_path / "wide")})
            eventually(lambda: notes(log))
            eventually(lambda: all(job.status == "running" for job in loads))
            server.kill()
            server.restart()
            gate.touch()
            assert len(outputs(held)) == 1
            assert [outputs(job) for job in loads] == [[{"n": 0}]] * 3
            assert sorted(p["number"] for p in outputs(wide)) == list(range(200))
            assert all(committed_once(job) for job in (held, *loads, wide))
            assert worker.alive
            # Nothing of the outage is left over: new work runs at once.
            assert outputs(countdown().execute("it", {"n": 2})) == [{"n": 0}]

    def test_scripts_that_the_server_forgot_are_sent_again(
        self, own: Installation, tmp_path: Path
    ) -> None:
        """SCRIPT FLUSH at any moment is not noticed."""
        own.fleet.start(pool="threads")
        log = tmp_path / "log"
        jobs = [squares(None).execute("fan", {"count": 150, "log": str(log)}) for _ in range(2)]
        flushes = 0
        while any(job.status not in ("completed", "failed") for job in jobs):
            own.redis.script_flush()
            flushes += 1
        assert flushes > 10
        for job in jobs:
            assert sorted(p["number"] for p in outputs(job)) == list(range(150))
        assert counted(log) == {str(n): 2 for n in range(150)}


class TestShutdown:
    """SIGTERM is how a deploy ends a worker: nothing waits for a lease to expire."""

    @pytest.mark.parametrize("pool", ["prefork", "threads"])
    def test_prefetched_messages_are_given_back_at_once(
        self, own_slow: Installation, tmp_path: Path, pool: str
    ) -> None:
        """When the worker has ended, all that it had not started is in the list again."""
        own = own_slow
        worker = own.fleet.start(pool=pool, concurrency=1)
        log, gate = tmp_path / "log", tmp_path / "gate"
        flow = single(Slow)
        params = [{"log": str(log), "gate": str(gate), "number": n} for n in range(6)]
        jobs = [flow.execute("it", one) for one in params]
        eventually(lambda: notes(log) and own.queued() < 5, message="a prefetched message")
        own.fleet.terminate(worker)
        eventually(lambda: "Warm shutdown" in worker.output())
        gate.touch()
        own.fleet.wait_until_ended(worker)
        finished = [job for job in jobs if job.status == "completed"]
        assert finished
        assert own.queued() == len(jobs) - len(finished)
        assert not own.redis.exists(own.key("leases"))
        own.fleet.start(pool=pool)
        assert sorted(outputs(job)[0]["number"] for job in jobs) == list(range(6))
        assert counted_starts(log) == dict.fromkeys(range(6), 1)

    def test_a_rolling_restart_loses_no_work(self, own_slow: Installation, tmp_path: Path) -> None:
        """Workers that are replaced one by one finish a job that spans all of them."""
        own, log = own_slow, tmp_path / "log"
        first = own.fleet.start(pool="threads")
        job = fan_of(One).execute("fan", {"count": 2})
        wide = squares(None).execute("fan", {"count": 200, "log": str(log), "pause": 0.005})
        eventually(lambda: len(notes(log)) > 10)
        second = own.fleet.start(pool="gevent")
        own.fleet.terminate(first)
        own.fleet.wait_until_ended(first)
        third = own.fleet.start(pool="solo")
        own.fleet.terminate(second)
        own.fleet.wait_until_ended(second)
        assert sorted(p["number"] for p in outputs(wide)) == list(range(200))
        assert counted(log) == {str(n): 1 for n in range(200)}
        assert "lost" not in kinds(wide)
        assert job.status == "completed"
        assert third.alive

    @pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
    def test_a_soft_shutdown_lets_handlers_finish(
        self, server: LocalServer, tmp_path: Path, pool: str
    ) -> None:
        """Whatever the signal interrupts: nothing is cut off that ends before the time is over."""
        with installed(server, tmp_path, (FLOWS, soft_shutdown.MODULE), lease=300) as own:
            worker = own.fleet.start(pool=pool, concurrency=2)
            log, gate = tmp_path / "log", tmp_path / "gate"
            job = single(Busy).execute("it", {"log": str(log), "gate": str(gate)})
            eventually(lambda: notes(log))
            os.kill(worker.pid, signal.SIGQUIT)
            if pool == "solo":
                eventually(lambda: "ends when its task" in worker.output())
            gate.touch()
            assert len(outputs(job)) == 1
            own.fleet.wait_until_ended(worker)
            assert notes(log) == ["started"]
            assert not own.redis.exists(own.key("leases"))

    def test_the_command_line_sets_the_time_of_a_soft_shutdown(
        self, server: LocalServer, tmp_path: Path
    ) -> None:
        """As the page on workers says: what Celery has no option for is given after ``--``."""
        with installed(server, tmp_path, lease=300) as own:
            setting = ("--", "worker.soft_shutdown_timeout=2")
            worker = own.fleet.start(concurrency=1, options=setting)
            log, gate = tmp_path / "log", tmp_path / "gate"
            job = single(Slow).execute("it", {"log": str(log), "gate": str(gate)})
            eventually(lambda: notes(log))
            os.kill(worker.pid, signal.SIGQUIT)
            eventually(lambda: "Soft Shutdown, terminating in 2" in worker.output())
            gate.touch()
            assert len(outputs(job)) == 1
            own.fleet.wait_until_ended(worker)

    @pytest.mark.parametrize(
        ("pool", "sent", "cut_off"),
        [
            ("prefork", signal.SIGQUIT, True),
            ("prefork", signal.SIGINT, True),
            ("gevent", signal.SIGINT, True),
            ("threads", signal.SIGQUIT, False),
            ("solo", signal.SIGQUIT, True),
            ("solo", signal.SIGINT, False),
        ],
    )
    def test_a_worker_that_is_told_twice_does_not_fail_the_job(
        self, own: Installation, tmp_path: Path, pool: str, sent: signal.Signals, cut_off: bool
    ) -> None:
        """What the pool can cut off runs again elsewhere; what it cannot is waited for."""
        worker = own.fleet.start(pool=pool, concurrency=2)
        log, gate = tmp_path / "log", tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(log), "gate": str(gate)})
        eventually(lambda: notes(log))
        os.kill(worker.pid, sent)
        eventually(lambda: "Hitting" in worker.output() or "ends when" in worker.output())
        os.kill(worker.pid, sent)
        if cut_off:
            own.fleet.wait_until_ended(worker)
        own.fleet.start(pool="threads")
        gate.touch()
        assert len(outputs(job)) == 1
        own.fleet.wait_until_ended(worker)
        assert set(kinds(job)) <= {"submitted", "lost", "completed"}

    @pytest.mark.parametrize(
        ("pool", "sent"),
        [
            ("prefork", signal.SIGTERM),
            ("prefork", signal.SIGQUIT),
            ("gevent", signal.SIGQUIT),
            ("solo", signal.SIGTERM),
        ],
    )
    def test_a_worker_ends_while_its_server_is_away(
        self, tmp_path: Path, pool: str, sent: signal.Signals
    ) -> None:
        """It has nothing to say that the server would not find out."""
        with LocalServer.start() as server, installed(server, tmp_path, **FAST) as own:
            worker = own.fleet.start(pool=pool)
            server.kill()
            eventually(lambda: "onnection" in worker.output().partition("ready.")[2])
            os.kill(worker.pid, sent)
            own.fleet.wait_until_ended(worker)
