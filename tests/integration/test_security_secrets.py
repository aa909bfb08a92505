"""Secrets stay out of history, logs, errors and dead letters, whatever handlers do with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from flowforge import ErrorStrategy, Flow, JobState
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.integration import vault
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.integration.vault import (
    NESTED,
    PLAIN,
    SECRETS,
    TRACES,
    Agreeing,
    Collector,
    Joined,
    Keyed,
)
from tests.support.eventually import eventually

#: Keys of a job in which its params have to be: outstanding invocations, and what merges and joins
#: hold. A failed job keeps them for its retry.
PAYLOADS = ("i", "m", "c", "b", "g")


@pytest.fixture(scope="module")
def talkative(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A worker that logs everything it can."""
    directory: Path = tmp_path_factory.mktemp("vault")
    with installed(server, directory, (vault.__name__,), **FAST) as installation:
        installation.fleet.start(options=("-l", "DEBUG"))
        yield installation


def stored(client: redis.Redis, key: bytes) -> str:
    """Everything in one key, as text."""
    readers = {
        b"string": lambda: client.get(key),
        b"hash": lambda: client.hgetall(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"stream": lambda: client.xrange(key),
    }
    kind: bytes = client.type(key)  # type: ignore[assignment]
    return str(readers[kind]()) if kind in readers else ""


def leaks(installation: Installation, completed: JobState | None = None) -> list[str]:
    """Where a trace of a secret is found: keys, and logs of workers.

    Params of outstanding work have to be in the store; a completed job has none.
    """
    client = installation.redis
    found = []
    for key in client.scan_iter(match=f"{installation.prefix}:*"):
        _, kind, *rest = key.decode().split(":")
        payload = (kind == "j" and rest[1:] and rest[1] in PAYLOADS) or kind == "g"
        if payload and (completed is None or completed.job_id not in key.decode()):
            continue
        text = stored(client, key)
        found += [f"{key.decode()}: {trace}" for trace in TRACES if trace in text]
    for worker in installation.fleet.workers:
        log = worker.output()
        found += [f"the log of {worker.name}: {trace}" for trace in TRACES if trace in log]
    return found


def shown(job: JobState) -> str:
    """Everything that a producer can read of a job."""
    history = [str(vars(entry)) for entry in job.get_execution_history()]
    groups = [str(vars(group)) for group in JobState.error_groups()]
    return f"{job.error} {job.reason} {job.serialize()} {job.routine_states} {history} {groups}"


def run(flow: Flow, entry: str, **params: object) -> JobState:
    return flow.execute(entry, params).wait(LIMIT)


@pytest.mark.attack(what="A search for the secret params of a completed job in every key and log")
def test_a_completed_job_leaves_no_trace(talkative: Installation) -> None:
    """They are nowhere: the commit deletes the params of its invocation."""
    job = run(vault.kept(), "keeper", **SECRETS)
    assert job.status == "completed"
    assert leaks(talkative, completed=job) == []
    assert "***" in shown(job)
    assert not [trace for trace in TRACES if trace in shown(job)]


@pytest.mark.attack(what="Handlers that put secret params into their errors")
@pytest.mark.parametrize("strategy", list(ErrorStrategy))
def test_errors_tell_no_secret(talkative: Installation, strategy: ErrorStrategy) -> None:
    """Messages, causes and tracebacks are searched for the values and all inside them."""
    job = run(vault.told(strategy), "blabber", **SECRETS)
    assert job.status == ("failed" if strategy.value in ("stop", "retry") else "completed")
    assert "***" in shown(job)
    assert leaks(talkative, job if job.status == "completed" else None) == []
    assert not [trace for trace in TRACES if trace in shown(job)]


@pytest.mark.attack(what="Secrets that were merged or joined, in errors")
@pytest.mark.parametrize(("routine", "slot"), [(Collector(), "input"), (Joined(), "items")])
def test_secrets_that_were_collected_are_secrets(
    talkative: Installation, routine: Collector | Joined, slot: str
) -> None:
    """A value that was secret in a delivery is masked after merging and joining too."""
    job = run(vault.sent_to(routine, slot), "sender", password=PLAIN)
    assert job.status == "failed"
    assert job.error is not None
    assert "complain" in job.error["traceback"]
    assert leaks(talkative) == []
    assert PLAIN not in shown(job)


@pytest.mark.parametrize(
    "flow", [vault.sent_to(Agreeing(), "input"), vault.asked()], ids=["merge", "slot data"]
)
def test_secrets_of_other_deliveries_are_secrets(talkative: Installation, flow: Flow) -> None:
    """What a merge function or a handler is shown of them is blanked out as well."""
    job = run(flow, "sender", password=PLAIN, second=NESTED)
    assert job.status == "failed"
    assert job.error is not None
    assert "***" in job.error["message"]
    assert leaks(talkative) == []
    assert not [trace for trace in TRACES if trace in shown(job)]


def test_a_key_of_a_join_may_be_secret(talkative: Installation) -> None:
    """Items are collected by its value, which is told nowhere, nor is it a name in the store."""
    job = run(vault.sent_to(Keyed(), "input"), "sender", password=PLAIN, second=PLAIN)
    assert job.status == "failed"
    assert job.error is not None
    assert "receiver.input for '***' had 2 items" in job.error["message"]
    assert [(join.key, join.items) for join in job.open_joins] == [("***", 2)]
    assert leaks(talkative) == []
    assert not [trace for trace in TRACES if trace in shown(job)]


def test_a_message_carries_no_params(own: Installation) -> None:
    """What lies in the broker, and may become a dead letter, names an invocation by its ids."""
    job = vault.kept().execute("keeper", SECRETS)
    (message,) = own.redis.lrange(own.broker_list(), 0, -1)
    assert not [trace for trace in TRACES if trace.encode() in message]
    own.redis.lset(own.broker_list(), 0, message[:-1])
    own.fleet.start(pool="solo")
    letters = DeadLetters(own.engine.store)
    eventually(letters.count, message="a dead letter")
    assert job.job_id.encode() in letters.newest(1)[0].item
    assert leaks(own) == []
