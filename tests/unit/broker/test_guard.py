"""What a worker lets in."""

from __future__ import annotations

import json
from typing import Any, Self

import pytest
from redis.exceptions import OutOfMemoryError

from flowforge.broker.guard import UNKNOWN_TASK, Guard
from flowforge.errors import StoreUnavailableError
from flowforge.store.fleet_reads.dead_letters import KEPT_BYTES, DeadLetter, DeadLetters
from tests.contract.bench import Bench
from tests.unit.broker.hostile import BODY, HOSTILE, changed, foreign_task, with_body

KNOWN = {"t.R0"}


@pytest.fixture
def guard(bench: Bench) -> Guard:
    """Of a worker that also runs tasks of its own app."""
    return Guard(bench.store, KNOWN, exclusive=False)


@pytest.fixture
def exclusive(bench: Bench) -> Guard:
    """Of a worker that runs nothing but invocations."""
    return Guard(bench.store, KNOWN, exclusive=True)


def dead_letters(bench: Bench) -> list[DeadLetter]:
    """What was refused, the latest first."""
    return DeadLetters(bench.store).newest(10)


def own(bench: Bench, **changes: Any) -> bytes:
    """A message as the scripts push it."""
    bench.submit(**changes)
    (item,) = bench.link.call("LRANGE", bench.list, 0, 0)
    assert isinstance(item, bytes)
    return item


@pytest.mark.attack(
    what="Items that end or mislead a worker without the guard: no JSON, other types, nesting"
)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_malformed_item_becomes_a_dead_letter(bench: Bench, guard: Guard, name: str) -> None:
    """Each is refused with the reason, before kombu decodes it."""
    item, reason = HOSTILE[name]
    assert guard.admit("q", item) is None
    (letter,) = dead_letters(bench)
    assert (letter.queue, letter.item, letter.size) == ("q", item[:KEPT_BYTES], len(item))
    assert reason in letter.reason


@pytest.mark.parametrize("name", HOSTILE)
def test_an_exclusive_worker_refuses_it_as_well(bench: Bench, exclusive: Guard, name: str) -> None:
    """Nothing that is malformed passes because the check is shorter."""
    assert exclusive.admit("q", HOSTILE[name][0]) is None
    assert len(dead_letters(bench)) == 1


def test_a_task_of_the_app_is_let_in(guard: Guard) -> None:
    """An app that FlowForge was installed in keeps running its own tasks, whatever they hold."""
    for item in (
        json.dumps(foreign_task()).encode(),
        changed("headers.eta", "2030-01-01T00:00:00"),
        changed("headers.task", "app.not_known_here"),
        changed("content-type", "application/x-python-serialize"),
        with_body([["ü"], {"a": 1}, {**BODY[2], "callbacks": [{"task": "app.add"}]}]),  # type: ignore[dict-item]
    ):
        assert guard.admit("q", item) == item


@pytest.mark.attack(what="Another program's task on a fleet's queue")
def test_an_exclusive_worker_runs_no_other_task(bench: Bench, exclusive: Guard) -> None:
    """A worker of a fleet refuses it."""
    assert exclusive.admit("q", json.dumps(foreign_task()).encode()) is None
    assert "'app.add' is not an invocation" in dead_letters(bench)[0].reason


def test_an_invocation_is_let_in_as_it_is(bench: Bench, exclusive: Guard) -> None:
    """What the scripts pushed needs no second look."""
    item = own(bench)
    assert exclusive.admit(bench.list, item) == item
    merging = own(bench, mode="m", slot=1)
    assert exclusive.admit(bench.list, merging) == merging
    assert dead_letters(bench) == []


def test_an_unknown_class_goes_to_the_task_that_gives_it_back(
    bench: Bench, exclusive: Guard
) -> None:
    """The arguments are kept and the class that is missing is added."""
    item = own(bench, routine=1)
    admitted = exclusive.admit(bench.list, item)
    assert admitted is not None
    before, after = json.loads(item), json.loads(admitted)
    assert after["headers"]["task"] == UNKNOWN_TASK
    assert json.loads(after["body"])[0] == [*json.loads(before["body"])[0], "t.R1"]
    assert after["properties"] == before["properties"]


CHANGES = {
    "another argument": lambda m: m.update(body=m["body"].replace("1.0.0", "1.0.0; x")),
    "a third argument": lambda m: m.update(body=m["body"].replace('"]', '", "x"]', 1)),
    "callbacks": lambda m: m.update(body=m["body"].replace("null", '[{"task": "x"}]', 1)),
    "an eta": lambda m: m["headers"].update(eta="2030-01-01T00:00:00"),
    "another content type": lambda m: m.update({"content-type": "application/x-python-serialize"}),
    "another id": lambda m: m["headers"].update(id="x-1"),
    "another header": lambda m: m["headers"].update(stamps={"a": 1}),
    "a negative priority": lambda m: m["properties"].update(priority=-1),
    "base64": lambda m: m["properties"].update(body_encoding="base64"),
}


@pytest.mark.attack(what="An invocation with any part changed")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_invocation_is_refused(bench: Bench, exclusive: Guard, name: str) -> None:
    """It is refused unless it is exactly what the scripts write."""
    message = json.loads(own(bench))
    CHANGES[name](message)
    assert exclusive.admit(bench.list, json.dumps(message).encode()) is None
    assert "not in the form" in dead_letters(bench)[0].reason


@pytest.mark.attack(what="Bytes behind an invocation")
def test_something_behind_the_message_is_refused(bench: Bench, exclusive: Guard) -> None:
    """It is refused, because the guard compares the whole item."""
    item = own(bench)
    for tail in (b" ", b"\n", b"{}", b"\x00"):
        assert exclusive.admit(bench.list, item + tail) is None


def test_a_large_item_is_not_kept_whole(bench: Bench, guard: Guard) -> None:
    """Of a refused message the beginning and the length are kept."""
    guard.admit("q", b"x" * 1_000_000)
    (letter,) = dead_letters(bench)
    assert (len(letter.item), letter.size, letter.whole) == (KEPT_BYTES, 1_000_000, False)


@pytest.mark.attack(what="Refused messages while the server stores no dead letters")
def test_a_refusal_that_cannot_be_kept_is_a_refusal(bench: Bench) -> None:
    """The message is still refused, and the worker does not end."""

    class Broken:
        keys = bench.keys

        @property
        def scripts(self) -> Self:
            return self

        def run(self, script: str, *arguments: Any) -> Any:
            raise ConnectionError("gone")

    assert Guard(Broken(), KNOWN, exclusive=True).admit("q", b"x") is None  # type: ignore[arg-type]


@pytest.mark.parametrize("queue", ["q", "q2\x06\x163", "ff:j:x-1:b", "ü"])
def test_an_invocation_that_names_another_queue_is_refused(
    bench: Bench, guard: Guard, exclusive: Guard, queue: str
) -> None:
    """What a message says of its queue is no key to push to, nor a list to go on with."""
    item = own(bench)
    forged = json.loads(item)
    forged["properties"]["delivery_info"]["routing_key"] = queue
    for one in (guard, exclusive):
        assert one.admit(bench.list, json.dumps(forged).encode()) is None
        assert one.admit(queue, item) is None
    assert f"an invocation of queue {queue!r}" in {d.reason for d in dead_letters(bench)}


def test_an_invocation_in_the_form_of_another_task_is_refused(bench: Bench, guard: Guard) -> None:
    """A task of the app's own form cannot run a routine: its queue would be what it says."""
    message = foreign_task()
    message["headers"]["task"] = "t.R0"
    assert guard.admit("q", json.dumps(message).encode()) is None
    assert "not in the form" in dead_letters(bench)[0].reason


def test_another_task_is_one_of_the_queue_that_it_was_found_on(guard: Guard) -> None:
    """Without an exchange the routing key is the list that the task is given back to."""
    item = json.dumps(foreign_task()).encode()
    admitted = guard.admit("q2", item)
    assert admitted is not None
    before, after = json.loads(item), json.loads(admitted)
    assert after["properties"]["delivery_info"].pop("routing_key") == "q2"
    del before["properties"]["delivery_info"]["routing_key"]
    assert after == before
    through_an_exchange = changed("properties.delivery_info.exchange", "orders")
    assert guard.admit("q2", through_an_exchange) == through_an_exchange


def test_a_full_server_is_asked_once_for_each_letter(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The event loop cannot wait for room; what could not be kept is counted."""
    asked: list[str] = []

    class Full:
        keys = bench.keys

        @property
        def scripts(self) -> Self:
            return self

        def run(self, script: str, *arguments: Any) -> Any:
            asked.append(script)
            raise StoreUnavailableError("full") from OutOfMemoryError("OOM command not allowed")

    guard = Guard(Full(), KNOWN, exclusive=True)  # type: ignore[arg-type]
    for _ in range(3):
        assert guard.admit("q", b"x") is None
    assert asked == ["bury"] * 3
    assert "as a dead letter, 3 so far" in caplog.text
