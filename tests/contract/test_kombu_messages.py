"""Our messages against those of the installed Celery and kombu, over a real server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request

from flowforge.broker.fleet_app import fleet_app
from flowforge.broker.guard import Guard
from flowforge.broker.message import MARK, message_format
from flowforge.broker.routing import Router
from flowforge.local.server import LocalServer
from flowforge.settings import Settings
from tests.contract.bench import Bench
from tests.contract.receiving import receive

#: Header fields that differ by intent: ids, where it comes from, what results are for, our mark.
HEADERS_THAT_DIFFER = {
    "id", "root_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", MARK,
}  # fmt: skip
#: Property fields that differ by intent.
PROPERTIES_THAT_DIFFER = {"correlation_id", "reply_to", "body_encoding", "delivery_tag"}


@pytest.fixture
def app(server: LocalServer, prefix: str) -> Iterator[Celery]:
    """A plain app whose default queue is this test's own."""
    app = fleet_app(Settings(redis_url=server.url, celery={"task_default_queue": f"{prefix}-q"}))
    with app:
        yield app


def ours(bench: Bench) -> dict[str, Any]:
    """The message of a new job, as the submit script pushed it."""
    bench.submit()
    (message,) = bench.messages()
    bench.forget_broker()
    return message


def theirs(app: Celery, bench: Bench, **options: Any) -> dict[str, Any]:
    """The message that Celery publishes for the same call."""
    app.send_task("t.R0", args=["job", "1.0.0"], queue=bench.list, **options)
    (message,) = bench.messages()
    bench.forget_broker()
    return message


def shape(value: Any) -> Any:
    """Types in place of values."""
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else type(value)


def test_the_message_is_built_like_celerys(app: Celery, server_bench: Bench) -> None:
    """Same parts, same header and property names, same types."""
    our, their = ours(server_bench), theirs(app, server_bench, ignore_result=True)
    assert our.keys() == their.keys()
    assert our["headers"].keys() == their["headers"].keys() | {MARK}
    assert our["properties"].keys() == their["properties"].keys()
    our["headers"].pop(MARK)
    for part in (our, their):
        part["properties"].pop("body_encoding")
    assert shape(our) == shape(their)


def test_the_message_differs_only_where_it_must(app: Celery, server_bench: Bench) -> None:
    """Every field that does not depend on the call has Celery's own value."""
    our, their = ours(server_bench), theirs(app, server_bench, ignore_result=True, priority=0)
    for part, differing in (
        ("headers", HEADERS_THAT_DIFFER),
        ("properties", PROPERTIES_THAT_DIFFER),
    ):
        for name in our[part].keys() - differing:
            assert our[part][name] == their[part][name], name
    assert our["content-type"] == their["content-type"]
    assert our["content-encoding"] == their["content-encoding"]


def test_the_body_is_celerys(app: Celery, server_bench: Bench) -> None:
    """Arguments, keyword arguments and embed have the same layout; ours is not in base64."""
    our, their = ours(server_bench), theirs(app, server_bench)
    assert their["properties"]["body_encoding"] == "base64"
    their_body = json.loads(base64.b64decode(their["body"]))
    our_body = json.loads(our["body"])
    assert our_body[1:] == their_body[1:]
    assert [type(part) for part in our_body[0]] == [type(part) for part in their_body[0]]


def test_ids_belong_together(server_bench: Bench) -> None:
    """Task id and correlation id are one, the job is the root, each push has its delivery tag."""
    message = ours(server_bench)
    job, invocation = json.loads(message["body"])[0]
    headers, properties = message["headers"], message["properties"]
    assert headers["id"] == properties["correlation_id"] == f"{job}-1"
    assert headers["root_id"] == job
    assert properties["delivery_tag"] == f"{job}-1-{server_bench.number(job)}"
    assert invocation == "1.0.0"


def test_kombu_decodes_the_message(app: Celery, server_bench: Bench) -> None:
    """A stock consumer reads task, id and arguments of what the script pushed."""
    job = server_bench.submit()
    with app.connection_for_read() as connection:
        (message,) = receive(connection, server_bench.list)
        assert message.headers["task"] == "t.R0"
        assert message.headers["id"] == f"{job}-1"
        args, kwargs, embed = message.decode()
        assert (args, kwargs) == ([job, "1.0.0"], {})
        assert not any(embed.values())
        message.ack()


def test_celery_makes_a_request_of_it(app: Celery, server_bench: Bench) -> None:
    """A worker's request object gets name, id, arguments' text and root from our headers."""
    job = server_bench.submit()

    @app.task(name="t.R0")
    def task(*args: Any) -> None: ...

    with app.connection_for_read() as connection:
        (message,) = receive(connection, server_bench.list)
        request = Request(message, app=app, task=task)
        assert (request.name, request.id, request.root_id) == ("t.R0", f"{job}-1", job)
        assert request.argsrepr == f"({job}, s0)"
        assert (request.eta, request.expires) == (None, None)
        message.ack()


# --- names ---------------------------------------------------------------------------------

NAMES = {
    "plain": "two words",
    "umlauts": "größe",
    "chinese": "日本",
    "emoji": "😀" * 30,
    "long": "é" * 128,
    "quote": 'quo"te',
    "backslash": "back\\slash",
    "hole": "@job@",
    "percent": "100%, 100%s, %%d",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("part", ["class", "queue", "slot"])
def test_the_guard_knows_what_the_script_writes(server_bench: Bench, part: str, name: str) -> None:
    """A message with any legal name in it is let in, and reads as it was written."""
    names = {"class": "t.R0", "queue": server_bench.list, "slot": "s0", part: name}
    if part == "class" and not name.isidentifier():
        pytest.skip("no name of a class")
    fields = server_bench.fields()
    list_name = f"{server_bench.prefix}{names['queue']}"
    fields["q0"] = list_name
    fields["m0.0"] = message_format(names["class"], names["queue"], names["slot"])
    guard = Guard(server_bench.store, {names["class"]}, exclusive=True)
    alone, *together = (server_bench.submission() for _ in range(3))
    server_bench.send(alone, fields)
    server_bench.store.submissions.submit(alone.common, [one.job for one in together], None)
    items = server_bench.client.lrange(list_name, 0, -1)
    for job, item in zip((alone, *together), reversed(items), strict=True):
        message = json.loads(item)
        assert message["headers"]["task"] == names["class"]
        assert message["headers"]["argsrepr"] == f"({job.job_id}, {names['slot']})"
        assert message["properties"]["delivery_info"]["routing_key"] == names["queue"]
        assert guard.admit(names["queue"], item) == item


def test_lists_are_where_kombu_looks(app: Celery, server_bench: Bench) -> None:
    """List names of every priority are those that kombu's channel makes."""
    router = Router(app)
    with app.connection_for_read() as connection:
        channel: Any = connection.channel()
        for priority in range(10):
            kombus = channel._q_for_pri("q", priority)
            assert "q" + router.suffix(priority) == kombus
            assert kombus in router.lists("q")
