"""What the doctor finds, with and without a worker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from flowforge import JobState
from flowforge.cli.main import cli
from flowforge.codec.binary import pack_record
from flowforge.local.server import LocalServer
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.store.lease_tokens import mark_of
from tests.integration.cli_shell import FLOWS, Shell
from tests.integration.installation import installed

#: A job that hangs must not hold up the suite for long.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_settings")]


def test_healthy_installation(fleet: Shell) -> None:
    """With a worker, nothing is wrong but that the test's server keeps nothing on disk."""
    fleet.installation.lead()
    report = fleet.json("doctor")
    assert report["ok"]
    assert set(report["versions"]) == {"flowforge", "python", "celery", "kombu", "redis"}
    assert {f["check"] for f in report["findings"] if f["level"] != "ok"} <= {"append-only"}
    text = fleet.run("doctor").stdout
    assert f"ok    worker        {fleet.installation.fleet.workers[0].name}@" in text
    assert "warn  append-only" in text
    assert "  -> CONFIG SET appendonly yes" in text


def test_password_stays_out(fleet: Shell) -> None:
    """The server is named without the credentials of its URL."""
    password = fleet.installation.server.url.split(":")[2].split("@")[0]
    assert password not in fleet.run("doctor").output


def test_the_role_has_its_word(idle: Shell) -> None:
    """The server itself says master."""
    (finding,) = idle.findings()["role"]
    assert finding["text"] == "primary"


def test_jobs_without_a_worker(idle: Shell) -> None:
    """A missing worker fails the examination as soon as a job waits for one."""
    assert idle.findings()["workers"][0]["level"] == "warn"
    idle.submit("numbers", "--priority", "9")
    found = idle.findings(code=1)
    assert found["workers"][0]["level"] == "fail"
    assert "1 message waits" in found["messages"][0]["text"]
    assert "priority 9" in found["messages"][0]["text"]


def test_worker_that_fell_silent(idle: Shell) -> None:
    """A worker whose reports stopped is named; one that is long forgotten is not."""
    idle.report_worker("lost@host", age=40, pid=77)
    idle.report_worker("ancient@host", age=4000)
    (finding,) = idle.findings()["worker"]
    assert finding["level"] == "warn"
    assert "lost@host has been silent for 4" in finding["text"]
    assert "77" in finding["fix"]


def test_workers_of_one_name(idle: Shell) -> None:
    """Only one of them is seen, so the name is told, with what gives each its own."""
    facts: dict[str, Any] = {"queues": ["celery"], "routines": ["a.B"]}
    idle.report_worker("one@host", **facts)
    assert [one["level"] for one in idle.findings()["worker"]] == ["ok"]
    idle.report_worker("one@host", shared=True, **facts)
    (finding,) = [one for one in idle.findings()["worker"] if one["level"] == "warn"]
    assert "several workers have the name one@host" in finding["text"]
    assert "-n worker1@%h" in finding["fix"]


@pytest.fixture(scope="module")
def own_server() -> Iterator[LocalServer]:
    """A server that these tests may bring into any state."""
    with LocalServer.start() as running:
        yield running


@pytest.mark.parametrize(
    ("setting", "state", "remedy"),
    [("maxmemory", "is full", "raise its maxmemory"),
     ("min-replicas-to-write", "has fewer replicas", "bring its replicas back")],
)  # fmt: skip
def test_workers_that_cannot_report(
    own_server: LocalServer, tmp_path: Path, setting: str, state: str, remedy: str
) -> None:
    """Silent or forgotten, they are not called missing while the server takes no writes."""
    with installed(own_server, tmp_path, (FLOWS,)) as installation:
        shell, redis = Shell(installation), installation.redis
        job_id = shell.submit("numbers", "--idempotency-key", "once")
        job = JobState(job_id, installation.engine)
        before = redis.config_get(setting)[setting]
        for ages in ([40, 4], [40], []):
            redis.delete(installation.key("workers"))
            for age in ages:
                shell.report_worker(f"w{age}@host", age=age, queues=["other"])
            redis.config_set(setting, 1)
            try:
                found = shell.findings()
                run = ("run", f"{FLOWS}:numbers", "--idempotency-key", "once", "--timeout", "0.05")
                remark = shell.run(*run, code=1).stderr.splitlines()[0]
                with pytest.raises(TimeoutError) as late:
                    job.wait(0.05)
            finally:
                redis.config_set(setting, before)
            assert not {"worker", "queue", "upkeep"} & set(found)
            (finding,) = found["workers"]
            assert (finding["level"], remedy in finding["fix"]) == ("warn", True)
            told = f"workers cannot report while the server takes no writes: it {state}"
            assert finding["text"].startswith(told)
            assert "start" not in finding["text"] + finding["fix"] + str(late.value)
            assert told.removeprefix("workers cannot report while ") in str(late.value)
            assert remedy in str(late.value)
            assert ("no worker is there" in remark, told in remark) == (False, 4 not in ages)
        assert "no worker is there" in shell.findings(code=1)["workers"][0]["text"]


def test_report_of_a_newer_worker(idle: Shell) -> None:
    """A report in an unknown layout is told, and the examination goes on."""
    idle.installation.redis.hset(idle.installation.key("workers"), "w@host", b"\x92\x63\x00")
    found = idle.findings()
    assert "w@host" in found["worker"][0]["text"]
    assert "jobs" in found


def test_routine_that_nobody_knows(idle: Shell) -> None:
    """A routine that some workers of its queue lack is a warning; one that all lack fails."""
    idle.submit("numbers")
    idle.report_worker("new@host", queues=["celery"], routines=[f"{FLOWS}.start"])
    idle.report_worker("old@host", queues=["celery"], routines=[])
    some, none = sorted(idle.findings(code=1)["routine"], key=lambda finding: finding["level"])[
        ::-1
    ]
    assert some["level"] == "warn"
    assert "(not old@host)" in some["text"]
    assert none["level"] == "fail"
    assert f"{FLOWS}.finish" in none["text"]
    assert f"add {FLOWS} to FLOWFORGE_IMPORTS" in none["fix"]


def test_queue_that_nobody_consumes(idle: Shell) -> None:
    """A queue that active jobs need and no worker consumes fails, and is named in the fix."""
    idle.submit("numbers")
    idle.report_worker("w@host", queues=["other"], routines=[])
    (finding,) = idle.findings(code=1)["queue"]
    assert finding["level"] == "fail"
    assert "-Q celery" in finding["fix"]


def test_worker_without_routines(idle: Shell) -> None:
    """It takes messages, and can do nothing with them."""
    idle.report_worker("w@host", queues=["celery"], routines=[])
    (finding,) = idle.findings()["worker"]
    assert (finding["level"], "FLOWFORGE_IMPORTS" in finding["fix"]) == ("warn", True)


def test_workers_of_several_releases(idle: Shell) -> None:
    """A warning that names them; workers of earlier releases do not say theirs."""
    facts: dict[str, Any] = {"queues": ["celery"], "routines": ["m.C"]}
    idle.report_worker("old@host", **facts)
    idle.report_worker("new@host", **facts, version="0.2.0")
    assert "releases" not in idle.findings()
    idle.report_worker("next@host", **facts, version="0.3.0")
    (finding,) = idle.findings()["releases"]
    assert finding["level"] == "warn"
    assert "0.2.0 (new@host), 0.3.0 (next@host)" in finding["text"]


def fail(shell: Shell, job_id: str, reason: str) -> None:
    """As a worker does after the last attempt."""
    invocations, token = shell.installation.engine.store.invocations, f"t-{job_id}"
    invocations.claim(job_id, "1.0.0", token, 60_000)
    details = pack_record("w1", 1, 5, {}, None, None)
    sample = ErrorSample.unplaced("ValueError", "no")
    invocations.fail(job_id, "1.0.0", token, 5, details, reason, pack_record({}), sample)


def test_jobs_that_failed_lately(idle: Shell) -> None:
    """How many of how many, and the most frequent reasons; one of very many is no warning."""
    jobs = [idle.submit("numbers") for _ in range(12)]
    assert idle.findings(code=1)["failures"][0]["level"] == "ok"
    for number, job_id in enumerate(jobs):
        fail(idle, job_id, "charge.input: ValueError: no" if number else "quarantined")
    found = idle.findings(code=1)
    assert found["failures"][0]["level"] == "fail"
    text = "12 of the 12 jobs that ended in the last hour failed: 11 x charge.input: ValueError: no"
    assert found["failures"][0]["text"].startswith(text)
    assert "flowforge jobs --status failed" in found["failures"][0]["fix"]
    causes = idle.json("errors", "--since", "1h")
    shown = idle.run("errors", causes[0]["id"]).stdout
    assert "flowforge errors GROUP has the command" in found["failures"][0]["fix"]
    assert f"retry --all-matching --flow numbers --error {causes[0]['id']}" in shown
    assert jobs[0] in found["poison"][0]["text"]
    assert f"flowforge retry {jobs[0]}" in found["poison"][0]["fix"]
    # As a flow that undoes what its jobs did marks them when they fail.
    idle.fields(jobs[0], undo="failed")
    (finding,) = idle.findings(code=1)["poison"]
    assert f"then flowforge rerun {jobs[0]}: what it did is undone" in finding["fix"]
    idle.fields(jobs[1], reason="quarantined")
    (finding,) = idle.findings(code=1)["poison"]
    assert finding["fix"].endswith(f"then flowforge retry {jobs[1]}")
    for job_id in jobs:
        idle.fields(job_id, ended=1)
    found = idle.findings()
    assert "0 of the 0 jobs" in found["failures"][0]["text"]
    assert "poison" not in found


def test_failures_among_very_many_jobs(idle: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more jobs than are looked at the counters of the workers tell how many there were."""
    monkeypatch.setattr("flowforge.store.fleet_reads.warning_signs._SAMPLE", 10)
    for _ in range(10):
        fail(idle, idle.submit("numbers"), "it broke")
    installation = idle.installation
    minute = installation.redis.time()[0] // 60
    for when, done in ((minute - 1, b"0 0 0 0 0 0 0"), (minute, b"900 880 12 0 900 12 0")):
        installation.redis.hset(installation.key("minute", str(when)), "numbers", done)
    created = {f"job-{number}": 10**13 for number in range(10)}
    installation.redis.zadd(installation.key("status", "completed"), created)
    (finding,) = idle.findings()["failures"]
    assert (finding["level"], finding["text"]) == (
        "ok", "about 12 of 892 jobs that ended in the last hour failed"
    )  # fmt: skip


def test_retry_storm(idle: Shell) -> None:
    """The job with most of the invocations that wait for another attempt is named.

    What was put off waits for its first one.
    """
    installation, later = idle.installation, 10**13
    timers = {f"job/{number}.0.0": later for number in range(150)}
    installation.redis.zadd(installation.key("timers"), {**timers, "other/1.0.0": later})
    assert "retries" not in idle.findings()
    claims = {member.partition("/")[2]: 1 for member in timers}
    installation.redis.hset(installation.key("claims", "job"), mapping=claims)
    installation.redis.hset(installation.key("claims", "other"), "u1.0.0", 1)
    (finding,) = idle.findings()["retries"]
    assert (
        "at least 151 invocations of 2 jobs wait for another attempt, 150 of them of job job"
        in (finding["text"])
    )
    assert finding["fix"].startswith("flowforge explain job ")


def test_retry_storm_of_many_jobs(idle: Shell) -> None:
    """No job has half of the invocations: the flow is named, and the command is about its jobs."""
    installation = idle.installation
    jobs = [idle.submit("numbers") for _ in range(3)]
    for job_id in jobs:
        members = [f"{number}.0.0" for number in range(50)]
        timers = {f"{job_id}/{member}": 10**13 for member in members}
        installation.redis.zadd(installation.key("timers"), timers)
        claims = dict.fromkeys(members, 1)
        installation.redis.hset(installation.key("claims", job_id), mapping=claims)
    (finding,) = idle.findings(code=1)["retries"]
    assert finding["text"] == (
        "at least 150 invocations of 3 jobs wait for another attempt, 150 of them of flow numbers"
    )
    explain, pause = finding["fix"].split("; ")
    assert explain in [f"flowforge explain {job_id} shows the error" for job_id in jobs]
    assert pause == ("flowforge pause --all-matching --flow numbers stops the attempts of its jobs")


def test_handler_that_hangs_and_invocation_that_lost_workers(idle: Shell) -> None:
    """Both are named with what to do; a handler that is as slow as usual is not."""
    engine, job_id = idle.installation.engine, idle.submit("numbers")
    token = f"{mark_of('w@host')}0012670123456789ab-1"
    engine.store.invocations.claim(job_id, "1.0.0", token, 60_000)
    now = engine.overview.now()
    claims, routines = (idle.installation.key(n, job_id) for n in ("claims", "routines"))
    claimed = idle.installation.key("claim_time", f"{job_id}/1.0.0/{token}")
    idle.installation.redis.set(claimed, now - 300_000)
    idle.installation.redis.hset(routines, mapping={"0.micros": 20_000_000, "0.completed": 10})
    idle.report_worker("w@host", queues=["celery"], routines=["m.C"])
    found = idle.findings(code=1)
    assert "poison" not in found
    assert f"start of job {job_id} for 5 min" in found["handlers"][0]["text"]
    assert "usually 2.0 s" in found["handlers"][0]["text"]
    assert found["handlers"][0]["fix"] == (
        "look at process 4711 of worker w@host: py-spy dump --pid 4711; kill -9 4711 lets another "
        f"process run the invocation again; flowforge cancel {job_id} ends the job"
    )
    explained = idle.json("explain", job_id)[0]
    assert (explained["details"]["stuck"], explained["command"]) == (
        True, found["handlers"][0]["fix"],
    )  # fmt: skip
    idle.installation.redis.hset(routines, "0.micros", 400_000_000)
    idle.installation.redis.hset(claims, "l1.0.0", 2)
    found = idle.findings(code=1)
    assert "handlers" not in found
    assert f"{job_id} invocation 1 (2 workers)" in found["poison"][0]["text"]


def test_long_pause(idle: Shell) -> None:
    """After an hour it may have been forgotten."""
    job_id = idle.submit("numbers")
    idle.run("pause", job_id, "--reason", "look")
    assert "paused" not in idle.findings(code=1)
    idle.fields(job_id, updated=1)
    (finding,) = idle.findings(code=1)["paused"]
    assert f"{job_id} (look)" in finding["text"]
    assert finding["fix"] == f"flowforge resume {job_id}"


def test_paused_queue_and_fair_keys(idle: Shell) -> None:
    """A pause of more than an hour may have been forgotten."""
    for _ in range(12):
        idle.submit("numbers", "--fair-key", "acme")
    (turns,) = idle.findings(code=1)["fair-keys"]
    assert turns["level"] == "ok"
    assert turns["text"].startswith("celery: 1 fair key takes turns, 4 invocations wait, 8 of ")
    idle.installation.redis.hset(
        idle.installation.key("fair_lists"), f"m{idle.installation.broker_list()}", 2
    )
    (turns,) = idle.findings(code=1)["fair-keys"]
    assert turns["text"].endswith(", 8 in the broker, the next follows when fewer than 2 are")
    idle.run("queues", "pause", "celery", "--reason", "night", "--by", "kim")
    (pause,) = idle.findings(code=1)["queue-pauses"]
    assert pause["level"] == "ok"
    assert pause["text"].startswith("queue celery has been paused by kim (night) for ")
    key, redis = idle.installation.key("queue_pauses"), idle.installation.redis
    at, _, rest = redis.hget(key, "pcelery").partition(b" ")
    redis.hset(key, "pcelery", b"%d %b" % (int(at) - 7_200_000, rest))
    (pause,) = idle.findings(code=1)["queue-pauses"]
    assert (pause["level"], pause["fix"]) == ("warn", "flowforge queues resume celery")


def test_jobs_beyond_their_retention(idle: Shell) -> None:
    """The upkeep should have removed them."""
    idle.installation.redis.zadd(idle.installation.key("expiry"), {"job": 1})
    (finding,) = idle.findings()["retention"]
    assert "1 ended job is kept" in finding["text"]


def test_overdue_leases_and_timers(idle: Shell) -> None:
    """Leases and timers that the upkeep has missed for long fail the examination."""
    redis, key = idle.installation.redis, idle.installation.key
    redis.zadd(key("leases"), {"job/1.0.0/token": 1})
    redis.zadd(key("timers"), {"job/1.0.0": 1})
    found = idle.findings(code=1)
    assert "1 claim of a worker that died has" in found["leases"][0]["text"]
    assert "1 retry, delay or timeout is overdue" in found["timers"][0]["text"]


def test_lost_messages(idle: Shell) -> None:
    """Messages that were popped and never claimed are counted."""
    idle.submit("numbers")
    assert idle.installation.redis.rpop(idle.installation.broker_list())
    (finding,) = idle.findings(code=1)["messages"]
    assert finding["level"] == "warn"
    assert "0 messages wait, 1 popped and not claimed" in finding["text"]


def test_stuck_job(idle: Shell) -> None:
    """A job with nothing outstanding that has not ended for long is stuck."""
    job_id = idle.submit("numbers")
    assert "stuck" not in idle.findings(code=1)
    idle.fields(job_id, queued=0, updated=1)
    (finding,) = idle.findings(code=1)["stuck"]
    assert job_id in finding["text"]
    idle.installation.redis.hset(idle.installation.key("children", job_id), "child", "2.0.99999")
    assert "stuck" not in idle.findings(code=1)
    assert idle.json("show", job_id)["open_child_job_ids"] == ["child"]
    assert "child jobs child" in idle.run("show", job_id).stdout


def test_jobs_that_wait_for_their_turns(idle: Shell) -> None:
    """They are not stuck; after an hour the job is named that has the key, and what keeps it."""
    first, *others = [
        idle.submit("numbers", "--single", "acme", "--when-running", "queue") for _ in range(3)
    ]
    idle.run("pause", first, "--reason", "look")
    for job_id in others:
        idle.fields(job_id, updated=1)
    found = idle.findings(code=1)
    assert not {"stuck", "single"} & found.keys()
    for job_id in others:
        idle.fields(job_id, created=1)
    (finding,) = idle.findings(code=1)["single"]
    assert (finding["level"], finding["fix"].split(" says")[0]) == (
        "warn", f"flowforge explain {first}",
    )  # fmt: skip
    assert finding["text"].startswith(
        "2 jobs have been waiting for their turns for more than an hour: job "
        f"{first} has the key 'acme' (it is paused"
    )


def test_a_job_that_calls_put_off_without_end(idle: Shell) -> None:
    """For more than a day; one that has a time at which it starts at the latest is fine."""
    for key, at_most in (("doc", ()), ("other", ("--debounce-at-most", "9d"))):
        job_id = idle.submit("numbers", "--debounce", key, "--debounce-wait", "2h", *at_most)
        idle.fields(job_id, created=1, calls=100)
    (finding,) = idle.findings(code=1)["debounce"]
    assert finding["text"].startswith("1 job has been put off by calls for more than a day: ")
    assert job_id not in finding["text"]


def test_counters_below_zero(idle: Shell) -> None:
    """A job that counts less than nothing never ends: it is named, and cancelling it helps."""
    job_id = idle.submit("numbers")
    assert "counters" not in idle.findings(code=1)
    idle.fields(job_id, queued=-1, waiting=-2)
    (finding,) = idle.findings(code=1)["counters"]
    assert f"{job_id} (queued -1, parked -2)" in finding["text"]
    assert finding["fix"].startswith(f"flowforge cancel {job_id} ")
    idle.run("cancel", job_id)
    assert "counters" not in idle.findings()


@pytest.mark.parametrize(("status", "verb"), [("failed", "retry"), ("paused", "resume")])
def test_job_that_its_parent_holds(idle: Shell, status: str, verb: str) -> None:
    """It is not stuck: what lets it go on is done to the job that has started it."""
    parent, child = idle.submit("numbers"), idle.submit("numbers")
    idle.fields(parent, status=status)
    idle.fields(child, queued=0, waiting=1, updated=1, parent=f"{parent}/2.0.99999")
    found = idle.findings(code=1)
    assert "stuck" not in found
    assert child in found["parked"][0]["text"]
    assert found["parked"][0]["fix"] == f"flowforge {verb} {parent}"


def test_definition_that_is_gone(idle: Shell) -> None:
    """A job whose definition is missing cannot go on, and the doctor says which."""
    job_id = idle.submit("numbers")
    name = idle.json("show", job_id)["definition"]
    idle.installation.redis.delete(idle.installation.key("definition", name))
    (finding,) = idle.findings(code=1)["definition"]
    assert job_id in finding["text"]
    assert "cancel" in finding["fix"]


def test_damaged_records(idle: Shell) -> None:
    """What the upkeep passed over is a warning that names it."""
    idle.installation.engine.store.upkeep.tell_damaged("timers", "garbage", "no timer")
    (finding,) = idle.findings()["damaged"]
    assert finding["level"] == "warn"
    assert "timers garbage: no timer" in finding["text"]
    idle.installation.redis.delete(idle.installation.key("damaged"))
    (finding,) = idle.findings()["damaged"]
    assert finding["level"] == "ok"


def test_server_that_evicts() -> None:
    """A server that may delete keys fails the examination, with the command that mends it."""
    with LocalServer.start(config={"maxmemory-policy": "allkeys-lru"}) as server:
        result = click.testing.CliRunner().invoke(cli, ["--redis-url", server.url, "doctor"])
    assert result.exit_code == 1
    assert "fail  eviction" in result.stdout
    assert "CONFIG SET maxmemory-policy noeviction" in result.stdout


def test_server_that_is_nearly_full() -> None:
    """A server close to its memory limit is a warning, since it will refuse new work."""
    with LocalServer.start(config={"maxmemory": "1mb"}) as server:
        result = click.testing.CliRunner().invoke(cli, ["--redis-url", server.url, "doctor"])
    assert "warn  memory" in result.stdout


def test_server_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable server is a failed finding for the doctor and one line for the others."""
    monkeypatch.setattr("flowforge.engine.engine.PRODUCER_PATIENCE", 0.1)
    with LocalServer.start() as server:
        url = server.url
    runner = click.testing.CliRunner()
    report = json.loads(runner.invoke(cli, ["--redis-url", url, "doctor", "--json"]).stdout)
    assert not report["ok"]
    assert report["findings"][-1]["check"] == "server"
    listed = runner.invoke(cli, ["--redis-url", url, "jobs"])
    assert listed.exit_code == 1
    assert listed.stderr.startswith("error: the Redis server at 127.0.0.1:")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (("//:", "//:wrong"), "refused the login .*; check user and password"),
        (("/0", "/99"), "has no database 99 .*; correct the URL, or raise `databases`"),
    ],
    ids=["login", "database"],
)
def test_server_that_refuses(server: LocalServer, wrong: tuple[str, str], text: str) -> None:
    """The one remedy is that of the error itself."""
    url = server.url.replace(*wrong)
    result = click.testing.CliRunner().invoke(cli, ["--redis-url", url, "doctor", "--json"])
    assert result.exit_code == 1
    finding = json.loads(result.stdout)["findings"][-1]
    assert (finding["level"], finding["check"], finding["fix"]) == ("fail", "server", "")
    assert re.search(text, finding["text"])


def test_no_server_named() -> None:
    """Without a server there are no jobs to look at, and the message says what to set."""
    runner = click.testing.CliRunner()
    for command in (["jobs"], ["show", "abc"], ["cancel", "abc"]):
        result = runner.invoke(cli, command)
        assert result.exit_code == 1
        assert "set FLOWFORGE_REDIS_URL or give --redis-url" in result.stderr
    assert runner.invoke(cli, ["doctor"]).exit_code == 1


@pytest.mark.parametrize("url", ["redis://:se/cret@host/0", "redis://:secret@host:port/0"])
def test_unreadable_url(url: str) -> None:
    """A URL that cannot be read is refused without repeating any part of it."""
    result = click.testing.CliRunner().invoke(cli, ["--redis-url", url, "jobs"])
    assert result.exit_code == 1
    assert "percent-encode" in result.stderr
    assert "se" not in result.stderr.replace("server", "").replace("set", "")


@pytest.mark.attack(what="Another program's value in place of a key that there is one of")
@pytest.mark.attack(what="Another program's value in place of a key of one job")
def test_something_else_in_place_of_keys(idle: Shell) -> None:
    """Each is named, with the command that moves it; what does not need them is examined."""
    link, keys = idle.installation.engine.link, idle.installation.engine.store.keys
    job_id = idle.submit("numbers")
    wrong = [keys.of("error_groups"), keys.of("queue_pauses"), keys.of("stats", job_id)]
    for key in wrong:
        link.call("RPUSH", key, "by hand")
    try:
        found = idle.findings(code=1)
        assert {one["text"].split()[0] for one in found["keys"]} == set(wrong)
        for one in found["keys"]:
            key = one["text"].split()[0]
            assert f"redis-cli RENAME {key} {key}-aside" in one["fix"]
            assert one["fix"].endswith(f"flowforge cancel {job_id}") == (job_id in key)
        assert {"jobs", "failures", "leases"} <= set(found)
    finally:
        for key in wrong:
            link.call("DEL", key)
    idle.run("cancel", job_id)
    assert "keys" not in idle.findings()
