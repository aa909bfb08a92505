"""The users of docs/how-to/access-lists.md: each can do its work and nothing else."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from flowforge import ErrorHandler, JobState
from flowforge.broker.fleet_app import fleet_app
from flowforge.codec.binary import pack_record
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.local.server import LocalServer
from flowforge.model.limit import LimitSettings
from flowforge.settings import from_environment
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.store.fleet_reads.worker_reports import STALE
from flowforge.store.scripts import SCRIPTS, script_names
from flowforge.store.store import Store
from tests.integration.flows import Flaky, countdown, single, squares
from tests.integration.installation import FAST, FLOWS, LIMIT
from tests.integration.web_client import dashboard
from tests.support.eventually import eventually
from tests.support.fleet import ROOT, Fleet
from tests.support.forked_process import run_forked

DOCUMENT = Path(__file__).parents[2] / "docs/how-to/access-lists.md"
ROLES = ("worker", "producer", "viewer")

#: What submitting, controlling and the commands of producers run.
PRODUCERS_SCRIPTS = {
    "submit",
    "submit_keyed",
    "pause",
    "resume",
    "cancel",
    "name",
    "requeue",
    "label",
    "delete_job",
    "test_hook",
    "replay_deliveries",
    "drop_deliveries",
    "forget_hook",
}


@dataclass(frozen=True)
class Guarded:
    """A server on which each role has its user."""

    server: LocalServer
    admin: Any
    urls: dict[str, str]
    engine: Engine
    fleet: Fleet

    def client(self, role: str) -> redis.Redis:
        return redis.Redis.from_url(self.urls[role])

    def denied(self) -> list[tuple[str, str]]:
        """(user, what) of every command that was refused."""
        return [(entry["username"], entry["object"]) for entry in self.admin.acl_log()]


def documented_users() -> list[str]:
    """The lines of the page."""
    text = DOCUMENT.read_text()
    block = text.partition("<!-- acl: begin -->")[2].partition("<!-- acl: end -->")[0]
    return re.findall(r"^ACL SETUSER .+$", block, re.MULTILINE)


def test_the_users_may_run_what_their_scripts_use() -> None:
    """A command that is refused in the middle of a script leaves half a transition behind."""
    scripts = {"worker": set(script_names()), "producer": PRODUCERS_SCRIPTS}
    for line in documented_users():
        role = line.split()[2].removeprefix("ff-")
        used = {
            command.lower()
            for name in scripts.get(role, ())
            for command in re.findall(r"call\(\s*'([A-Z]+)'", SCRIPTS[name].source)
        }
        assert used - set(re.findall(r"\+([a-z]+)", line)) == set(), role


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server of its own with the users of the page, a producer's engine and a worker."""
    with LocalServer.start() as server, redis.Redis.from_url(server.url) as admin:
        urls = {}
        for role, line in zip(ROLES, documented_users(), strict=True):
            password = secrets.token_hex(8)
            words = line.replace(f"{role.upper()}-PASSWORD", password).split()
            admin.execute_command(*words)
            urls[role] = f"redis://ff-{role}:{password}@127.0.0.1:{server.port}/0"
        settings = from_environment({}, redis_url=urls["producer"], **FAST)
        engine = Engine(settings, fleet_app(settings))
        former = set_engine(engine)
        directory = tmp_path_factory.mktemp("acl")
        try:
            with Fleet(urls["worker"], "ff", directory, (FLOWS,), **FAST) as fleet:
                fleet.start()
                yield Guarded(server, admin, urls, engine, fleet)
        finally:
            set_engine(former)
            engine.close()


@pytest.fixture(autouse=True)
def _nothing_denied_yet(guarded: Guarded) -> None:
    """The server's list of refused commands begins with the test."""
    guarded.admin.acl_log_reset()


def flowforge(url: str, *arguments: str, prefix: str = "ff") -> subprocess.CompletedProcess[str]:
    """Run the command line as whoever the URL names."""
    env = {**os.environ, "FLOWFORGE_PREFIX": prefix}
    words = ("--redis-url", url, *arguments)
    return run_forked("flowforge.cli", *words, cwd=ROOT, env=env, timeout=LIMIT)


def for_prefix(line: str, prefix: str) -> str:
    """A line of the page for a prefix of one's own, as the page says."""
    user, words = f"ff-{prefix}", line.split()
    keys = f"{'%R' if '%R~ff:*' in words else ''}~{prefix}:*"
    rest = [word for word in words[5:] if word[0] not in "~&%"]
    return " ".join([*words[:2], f"{user}-{words[2]}", *words[3:5], *rest, keys, f"&{prefix}:*"])


@pytest.mark.parametrize("variant", ["another database", "a prefix of its own"])
def test_the_documented_users_are_enough_for_the_documented_command(
    guarded: Guarded, tmp_path: Path, variant: str
) -> None:
    """From the start of a worker to its end, in any database and below any prefix."""
    urls, prefix, database = dict(guarded.urls), "ff", 0
    if variant == "another database":
        database = 3
        urls = {role: f"{url[:-1]}{database}" for role, url in urls.items()}
    else:
        prefix = "shop"
        for role, line in zip(ROLES, documented_users(), strict=True):
            words = for_prefix(line, prefix).replace(f"{role.upper()}-PASSWORD", "secret")
            guarded.admin.execute_command(*words.split())
            user = f"ff-shop-ff-{role}:secret"
            urls[role] = f"redis://{user}@127.0.0.1:{guarded.server.port}/0"
    settings = from_environment({}, redis_url=urls["producer"], prefix=prefix, **FAST)
    engine = Engine(settings, fleet_app(settings))
    former = set_engine(engine)
    try:
        with Fleet(urls["worker"], prefix, tmp_path, (FLOWS,), **FAST) as fleet:
            worker = fleet.start()
            assert countdown().execute("it", {"n": 5}).wait(LIMIT).status == "completed"
            done = flowforge(urls["viewer"], "jobs", "--json", prefix=prefix)
            assert len(json.loads(done.stdout)) == 1, done.stderr
            fleet.terminate(worker)
            fleet.wait_until_ended(worker)
            assert "ermission" not in worker.output()
    finally:
        set_engine(former)
        engine.close()
    assert guarded.denied() == []


def test_producer_and_worker_do_their_work(guarded: Guarded) -> None:
    """Submitting, running, retrying, merging, pausing, resuming and cancelling need no more."""
    job = countdown().execute("it", {"n": 5})
    assert job.wait(LIMIT).status == "completed"
    paused = countdown().execute("it", {"n": 200})
    paused.pause(reason="look")
    paused.resume()
    assert paused.wait(LIMIT).status == "completed"
    cancelled = countdown().execute("it", {"n": 100_000})
    cancelled.cancel()
    assert cancelled.wait(LIMIT).status == "cancelled"
    assert squares().execute("fan", {"count": 300}).wait(LIMIT).status == "completed"
    retried = single(Flaky)
    retried.set_error_handler(ErrorHandler("retry", max_retries=2, retry_delay=0.01))
    assert retried.execute("it", {"failures": 2}).wait(LIMIT).status == "completed"
    assert list(job.get_execution_history())
    assert guarded.denied() == []


def test_a_worker_does_its_upkeep(guarded: Guarded) -> None:
    """Refusing rubbish, recovering lost work and stopping in order need no more."""
    guarded.admin.lpush("celery", "rubbish")
    letters = DeadLetters(guarded.engine.store)
    eventually(letters.count, message="a dead letter")
    letters.drop_all()
    worker = guarded.fleet.start()
    job = countdown().execute("it", {"n": 300})
    guarded.fleet.kill(worker)
    assert job.wait(LIMIT).status == "completed"
    leaving = guarded.fleet.start(pool="solo")
    guarded.fleet.terminate(leaving)
    guarded.fleet.wait_until_ended(leaving)
    assert "ermission" not in "".join(worker.output() for worker in guarded.fleet.workers)
    assert guarded.denied() == []


def test_a_viewer_sees_everything(guarded: Guarded) -> None:
    """The reading commands of the command line work with read-only rights."""
    job = countdown().execute("it", {"n": 3}).wait(LIMIT)
    url = guarded.urls["viewer"]
    paused = countdown().execute("it", {"n": 200})
    paused.pause("look")
    guarded.engine.limits.set("api", LimitSettings(running=1))
    for arguments in (
        ("jobs", "--flow", job.flow_id, "--status", "completed"), ("show", job.job_id),
        ("show", paused.job_id), ("explain", paused.job_id),
        ("history", job.job_id), ("dead-letters",), ("limits", "list"), ("limits", "show", "api"),
        ("schedules", "list"), ("expects",), ("queues", "list"),
    ):  # fmt: skip
        done = flowforge(url, *arguments, "--json")
        assert done.returncode == 0, (arguments, done.stderr)
        json.loads(done.stdout)
    follows = flowforge(url, "history", job.job_id, "--follow")
    assert (follows.returncode, follows.stderr) == (0, "")
    doctor = flowforge(url, "doctor", "--json")
    assert "permission" not in (doctor.stderr + doctor.stdout).lower()
    assert {finding["check"] for finding in json.loads(doctor.stdout)["findings"]} >= {"damaged"}
    with_viewer = Engine(
        from_environment({}, redis_url=url), fleet_app(from_environment({}, redis_url=url))
    )
    with pytest.raises(TimeoutError):
        list(JobState(paused.job_id, with_viewer).events(timeout=0.1))
    paused.cancel()
    assert with_viewer.wait(job.job_id, 5) == "completed"
    with_viewer.close()


@pytest.mark.attack(what="A viewer that controls jobs")
@pytest.mark.parametrize("verb", ["pause", "cancel", "retry"])
def test_a_viewer_changes_nothing(guarded: Guarded, verb: str) -> None:
    """Control is refused with a clear error, and the job does not change."""
    job: JobState = countdown().execute("it", {"n": 3}).wait(LIMIT)
    done = flowforge(guarded.urls["viewer"], verb, job.job_id)
    assert done.returncode == 1
    assert "permission" in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert job.status == "completed"


#: What nobody but an administrator may do.
FORBIDDEN: dict[str, Callable[[redis.Redis], Any]] = {
    "flush everything": lambda client: client.flushall(),
    "flush a database": lambda client: client.flushdb(),
    "read the configuration": lambda client: client.config_get("*"),
    "change the configuration": lambda client: client.config_set("dir", "/tmp"),
    "list all keys": lambda client: client.keys("*"),
    "scan all keys": lambda client: client.scan(),
    "load a module": lambda client: client.execute_command("MODULE", "LOAD", "/tmp/x.so"),
    "become a replica": lambda client: client.execute_command("REPLICAOF", "127.0.0.1", "1"),
    "give itself rights": lambda client: client.execute_command("ACL", "SETUSER", "x", "on"),
    "watch others": lambda client: client.execute_command("MONITOR"),
    "end connections": lambda client: client.execute_command("CLIENT", "KILL", "TYPE", "normal"),
    "stop the server": lambda client: client.execute_command("SHUTDOWN", "NOSAVE"),
    "freeze the server": lambda client: client.execute_command("DEBUG", "SLEEP", "0"),
    "forget scripts": lambda client: client.script_flush(),
    "read keys of others": lambda client: client.hgetall("others"),
    "write keys of others": lambda client: client.set("others", "x"),
    "read them in a script": lambda client: client.eval("return redis.call('GET', 'others')", 0),
    "publish for others": lambda client: client.execute_command("PUBLISH", "others", "x"),
}


@pytest.mark.attack(what="Any user that administers the server, or reaches keys of others")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_not_needed_is_denied(guarded: Guarded, role: str, name: str) -> None:
    """No user administers the server or reaches keys and channels of others."""
    with (
        guarded.client(role) as client,
        pytest.raises((NoPermissionError, redis.ResponseError)) as e,
    ):
        FORBIDDEN[name](client)
    assert re.search("no permissions|not allowed", str(e.value), re.IGNORECASE)


@pytest.mark.attack(what="A viewer that writes, publishes or runs scripts")
def test_a_viewer_cannot_write(guarded: Guarded) -> None:
    """Neither its commands nor its key patterns allow it, and it runs no scripts."""
    with guarded.client("viewer") as client:
        for attempt in (
            lambda: client.set("ff:x", "1"),
            lambda: client.lpush("celery", "x"),
            lambda: client.hset("ff:workers", "x", "y"),
            lambda: client.eval("return redis.call('SET', 'ff:x', '1')", 0),
            lambda: client.publish("ff:n:x", "completed"),
        ):
            with pytest.raises(NoPermissionError):
                attempt()
    assert not guarded.admin.exists("ff:x")


#: What producers may not do to a queue, as a command and in a script.
ON_QUEUES: tuple[tuple[str, ...], ...] = (
    ("LPOP", "celery"), ("RPOP", "celery"), ("BRPOP", "celery", "1"), ("UNLINK", "celery"),
    ("SET", "celery", "x"), ("EXPIRE", "celery", "1"), ("LSET", "celery", "0", "x"),
    ("LTRIM", "celery", "1", "0"), ("HSET", "celery-other", "x", "y"), ("RENAME", "celery", "ff:x"),
)  # fmt: skip


@pytest.mark.attack(what="A producer that takes, removes or replaces the messages of a queue")
@pytest.mark.parametrize("command", ON_QUEUES, ids=lambda command: command[0])
def test_a_producer_only_adds_to_queues(guarded: Guarded, command: tuple[str, ...]) -> None:
    """Only workers may pop and remove messages; a producer's script may not either."""
    script = "return redis.call(unpack(ARGV))"
    with guarded.client("producer") as client:
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
        if command[0] != "BRPOP":
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|not allowed"):
                client.eval(script, 0, *command)
        assert client.llen("celery") >= 0


@pytest.mark.attack(what="A producer's script that never ends")
def test_an_administrator_ends_an_endless_script(guarded: Guarded) -> None:
    """Other clients get BUSY; an administrator ends the script, and the server goes on."""
    guarded.admin.config_set("busy-reply-threshold", 100)
    ended: list[str] = []

    def run() -> None:
        with guarded.client("producer") as client, pytest.raises(redis.ResponseError) as error:
            client.eval("while true do end", 0)
        ended.append(str(error.value))

    def busy() -> bool:
        try:
            guarded.admin.ping()
        except redis.ResponseError as error:
            return str(error).startswith("BUSY")
        return False

    thread = threading.Thread(target=run)
    thread.start()
    try:
        eventually(busy, message="a busy server")
    finally:
        guarded.admin.script_kill()
        thread.join(LIMIT)
        guarded.admin.config_set("busy-reply-threshold", 5000)
    assert "killed" in ended[0].lower()
    assert guarded.admin.ping()


@dataclass(frozen=True)
class Quiet:
    """A database in which a job has ended and no worker runs: reports are the test's own."""

    store: Store
    job: JobState
    viewer: Engine

    def report(self, age: int = 0) -> None:
        """What a worker reports of itself, or has reported so many seconds ago."""
        now = int(self.store.link.call("TIME")[0])
        facts = {"pid": 7, "pool": "solo", "queues": ["celery"], "routines": []}
        record = pack_record(now - age, facts)
        self.store.link.call("HSET", self.store.keys.of("workers"), "w@h", record)


@pytest.fixture
def quiet(guarded: Guarded, tmp_path: Path) -> Iterator[Quiet]:
    """One that the viewer reads."""
    urls = {role: f"{url[:-1]}4" for role, url in guarded.urls.items()}
    producer, viewer = (
        Engine(settings, fleet_app(settings))
        for settings in (from_environment({}, redis_url=urls[one]) for one in ROLES[1:])
    )
    former = set_engine(producer)
    try:
        with Fleet(urls["worker"], "ff", tmp_path, (FLOWS,), **FAST) as fleet:
            worker = fleet.start()
            job = countdown().execute("it", {"n": 1}).wait(LIMIT)
            fleet.kill(worker)
        producer.store.link.call("UNLINK", producer.store.keys.of("workers"))
        yield Quiet(producer.store, job, viewer)
    finally:
        set_engine(former)
        for engine in (producer, viewer):
            engine.close()


def test_a_viewer_is_enough_for_a_dashboard_that_is_read_only(
    guarded: Guarded, quiet: Quiet
) -> None:
    """Every page is shown, changes as jobs do, and no command is refused while workers report."""
    own = f"/jobs/{quiet.job.job_id}"
    addresses = [
        "/", "/jobs", "/jobs?text=x&status=completed", own, f"{own}/log", f"{own}/invocations/1",
        f"{own}/invocations?routine=it", "/flows", f"/flows/one?id={quiet.job.flow_id}", "/errors",
        "/workers", "/doctor", "/bulk", "/dead-letters", "/audit", "/audit?by=kim", "/limits",
        "/schedules", "/answers",
    ]  # fmt: skip
    with dashboard(quiet.viewer, read_only=True) as client:
        for address in addresses:
            quiet.report()
            assert "read-only" in client.page(address), address
        client.post(f"{own}/delete", data={"token": "any"})
        assert "There are no such entries" in client.page("/audit")
    assert guarded.denied() == []


@pytest.mark.parametrize("address", ["/workers", "/doctor"])
def test_a_viewer_is_refused_a_write_while_a_worker_is_silent(
    guarded: Guarded, quiet: Quiet, address: str
) -> None:
    """The page would tell whether the server takes the worker's reports, and is shown without."""
    quiet.report(age=STALE + 60)
    with dashboard(quiet.viewer, read_only=True) as client:
        assert "w@h" in client.page(address)
    assert set(guarded.denied()) == {("ff-viewer", "evalsha")}


def test_a_viewer_is_refused_the_write_of_an_explanation(guarded: Guarded, quiet: Quiet) -> None:
    """It would tell whether the server takes writes; the rest is told all the same."""
    job = countdown().execute("it", {"n": 1})
    quiet.report()
    guarded.admin.acl_log_reset()
    assert "waits on the queue" in " ".join(one.what for one in quiet.viewer.explain(job.job_id))
    assert set(guarded.denied()) == {("ff-viewer", "evalsha")}
