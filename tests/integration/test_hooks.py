"""Hooks on real workers: who is told of what, whatever becomes of receivers and workers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from flowforge.broker.fleet_app import fleet_app
from flowforge.cli.main import cli
from flowforge.composition import as_one, engines_of
from flowforge.engine.current import set_engine
from flowforge.local.server import LocalServer
from flowforge.settings import from_environment
from flowforge.store.fleet_reads.hook_reports import HookReports
from tests.integration.cli_shell import Shell
from tests.integration.hook_flows import FORMER_SECRET, SECRET, failing, fine, poison
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker
from tests.support.receiver import Received, Receiver, receiver

FLOWS = "tests.integration.hook_flows"


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def mine(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """Without a worker yet."""
    with installed(server, tmp_path, [FLOWS], **FAST) as installation:
        yield installation


def start(
    mine: Installation,
    there: Receiver | None = None,
    notes: Path | None = None,
    *,
    pool: str = "threads",
) -> Worker:
    """A worker with the webhook, the functions or both, once it has said so."""
    env = {} if there is None else {"TEST_HOOK_URL": there.url}
    env |= {} if notes is None else {"TEST_HOOK_NOTES": str(notes)}
    worker = mine.fleet.start(pool=pool, env=env)
    count = bool(there) + 3 * bool(notes)
    reports = HookReports(mine.engine.store)
    eventually(lambda: len(reports.read()) == count, message="the hooks of the worker")
    return worker


def fail(count: int = 1, why: str = "broken") -> list[str]:
    """So many jobs that have failed."""
    params = [{"number": number, "why": why} for number in range(count)]
    jobs = failing.execute_many("breaks", params)
    return [job.wait(LIMIT).job_id for job in jobs]


def is_signed(request: Received, secret: str) -> bool:
    """As a receiver checks it, by the text of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in headers["webhook-signature"].split(" ")


def notes_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_webhooks_and_functions_are_told(
    mine: Installation, there: Receiver, tmp_path: Path, pool: str
) -> None:
    """Of a failed job, with a signature, on each pool; hooks that misbehave hurt nobody."""
    notes = tmp_path / "notes"
    worker = start(mine, there, notes, pool=pool)
    (job,) = fail()
    (request,) = there.wait_for(1)
    assert is_signed(request, SECRET)
    assert is_signed(request, FORMER_SECRET)
    data = request.event["data"]
    assert (request.event["type"], data["job_id"]) == ("job.failed", job)
    assert (data["flow_id"], data["routine_id"]) == ("failing", "breaks")
    assert data["error"]["type"] == "ValueError"
    assert data["error"]["message"] == "broken 0"
    (group,) = Shell(mine).json("errors")
    assert data["error"]["fingerprint"] == group["id"]
    (note,) = eventually(lambda: notes_in(notes), message="the function's note")
    assert (note["pid"], note["jobs"]) == (worker.pid, [job])
    # A hook that exits, and one that blocks, have been called by now.
    eventually(lambda: "SystemExit" in worker.output(), message="the hook that exits")
    assert fine.execute("works").wait(LIMIT).status == "completed"
    assert worker.alive


def test_a_quarantine_is_told(mine: Installation, there: Receiver) -> None:
    """As such, once."""
    start(mine, there, pool="prefork")
    job = poison.execute("dies").wait(LIMIT)
    (request,) = there.wait_for(1)
    assert request.event["type"] == "invocation.quarantined"
    assert request.event["data"]["error"]["type"] == "Quarantined"
    assert request.event["data"]["job_ids"] == [job.job_id]
    assert request.event["data"]["routine_id"] == "dies"


def test_a_receiver_that_fails_and_comes_back_is_told(mine: Installation, there: Receiver) -> None:
    """Of the same event again, of what happened meanwhile in one; each job is in one of them."""
    start(mine, there)
    there.status = 500
    first = fail()
    there.wait_for(1)
    stormy = fail(30)
    there.status = 204
    eventually(
        lambda: sum(request.event["data"]["count"] for request in delivered(there)) == 31,
        40,
        "all failures",
    )
    events = delivered(there)
    assert there.requests[0].id == there.requests[1].id
    assert {job for one in events for job in one.event["data"]["job_ids"]} == {*first, *stormy}
    assert len(there.requests) < 8


def delivered(there: Receiver) -> list[Received]:
    """The last request of each event."""
    return list({request.id: request for request in there.requests}.values())


def test_a_worker_that_dies_in_the_middle_leaves_the_event_to_another(
    mine: Installation, there: Receiver
) -> None:
    """It comes again with the same id and the same body."""
    there.hang = True
    doomed = start(mine, there)
    fail()
    there.wait_for(1)
    mine.fleet.kill(doomed)
    there.hang = False
    start(mine, there)
    first, second = there.wait_for(2)[:2]
    assert (first.id, first.body) == (second.id, second.body)
    assert is_signed(second, SECRET)
    reports = HookReports(mine.engine.store)
    eventually(lambda: reports.read()[0].delivered == 1, message="the end of the delivery")


def test_the_command_line(mine: Installation, there: Receiver) -> None:
    """It lists, tests, replays and drops; the doctor says what is wrong."""
    shell = Shell(mine)
    assert "no hooks" in shell.run("hooks", "list").output
    assert "no worker has a hook 'ops'" in shell.run("hooks", "test", "ops", code=1).output
    start(mine, there)
    assert shell.run("hooks", "test", "ops").stdout == "ok: 204 No Content\n"
    assert there.requests[0].event["type"] == "hook.test"
    assert is_signed(there.requests[0], SECRET)
    assert [one["text"] for one in shell.findings()["hooks"]] == ["1, none fails"]

    there.status, there.answer = 500, b"\x1b[31mno"
    assert (
        "failed: 500 Internal Server Error: \\x1b[31mno"
        in shell.run("hooks", "test", "ops", code=1).output
    )
    # A command closes the engine of its process.
    set_engine(mine.engine)
    (job,) = fail()
    eventually(lambda: shell.json("hooks", "list")[0]["failing_since"], message="a failure")
    (hook,) = shell.json("hooks", "list", "ops")
    (delivery,) = hook["deliveries"]
    assert (delivery["dead"], delivery["event"]["data"]["job_id"]) == (False, job)
    assert "secret-path" not in json.dumps(hook)
    assert "MfKQ" not in json.dumps(hook)
    assert "the hook ops (http://127.0.0.1:" in shell.findings()["hook"][0]["text"]

    give_up(mine, delivery["id"])
    listed = shell.run("hooks", "list", "ops").stdout
    assert f"{delivery['id']}  dead" in listed
    found = [one["text"] for one in shell.findings()["hook"]]
    assert "1 delivery to the hook ops was given up" in found
    there.status = 204
    assert shell.run("hooks", "replay", "ops", delivery["id"]).stdout == "replayed 1\n"
    eventually(lambda: shell.json("hooks", "list")[0]["delivered"] == 1, message="the replay")
    assert "name no dead delivery" in shell.run("hooks", "drop", "ops", "x", code=1).output
    assert shell.json("hooks", "drop", "ops") == {"dropped": 0}
    assert shell.run("hooks", "drop", "ops", "--hook").stdout == "dropped 1\n"
    assert "no worker has a hook" in shell.run("hooks", "list", "ops", code=1).output


def give_up(mine: Installation, delivery_id: str) -> None:
    """The last attempt at a delivery has failed."""
    hooks = mine.engine.store.hooks
    eventually(lambda: mine.redis.zscore(mine.key("delivery_times", "ops"), delivery_id))
    state: Any = mine.redis.hget(mine.key("deliveries", "ops"), f"s{delivery_id}")
    attempt = int(state.split(b" ")[0]) + 1
    holder: Any = mine.redis.hget(mine.key("hook", "ops"), "holder")
    assert hooks.begin("ops", holder, delivery_id, "", attempt, 60_000) is not None
    script = mine.engine.store.scripts
    assert script.run("end_delivery", "ops", delivery_id, attempt, "dead", 0, "no", 0)


def test_no_worker_has_the_hook(mine: Installation, there: Receiver) -> None:
    """A test says so in time, and so does the doctor after some minutes."""
    shell = Shell(mine)
    mine.fleet.kill(start(mine, there))
    told = shell.run("hooks", "test", "ops", "--timeout", "0.1", code=1).stdout
    assert "no worker has sent it within 100 ms" in told
    record: Any = mine.redis.hget(mine.key("hooks"), "ops")
    seen, _, rest = record.partition(b" ")
    mine.redis.hset(mine.key("hooks"), "ops", b"%d %b" % (int(seen) - 200_000, rest))
    assert "no worker has the hook ops any more" in shell.findings()["hook"][0]["text"]


def test_each_of_several_servers_tells(
    server: LocalServer, there: Receiver, prefix: str, tmp_path: Path
) -> None:
    """The jobs of all are told by one worker; the commands are about all."""
    with LocalServer.start() as second:
        url = f"{server.url},{second.url}"
        settings = from_environment({}, redis_url=url, prefix=prefix, **FAST)
        engines = as_one(engines_of(settings, fleet_app(settings)))
        former = set_engine(engines)
        place = ["--redis-url", url, "--prefix", prefix]
        try:
            with Fleet(url, prefix, tmp_path, [FLOWS], **FAST) as fleet:
                worker = fleet.start(pool="threads", env={"TEST_HOOK_URL": there.url})
                for engine in engines.each:
                    reports = HookReports(engine.store)
                    eventually(lambda reports=reports: reports.read(), message="the hook")  # type: ignore[misc]
                jobs = [*fail(), *fail(), *fail()]
                assert len({engines.of(job) for job in jobs}) == 2
                eventually(
                    lambda: (
                        {job for one in there.requests for job in one.event["data"]["job_ids"]}
                        == set(jobs)
                    ),
                    30,
                    "all jobs",
                )
                answers = click.testing.CliRunner().invoke(
                    cli, [*place, "hooks", "test", "ops", "--json"]
                )
                assert [one["ok"] for one in json.loads(answers.stdout)] == [True, True]
                listed = click.testing.CliRunner().invoke(cli, [*place, "hooks", "list"])
                for engine in engines.each:
                    assert f"{engine.store.server_name}   ops " in listed.stdout
                fleet.kill(worker)
        finally:
            set_engine(former)
            engines.close()
