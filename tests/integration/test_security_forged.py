"""Messages that somebody wrote who can push to a queue's list, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowforge import Flow
from flowforge.model.definition import Definition
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.integration.flows import countdown, single
from tests.integration.installation import LIMIT, Installation, kinds, outputs
from tests.integration.vault import Keeper
from tests.support.eventually import eventually

#: Deliveries to workers that do not know a class after which a job fails.
GIVEN_UP = 3


def forged(flow: Flow, **slot: str) -> Flow:
    """The flow with another definition, as somebody stores it who can write the server's keys."""
    made = flow.definition

    def definition(*queues: Any) -> Definition:
        stored = json.loads(made(*queues).to_json())
        stored["routines"][0]["routine"]["slots"][0].update(slot)
        return Definition.from_json(json.dumps(stored))

    flow.definition = definition  # type: ignore[method-assign, assignment]
    return flow


@pytest.mark.attack(what="A job whose definition names another method, or any function, to be run")
@pytest.mark.parametrize(
    "slot", [{"handler": "_restore"}, {"handler": "setup"}, {"merge_strategy": "shutil:rmtree"}]
)
def test_a_forged_definition_fails_its_job(own: Installation, slot: dict[str, str]) -> None:
    """The job fails with the reason; the worker does not call it and goes on."""
    worker = own.fleet.start(pool="solo")
    job = forged(countdown(), **slot).execute("it", {"n": 1}).wait(LIMIT)
    assert job.status == "failed"
    assert job.reason is not None
    assert "offer" in job.reason or "has not imported" in job.reason
    assert outputs(countdown().execute("it", {"n": 0})) == [{"n": 0}]
    assert worker.alive


def waiting_message(installation: Installation) -> dict[str, Any]:
    """Take the only message off the list."""
    item = installation.redis.rpop(installation.broker_list())
    assert isinstance(item, bytes)
    message: dict[str, Any] = json.loads(item)
    return message


def push(installation: Installation, message: dict[str, Any]) -> None:
    installation.redis.lpush(installation.broker_list(), json.dumps(message))


@pytest.mark.attack(what="A message that names a class or task that the worker does not know")
@pytest.mark.parametrize(
    "name", ["tests.integration.flows.Elsewhere2", "celery.chord_unlock", "os.system"]
)
def test_the_name_in_a_message_decides_nothing(own: Installation, name: str) -> None:
    """The job runs its own routine and does not fail."""
    job = countdown().execute("it", {"n": 2})
    message = waiting_message(own)
    message["headers"]["task"] = name
    for _ in range(GIVEN_UP + 1):
        push(own, message)
    own.fleet.start(pool="solo")
    assert outputs(job) == [{"n": 0}]
    assert "given_back" not in kinds(job)
    assert DeadLetters(own.engine.store).count() == 0


@pytest.mark.attack(what="A message that names another class of the worker")
def test_a_class_that_is_known_does_not_stand_in_for_another(own: Installation) -> None:
    """The worker runs the routine that the job's definition names."""
    job = countdown().execute("it", {"n": 1})
    message = waiting_message(own)
    message["headers"]["task"] = "tests.integration.flows.Square"
    push(own, message)
    own.fleet.start(pool="solo")
    assert outputs(job) == [{"n": 0}]


@pytest.mark.attack(what="A definition that names a class that no worker has imported")
def test_a_class_that_is_not_imported_is_not_imported(own: Installation) -> None:
    """Workers give the invocation back; the job fails and says what to import."""
    job = single(Keeper).execute("it", {"a": 1})
    worker = own.fleet.start(pool="solo")
    assert job.wait(LIMIT).status == "failed"
    assert job.reason is not None
    assert "tests.integration.vault" in job.reason
    assert "vault" not in worker.output().partition("[tasks]")[2].partition("ready.")[0]


@pytest.mark.attack(what="Messages for invocations that do not exist, have run or run now")
def test_a_message_names_an_invocation_at_most(own: Installation) -> None:
    """No invocation is created, and none runs twice."""
    job = countdown().execute("it", {"n": 0})
    message = waiting_message(own)
    text = json.dumps(message)
    worker = own.fleet.start(pool="solo")
    for changed in (
        text,
        text.replace(job.job_id, "0" * len(job.job_id)),
        text.replace('\\"1.0.0\\"', '\\"7.0.0\\"').replace(f"{job.job_id}-1", f"{job.job_id}-7"),
        text.replace('\\"1.0.0\\"', '\\"1.9.9\\"'),
        text,
    ):
        own.redis.lpush(own.broker_list(), changed)
    assert outputs(job) == [{"n": 0}]
    eventually(lambda: own.queued() == 0, message="an empty list")
    assert outputs(countdown().execute("it", {"n": 0})) == [{"n": 0}]
    assert kinds(job).count("completed") == 1
    assert job.routine_states["it"]["started"] == 1
    assert worker.alive
    assert DeadLetters(own.engine.store).count() == 0


@pytest.mark.attack(what="Callbacks, a chain, more arguments or params in a message")
def test_callbacks_and_arguments_are_refused(own: Installation) -> None:
    """The message is a dead letter; the invocation that it names still runs."""
    job = countdown().execute("it", {"n": 0})
    message = waiting_message(own)
    args, kwargs, embed = json.loads(message["body"])
    callback = {"task": "tests.integration.flows.Countdown", "args": [], "kwargs": {}}
    bodies = (
        [args, kwargs, {**embed, "callbacks": [callback]}],
        [args, kwargs, {**embed, "chain": [callback]}],
        [[*args, "more"], kwargs, embed],
        [args, {"n": 1}, embed],
    )
    for body in bodies:
        push(own, {**message, "body": json.dumps(body)})
    own.fleet.start(pool="solo")
    letters = DeadLetters(own.engine.store)
    eventually(lambda: letters.count() == len(bodies), message="all refused")
    # The message itself was taken above, as by an attacker: the upkeep pushes it again.
    assert outputs(job) == [{"n": 0}]
