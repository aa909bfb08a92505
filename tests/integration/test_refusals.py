"""A server that answers and refuses: producers are told which state it is in and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from flowforge.errors import CommandRefusedError, WritesRefusedError
from flowforge.server import LocalServer
from tests.integration.flows import One, single
from tests.integration.installation import LIMIT, Installation, installed
from tests.support.eventually import eventually


@pytest.fixture(scope="module")
def own_server() -> Iterator[LocalServer]:
    """A server that these tests may bring into any state."""
    with LocalServer.start() as running:
        yield running


@pytest.fixture
def here(
    own_server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    monkeypatch.setattr("flowforge.engine.PRODUCER_PATIENCE", 0.3)
    with installed(own_server, tmp_path) as found:
        yield found


@contextmanager
def settings(client: redis.Redis, **values: object) -> Iterator[None]:
    """Settings of the server, and what they were before."""
    names = [name.replace("_", "-") for name in values]
    before = {name: client.config_get(name)[name] for name in names}
    for name, value in zip(names, values.values(), strict=True):
        client.config_set(name, value)  # type: ignore[arg-type]
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
    here.engine.store.link.close()
    with STATES[state](here.redis):
        with pytest.raises(WritesRefusedError, match=rf"127.0.0.1:\d+ {state}.*; ") as caught:
            single(One).execute("it")
        assert "check that it runs" not in str(caught.value)
    assert here.engine.reader.counts()["pending"] == 1
    single(One).execute("it")
    assert here.engine.reader.counts()["pending"] == 2
    job.cancel()


def test_a_busy_server_is_waited_for(
    here: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits for a job is told what the server is at, and sees the job's end all the same."""
    monkeypatch.setattr("flowforge.engine.OUTAGE_TOLD", 0.5)
    job = single(One).execute("it")
    with (
        settings(here.redis, busy_reply_threshold=10),
        redis.Redis.from_url(here.server.url) as other,
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


def test_a_user_without_rights_is_told_so(here: Installation) -> None:
    """Trying again would not help, and redis-py's exceptions are nobody's business."""
    here.redis.execute_command("ACL", "SETUSER", "default", "-evalsha", "-eval")
    try:
        with pytest.raises(CommandRefusedError, match=r"does not let this user .*rights"):
            single(One).execute("it")
    finally:
        here.redis.execute_command("ACL", "SETUSER", "default", "+evalsha", "+eval")
