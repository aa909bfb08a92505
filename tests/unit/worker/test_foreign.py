"""Which tasks of other programs a worker of a shared app lets in."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import msgpack
import pytest

from flowforge.store.dead_letters import DeadLetters
from flowforge.worker.guard import Guard
from tests.contract.bench import Bench
from tests.unit.worker.hostile import BODY, changed, foreign_task, with_body


@pytest.fixture
def guard(bench: Bench) -> Guard:
    """Of a worker that also runs tasks of its own app."""
    return Guard(bench.store, {"t.R0"}, exclusive=False)


def compressed(body: bytes, method: str = "application/x-gzip") -> bytes:
    message = foreign_task()
    message["body"] = base64.b64encode(body).decode()
    message["headers"]["compression"] = method
    return json.dumps(message).encode()


LEGAL = {
    "compressed": compressed(zlib.compress(json.dumps(BODY).encode())),
    "no optional header": changed("headers", {"task": "app.add", "id": "1"}),
    "a header of the user's own": changed("headers.tenant", {"id": 7}),
    "limits": changed("headers.timelimit", [1.5, 10]),
    "a date as kombu writes it": changed(
        "headers.eta", {"__type__": "datetime", "__value__": "2030-01-01T00:00:00"}
    ),
    "text body": changed("body", json.dumps(BODY)).replace(b'"base64"', b"null"),
    "a chord": with_body([[], {}, {"chord": {"task": "app.add"}, "chain": [], "errbacks": None}]),
    "msgpack": changed("body", base64.b64encode(msgpack.packb(BODY)).decode()).replace(
        b"application/json", b"application/x-msgpack"
    ),
    "text with both halves of a character": changed("headers.shadow", "\U0001f600"),
}

HARMFUL: dict[str, tuple[bytes, str]] = {
    "one limit": (changed("headers.timelimit", [1]), "timelimit"),
    "limits of text": (changed("headers.timelimit", ["a", "b"]), "timelimit"),
    "limits as an object": (changed("headers.timelimit", {"a": 1}), "timelimit"),
    "retries of text": (changed("headers.retries", "many"), "retries"),
    "a shadow that is a list": (changed("headers.shadow", ["x"]), "shadow"),
    "a root that is an object": (changed("headers.root_id", {}), "root_id"),
    "a stamp without a name": (changed("headers.stamped_headers", [{}]), "stamped_headers"),
    "an eta of nothing": (changed("headers.eta", ""), "eta"),
    "an eta of some time": (changed("headers.eta", "soon"), "eta"),
    "an expiry that is a number": (changed("headers.expires", 10), "expires"),
    "stamps as a list": (changed("headers.stamps", [1]), "stamps"),
    "raw data": (changed("content-type", "application/data"), "[args, kwargs, embed]"),
    "plain text": (changed("content-type", "text/plain"), "[args, kwargs, embed]"),
    "of a kind that nobody knows": (changed("content-type", "x/y"), "[args, kwargs, embed]"),
    "no yaml": (changed("content-type", "application/x-yaml"), "body"),
    "compressed by nobody": (compressed(b"x", "application/x-nothing"), "decompressed"),
    "not what was compressed": (compressed(b"rubbish"), "decompressed"),
    "a compressed list": (compressed(zlib.compress(b"[]")), "[args, kwargs, embed]"),
    "something else embedded": (with_body([[], {}, {"run": "this"}]), "embeds"),
    "a chain of nothing": (with_body([[], {}, {"chain": [None]}]), "signature"),
    "a chord without a task": (with_body([[], {}, {"chord": {"a": 1}}]), "signature"),
    "a callback with odd args": (
        with_body([[], {}, {"callbacks": [{"task": "a", "args": "b"}]}]),
        "args",
    ),
    "callbacks as an object": (with_body([[], {}, {"callbacks": {"a": 1}}]), "callbacks"),
    "a uuid that is none": (with_body([[{"__type__": "uuid", "__value__": 1}], {}, {}]), "JSON"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_celery_writes_is_let_in(bench: Bench, guard: Guard, name: str) -> None:
    """The check is no narrower than Celery's own senders."""
    assert guard.admit("q", LEGAL[name]) == LEGAL[name]
    assert DeadLetters(bench.store).count() == 0


@pytest.mark.parametrize("name", HARMFUL)
def test_what_ends_a_worker_is_refused(bench: Bench, guard: Guard, name: str) -> None:
    """Types that Celery takes for granted are looked at, each refusal with its reason."""
    item, reason = HARMFUL[name]
    assert guard.admit("q", item) is None
    (letter,) = DeadLetters(bench.store).newest(10)
    assert reason in letter.reason


def test_a_reason_is_short_and_on_one_line(bench: Bench) -> None:
    """What an attacker writes does not fill the log."""
    guard = Guard(bench.store, {"t.R0"}, exclusive=True)
    named: dict[str, Any] = {"task": "x" * 50_000 + "\n", "id": "1"}
    guard.admit("q", changed("headers", named))
    (letter,) = DeadLetters(bench.store).newest(10)
    assert len(letter.reason) < 300
    assert "\n" not in letter.reason


def test_what_was_redirected_is_directed_back(bench: Bench) -> None:
    """A worker that stops gives redirected messages back; the next one may know the class."""
    bench.submit(routine=1)
    (item,) = bench.link.call("LRANGE", bench.list, 0, 0)
    redirected = Guard(bench.store, {"t.R0"}, exclusive=True).admit(bench.list, item)
    assert redirected != item
    assert redirected is not None
    knowing = Guard(bench.store, {"t.R1"}, exclusive=True)
    assert knowing.admit(bench.list, redirected) == item
    ignorant = Guard(bench.store, {"t.R0"}, exclusive=True)
    assert ignorant.admit(bench.list, redirected) == redirected
