"""Which tasks of other programs a worker of a shared app lets in."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from kombu import compression
from kombu.exceptions import SerializerNotInstalled
from kombu.serialization import registry  # type: ignore[attr-defined]

from flowforge.broker.guard import Guard
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.contract.bench import Bench
from tests.unit.broker.hostile import BODY, changed, foreign_task, with_body


@pytest.fixture
def guard(bench: Bench) -> Guard:
    """Of a worker that also runs tasks of its own app."""
    return Guard(bench.store, {"t.R0"}, exclusive=False)


@pytest.fixture(autouse=True)
def without_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """As kombu is where PyYAML is not installed, whatever else this environment needs it for."""

    def not_available(*_: object) -> None:
        raise SerializerNotInstalled

    monkeypatch.setitem(registry._decoders, "application/x-yaml", not_available)


def compressed(body: bytes, method: str = "application/x-gzip") -> bytes:
    message = foreign_task()
    message["body"] = base64.b64encode(body).decode()
    message["headers"]["compression"] = method
    return json.dumps(message).encode()


PLAIN = json.dumps(BODY).encode()

LEGAL = {
    "compressed": compressed(zlib.compress(PLAIN)),
    "compressed by bzip2": compressed(bz2.compress(PLAIN), "bzip2"),
    "compressed by lzma": compressed(lzma.compress(PLAIN, preset=9), "application/x-lzma"),
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
    "a limit beyond any timer": (changed("headers.timelimit", [10**400, None]), "timelimit"),
    "a limit without end": (changed("headers.timelimit", [None, float("inf")]), "timelimit"),
    "a limit that is no number": (changed("headers.timelimit", [float("nan"), None]), "timelimit"),
    "a limit in the past": (changed("headers.timelimit", [-5, -5]), "timelimit"),
    "endless retries": (changed("headers.retries", 10**400), "retries"),
    "a priority without end": (changed("properties.priority", float("inf")), "priority"),
    "a priority that is an object": (changed("properties.priority", {"a": 1}), "priority"),
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
    "compressed twice over": (compressed(zlib.compress(PLAIN) * 2), "single stream"),
    "compressed and cut": (compressed(bz2.compress(PLAIN)[:-4], "bzip2"), "single stream"),
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


@pytest.mark.attack(
    what="Tasks that Celery cannot make: odd types, numbers beyond any timer, odd signatures"
)
@pytest.mark.parametrize("name", HARMFUL)
def test_what_ends_a_worker_is_refused(bench: Bench, guard: Guard, name: str) -> None:
    """Each is refused with its reason, before Celery reads it."""
    item, reason = HARMFUL[name]
    assert guard.admit("q", item) is None
    (letter,) = DeadLetters(bench.store).newest(10)
    assert reason in letter.reason


#: Bytes that a message may have in the tests of its size, and those that a bomb would have.
MOST = 1_000_000
EXPANDED = 30_000_000


def bomb(method: str) -> bytes:
    """A small message whose body is a large one, as far as it is read."""
    makers: dict[str, Callable[[], Any]] = {
        "application/x-gzip": lambda: zlib.compressobj(9),
        "application/x-bz2": bz2.BZ2Compressor,
        "application/x-lzma": lambda: lzma.LZMACompressor(preset=0),
    }
    maker, blanks = makers[method](), b" " * 1_000_000
    body = b"".join(maker.compress(blanks) for _ in range(EXPANDED // len(blanks)))
    return compressed(body + maker.flush(), method)


@pytest.mark.attack(what="A message of some hundred bytes that expands to gigabytes")
@pytest.mark.parametrize(
    "method", ["application/x-gzip", "application/x-bz2", "application/x-lzma"]
)
def test_a_body_is_not_expanded_beyond_the_limit(bench: Bench, method: str) -> None:
    """It is refused for its size; the worker's memory grows by no more than the limit."""
    guard, item = Guard(bench.store, {"t.R0"}, exclusive=False, most=MOST), bomb(method)
    tracemalloc.start()
    try:
        assert guard.admit("q", item) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MOST
    (letter,) = DeadLetters(bench.store).newest(10)
    assert f"more than {MOST} bytes" in letter.reason


@pytest.mark.attack(what="A message of any size on a queue of a joined app")
def test_a_large_message_is_refused_unread(bench: Bench) -> None:
    """It is refused without parsing; the dead letter keeps the usual part."""
    guard = Guard(bench.store, {"t.R0"}, exclusive=False, most=MOST)
    assert guard.admit("q", b"[" * (MOST + 1)) is None
    (letter,) = DeadLetters(bench.store).newest(10)
    assert letter.reason == f"longer than max_message, {MOST}: {MOST + 1} bytes"
    assert guard.admit("q", changed("headers.tenant", "x" * (MOST // 2))) is not None


def test_a_method_without_a_bound_is_the_apps_own_or_refused(bench: Bench) -> None:
    """A sender does not choose among all that happens to be installed."""
    compression.register(lambda data: data[::-1], lambda data: data[::-1], "application/x-turned")
    item = compressed(PLAIN[::-1], "application/x-turned")
    assert Guard(bench.store, {"t.R0"}, exclusive=False).admit("q", item) is None
    (letter,) = DeadLetters(bench.store).newest(10)
    assert "the app's own task_compression" in letter.reason
    own = Guard(bench.store, {"t.R0"}, exclusive=False, compression=lambda: "application/x-turned")
    assert own.admit("q", item) == item


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
