"""A server that answers and refuses: producers are told which state it is in and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flowforge import ErrorHandler
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.errors import CommandRefusedError, WritesRefusedError
from flowforge.local.server import LocalServer
from flowforge.store.server.link import ServerLink
from flowforge.store.store import Store
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.runtime import Runtime
from tests.integration.flows import Fan, Flaky, Held, One, Slow, single
from tests.integration.installation import (
    FAST,
    LIMIT,
    Installation,
    installed,
    kinds,
    outlive_lease,
)
from tests.integration.notes import notes
from tests.support.eventually import eventually

_ONCE = Retry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def own_server() -> Iterator[LocalServer]:
    """A server that these tests may bring into any state."""
    with LocalServer.start() as running:
        yield running


@pytest.fixture
def here(
    own_server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    monkeypatch.setattr("flowforge.engine.engine.PRODUCER_PATIENCE", 0.3)
    with installed(own_server, tmp_path, **FAST) as found:
        yield found


@contextmanager
def settings(client: Any, **values: object) -> Iterator[None]:
    """Settings of the server, and what they were before."""
    names = [name.replace("_", "-") for name in values]
    before = {name: client.config_get(name)[name] for name in names}
    for name, value in zip(names, values.values(), strict=True):
        client.config_set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            client.config_set(name, value)


@contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    """More memory is used than the server may have."""
    with settings(client, maxmemory=1):
        yield


@contextmanager
def replica(client: redis.Redis) -> Iterator[None]:
    """A replica of a server that is not there."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def failed_save(client: redis.Redis) -> Iterator[None]:
    """The server could not write its snapshot, and has its stock settings for that."""
    folder: Any = client.config_get("dir")
    with settings(client, save="3600 1"):
        # A folder of the file's name: the save fails when it renames what it has written.
        (Path(folder["dir"]) / "dump.rdb" / "x").mkdir(parents=True)
        client.set("changed", 1)
        client.bgsave()

        def has_failed() -> bool:
            about: Any = client.info("persistence")
            return bool(about["rdb_last_bgsave_status"] == "err")

        eventually(has_failed, message="a save that failed")
        yield


@contextmanager
def clients(client: redis.Redis) -> Iterator[None]:
    """No connection is left but this one."""
    with settings(client, maxclients=1):
        yield


STATES: dict[str, Callable[[redis.Redis], Any]] = {
    "is full": full,
    "is a replica": replica,
    "cannot write to its disk": failed_save,
    "has fewer replicas": lambda client: settings(client, min_replicas_to_write=1),
    "has as many clients": clients,
}


@pytest.mark.parametrize("state", STATES)
def test_a_producer_is_told_the_state_of_a_server_that_refuses(
    here: Installation, state: str
) -> None:
    """Nothing was submitted then, and the same call works as soon as the server serves again."""
    job = single(One).execute("it")
    link = here.engine.store.link
    assert isinstance(link, ServerLink)
    link.close()
    with STATES[state](here.redis):
        with pytest.raises(WritesRefusedError, match=rf"127.0.0.1:\d+ {state}.*; ") as caught:
            single(One).execute("it")
        assert "check that it runs" not in str(caught.value)
    assert here.engine.overview.counts()["pending"] == 1
    single(One).execute("it")
    assert here.engine.overview.counts()["pending"] == 2
    job.cancel()


def test_a_busy_server_is_waited_for(
    here: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits for a job is told what the server is at, and sees the job's end all the same."""
    monkeypatch.setattr("flowforge.engine.waiting.patience.OUTAGE_TOLD", 0.5)
    job = single(One).execute("it")
    with (
        settings(here.redis, busy_reply_threshold=10),
        # Sent again after a timeout, the script would go on when it has been killed.
        redis.Redis.from_url(here.server.url, socket_timeout=None, retry=_ONCE) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        endless = pool.submit(other.eval, "while true do end", 0)
        waiting = pool.submit(job.wait, LIMIT)
        try:
            eventually(lambda: "is busy with a long script" in caplog.text)
        finally:
            here.redis.script_kill()
        with pytest.raises(redis.ResponseError):
            endless.result(LIMIT)
        job.cancel()
        assert waiting.result(LIMIT).status == "cancelled"


@pytest.mark.attack(what="A server that is full for longer than a lease")
def test_a_full_server_loses_no_handler_and_stops_no_upkeep(
    here: Installation, tmp_path: Path
) -> None:
    """Leases are renewed, timers are released and jobs are controlled, as long as it is full."""
    here.fleet.start(pool="threads", concurrency=2)
    gate, log = tmp_path / "gate", str(tmp_path / "log")
    slow = single(Slow).execute("it", {"log": log, "gate": str(gate)})
    again = single(Flaky)
    again.set_error_handler(ErrorHandler("retry", retry_delay=1.0, max_retries=1))
    waiting = [single(Held).execute("it") for _ in range(2)]
    waiting[1].pause()
    retried = again.execute("it", {"failures": 1})
    eventually(lambda: retried.counts["timers"] and notes(log))
    with full(here.redis):
        waiting[0].pause()
        waiting[1].resume()
        waiting[1].cancel()
        assert retried.wait(LIMIT).status == "completed"
        outlive_lease(here, slow)
        with pytest.raises(WritesRefusedError):
            single(One).execute("it")
        gate.touch()
        assert slow.wait(LIMIT).status == "completed"
    assert [job.status for job in waiting] == ["paused", "cancelled"]
    assert kinds(slow) == ["submitted", "completed"]


@pytest.mark.parametrize("connected", [True, False])
def test_a_handler_that_emits_much_waits_for_a_full_server(
    here: Installation, connected: bool
) -> None:
    """However long it is full: the attempt is put back, and the error handler is not asked."""
    flow = single(Fan)
    if connected:
        flow.add_routine(One, "next")
        flow.connect("it", "output", "next", "input")
    job = flow.execute("it", {"count": 500})
    with impatient_runtime(here) as runtime:
        with full(here.redis):
            runtime.invoke(job.job_id, "1.0.0")
        assert (job.status, kinds(job)) == ("running", ["submitted", "released"])
        eventually(lambda: here.engine.store.upkeep.release_due(10))
        runtime.invoke(job.job_id, "1.0.0")
    assert kinds(job) == ["submitted", "released", "completed"]
    job.cancel()


@contextmanager
def impatient_runtime(here: Installation) -> Iterator[Runtime]:
    """What a worker runs invocations with, without its minute of patience."""
    link = ServerLink(here.engine.client, patience=0.0)
    store = Store(link, here.prefix)
    yield Runtime(
        store, here.engine.settings, "w1", HandlerJobs(here.engine), lambda queue: (),
        ReadersWriterLock(0.0), store,
    )  # fmt: skip
    link.close()


def test_leases_that_nobody_could_renew_are_not_lost(here: Installation, tmp_path: Path) -> None:
    """A server that takes no writes at all for longer than a lease: the handlers go on."""
    worker = here.fleet.start(pool="threads", concurrency=2)
    gate, log = tmp_path / "gate", str(tmp_path / "log")
    slow = single(Slow).execute("it", {"log": log, "gate": str(gate)})
    eventually(lambda: notes(log))
    with settings(here.redis, min_replicas_to_write=1):

        def run_out() -> bool:
            ((_, at),) = here.redis.zrange(here.key("leases"), 0, -1, withscores=True)
            seconds, micros = here.redis.time()
            return bool(at < seconds * 1000 + micros // 1000)

        eventually(run_out, message="a lease that ran out")
    outlive_lease(here, slow)
    gate.touch()
    assert slow.wait(LIMIT).status == "completed"
    assert kinds(slow) == ["submitted", "completed"]
    assert worker.alive


def test_a_user_without_rights_is_told_so(here: Installation) -> None:
    """Trying again would not help, and redis-py's exceptions are nobody's business."""
    here.redis.execute_command("ACL", "SETUSER", "default", "-evalsha", "-eval")
    try:
        with pytest.raises(CommandRefusedError, match=r"does not let this user .*rights"):
            single(One).execute("it")
    finally:
        here.redis.execute_command("ACL", "SETUSER", "default", "+evalsha", "+eval")
