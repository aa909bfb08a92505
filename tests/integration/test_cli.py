"""Running, watching, showing and controlling jobs from the command line."""

from __future__ import annotations

import json
import re
import shlex
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import click.testing
import pytest

from flowforge.cli.main import cli
from flowforge.cli.terminal.look_view import LookView
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.integration.cli_shell import FLOWS, Shell
from tests.support.eventually import eventually

#: A job that hangs must not hold up the suite for long.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_settings")]


# --- queues ----------------------------------------------------------------------------


def test_a_queue_is_paused_and_resumed(idle: Shell) -> None:
    """A second pause changes nothing; a queue that is not known is told of."""
    job_id = idle.submit("numbers")
    paused = idle.run("queues", "pause", "celery", "--reason", "night", "--by", "kim")
    assert paused.stdout.startswith("queue celery is paused by kim since 20")
    again = idle.json("queues", "pause", "celery", "--by", "lea")
    assert (again["changed"], again["paused"]["by"]) == (False, "kim")
    (row,) = idle.json("queues", "list")
    assert (row["queue"], row["waiting"], row["paused"]["reason"]) == ("celery", 1, "night")
    line = idle.run("queues", "list").stdout.splitlines()[1]
    assert re.match(r"celery +paused by kim since .* 1 +0 +- +night", line)
    assert "queue 'celery' is paused by kim (night)" in idle.run("explain", job_id).stdout
    assert idle.run("queues", "resume", "celery").stdout == "queue celery goes on\n"
    assert idle.run("queues", "resume", "celery").stdout == "queue celery was not paused\n"
    unknown = idle.run("queues", "pause", "celeri")
    text = "no worker serves the queue celeri, and it had no message yet. Did you mean 'celery'?"
    assert text in unknown.stderr
    idle.run("queues", "resume", "celeri")
    refused = idle.run("queues", "pause", "a\nb", code=1)
    assert "no worker serves" not in refused.stderr
    assert "the name of a queue has no control characters; this is 'a\\nb'" in refused.stderr
    told = [(one["action"], one["what"]) for one in idle.json("audit")]
    assert ("pause queue", "queue celery") in told
    assert idle.installation.queued() == 1


# --- limits ----------------------------------------------------------------------------


def test_a_limit_is_changed_and_shown(idle: Shell) -> None:
    """A key wins over its limit; what is set is in force at once, and kept in the audit stream."""
    assert idle.json("limits", "list") == []
    assert "no limit is known" in idle.run("limits", "list").stderr
    told = idle.run("limits", "set", "vendor", "running=8", "rate=100", "period=60", "--by", "kim")
    assert told.stdout == "limit vendor: 8 running, 100 in 60 s\n"
    assert "no worker has said that its code has a limit vendor" in told.stderr
    idle.run("limits", "set", "vendor/acme", "running=2", "rate=none")
    (key,) = idle.json("limits", "show", "vendor/acme")
    assert (key["limit"]["running"], key["limit"]["rate"], key["waiting"]) == (2, None, 0)
    assert key["from"]["running"] == "set for vendor/acme"
    lines = idle.run("limits", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["vendor", "vendor/acme"]
    shown = idle.run("limits", "show", "vendor/other")
    assert "no worker has said that its code has a limit vendor" in shown.stderr
    idle_key = shown.stdout
    assert re.search(r"^vendor/other +0 +0 +8 running, 100 in 60 s +on$", idle_key, re.MULTILINE)
    assert re.search(r"^running +8 +set for vendor$", idle_key, re.MULTILINE)
    assert idle.run("limits", "disable", "vendor").stdout.endswith("60 s, disabled\n")
    assert idle.json("limits", "enable", "vendor", "--reason", "ok")["limit"]["enabled"] is True
    assert idle.run("limits", "remove", "vendor").stdout == "limit vendor: none\n"
    assert "nothing is set for vendor" in idle.run("limits", "remove", "vendor", code=1).stderr
    found = [(one["by"], one["action"], one["what"]) for one in idle.json("audit")]
    assert found[-1] == ("kim", "set limit", "limit vendor running=8 rate=100 period=60")


def test_limits_are_listed_in_pages(idle: Shell) -> None:
    """By name; behind a page the list says where the next one goes on, of one limit as well."""
    keys = ["vendor", *(f"vendor/{n}" for n in range(5)), "zone"]
    for key in reversed(keys):
        idle.run("limits", "set", key, "running=1")

    def told(*arguments: str) -> tuple[list[str], list[str]]:
        result = idle.run("limits", *arguments)
        found = re.findall(r"^(\S+) +0 +0 +1 running", result.stdout, re.MULTILINE)
        return found, re.findall(r"^there are more: --cursor (\S+)$", result.stderr, re.MULTILINE)

    assert told("list", "--limit", "3") == (keys[:3], [keys[2]])
    assert told("list", "--limit", "3", "--cursor", keys[2]) == (keys[3:6], [keys[5]])
    assert told("list", "--cursor", keys[5]) == (keys[6:], [])
    assert [one["key"] for one in idle.json("limits", "list", "--limit", "2")] == keys[:2]
    assert "no more keys" in idle.run("limits", "list", "--cursor", "zone").stderr
    assert told("show", "vendor", "--limit", "4") == (keys[:4], [keys[3]])
    assert told("show", "vendor", "--cursor", keys[3]) == (keys[4:6], [])
    assert "no more keys" in idle.run("limits", "show", "vendor", "--cursor", "w", code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("set", "vendor", "walking=8"), "walking=8 is no setting: write running=8, rate=100"),
        (("set", "vendor", "running=many"), "running must be a whole number, not 'many'"),
        (("set", "vendor", "rate=0.5"), "not '0.5'; one in two seconds is rate=1 period=2"),
        (("set", "vendor", "running=-1"), "running of limit 'vendor' must be"),
        (("set", "ven dor", "running=1"), "the name of a limit has letters"),
        (("set", "vendor/", "running=1"), "a key is NAME or NAME/VALUE, not 'vendor/'"),
        (("show", "other"), "there is no limit other; see flowforge limits list"),
        (("show", "other", "--json"), "there is no limit other; see flowforge limits list"),
    ],
)
def test_what_is_no_limit_is_refused(idle: Shell, arguments: tuple[str, ...], text: str) -> None:
    """With what to write in its place."""
    result = click.testing.CliRunner().invoke(
        cli, ["--redis-url", idle.installation.server.url, "limits", *arguments]
    )
    assert result.exit_code in (1, 2)
    assert text in result.stderr.replace("\n", " ")
    assert idle.json("limits", "list") == []


# --- run and watch ---------------------------------------------------------------------


def test_params_that_the_entry_cannot_be_called_with(idle: Shell) -> None:
    """They are refused before a job is submitted, with the close match."""
    for given, text in (
        (("--param", "pth=x"), "gate.input does not take the param 'pth'; it takes: 'path'. Did"),
        ((), "it was given no params: give it a value, with --param NAME=VALUE"),
    ):
        assert text in idle.run("run", f"{FLOWS}:gate", "--no-wait", *given, code=1).stderr
    assert idle.json("jobs") == []


def test_logs_of_which_there_are_none(idle: Shell) -> None:
    """Both reasons are said, and an invocation that the job does not have."""
    job_id = idle.submit("numbers")
    assert "no lines are kept: the handlers have logged" in idle.run("logs", job_id).stderr
    assert "no such lines" in idle.run("logs", job_id, "--invocation", "1").stderr
    missing = idle.run("logs", job_id, "--invocation", "2").stderr
    assert missing.endswith(f"job {job_id} has no invocation 2\n")


def test_run_prints_status_and_outputs(fleet: Shell) -> None:
    """A completed job ends the command with status 0, its outputs on stdout."""
    result = fleet.run("run", f"{FLOWS}:numbers", "--param", "n=4")
    assert "completed in" in result.stdout
    assert 'finish.done  {"n": 50}' in result.stdout
    assert result.stderr.startswith("job ")


def test_run_with_json(fleet: Shell) -> None:
    """With --json stdout is one document with everything about the job."""
    job = fleet.json("run", f"{FLOWS}:numbers", "--params-json", '{"n": 1}', "--param", "n=2")
    assert job["params"] == {"n": 2}
    assert job["status"] == "completed"
    assert [output["params"] for output in job["outputs"]] == [{"n": 30}]
    assert list(job["routines"]) == ["start", "finish"]
    assert job["routines"]["finish"]["completed"] == 1
    assert job["entry"] == "start.input"
    assert (job["progress"]["done"], job["progress"]["percent"]) == (2, 100)
    assert job["work"]["connections"] == [
        {
            "source_routine_id": "start", "source_event": "out",
            "target_routine_id": "finish", "target_slot": "input", "delivered": 1,
            "is_estimate": False, "done": 1, "failed": 0, "running": 0, "waiting": {},
        }
    ]  # fmt: skip
    assert "done       2 of 2 invocations (100%)" in fleet.run("show", job["job_id"]).stdout


def test_watch_without_a_terminal(fleet: Shell) -> None:
    """Progress that is no terminal's is a line whenever something changed, the end included."""
    result = fleet.run("run", f"{FLOWS}:numbers", "--watch")
    lines = result.stdout.splitlines()
    assert any(line.startswith("completed") and "finish 1/1" in line for line in lines)
    assert len(set(lines)) == len([line for line in lines if line]) + ("" in lines)


def test_progress_beside_json(fleet: Shell) -> None:
    """With --json the progress goes to stderr."""
    result = fleet.run("run", f"{FLOWS}:numbers", "--watch", "--json")
    assert json.loads(result.stdout)["status"] == "completed"
    assert "finish 1/1" in result.stderr


def test_failed_job(fleet: Shell) -> None:
    """A failed job ends the command with status 1, with the traceback and harmless text."""
    result = fleet.run("run", f"{FLOWS}:failing", code=1)
    assert "failed in" in result.stdout
    assert "raise ValueError" in result.stdout
    assert "\\x1b[31mgood [red]" in result.stdout
    assert "\x1b[31mgood" not in result.stdout


def test_every_type_as_json(fleet: Shell) -> None:
    """Outputs of every type a payload may hold are parseable, and shown as text too."""
    job = fleet.json("run", f"{FLOWS}:types")
    (params,) = (output["params"] for output in job["outputs"])
    assert params["moment"] == "2013-01-01T12:30:00+00:00"
    assert params["bytes"] == "AP8="
    assert params["set"] == [1, 2, 3]
    assert params["clash"] == [[1, "int"], ["1", "text"]]
    assert "every_type.value" in fleet.run("show", job["job_id"]).stdout


def test_idempotency_key(fleet: Shell) -> None:
    """A second run with the same key reports the first one's job."""
    first, second = (
        fleet.json("run", f"{FLOWS}:numbers", "--idempotency-key", "once") for _ in range(2)
    )
    assert first["job_id"] == second["job_id"]
    again = fleet.json("run", f"{FLOWS}:numbers", "--idempotency-key", "once", "--no-wait")
    assert (again["job_id"], again["created"]) == (first["job_id"], False)
    shown = fleet.json("show", "--key", "numbers", "once")
    assert shown["job_id"] == first["job_id"]
    missing = fleet.run("show", "--key", "numbers", "twice", code=1)
    assert "flow 'numbers' has no job with the idempotency key 'twice'" in missing.stderr
    assert "give either JOB, or --key" in fleet.run("show", code=2).stderr
    empty = fleet.run("run", f"{FLOWS}:numbers", "--idempotency-key", "", code=2)
    assert "must not be empty" in empty.stderr


def test_timeout(idle: Shell) -> None:
    """A job that takes too long is left alone, and the message says how to find it."""
    result = idle.run("run", f"{FLOWS}:numbers", "--timeout", "0.05", code=1)
    (job,) = idle.json("jobs")
    assert "no worker is there" in result.stderr
    assert f"error: job {job['job_id']} is still pending" in result.stderr
    assert f"show {job['job_id']}" in result.stderr
    assert job["status"] == "pending"


def test_interrupt_leaves_the_job(fleet: Shell, tmp_path: Path) -> None:
    """Ctrl-C ends the waiting with status 130; the job goes on and completes."""
    path = tmp_path / "gate"
    program = fleet.program("run", f"{FLOWS}:gate", "--param", f"path={path}", "--watch")
    assert program.stderr is not None
    # It waits from this line on: a worker may have the job before the command has its id.
    told = program.stderr.readline()
    eventually(Path(f"{path}.held").exists, message="a running handler")
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "goes on: look with" in errors
    assert "Traceback" not in errors
    (job_id,) = set(re.findall(r"\bjob (\S+-[0-9a-f]{20})\b", told + errors))
    assert fleet.json("show", job_id)["status"] == "running"
    path.touch()
    assert fleet.json("watch", job_id)["status"] == "completed"


# --- errors ------------------------------------------------------------------------------


def test_two_causes_are_two_groups(fleet: Shell) -> None:
    """Each with its jobs, the more frequent one first; one is shown with what to do."""
    jobs = {
        how: [fleet.submit("choosy", "--param", f"how={how}") for _ in range(count)]
        for how, count in (("value", 3), ("key", 2))
    }
    for job in jobs["value"] + jobs["key"]:
        fleet.run("watch", job, code=1)
    first, second = fleet.json("errors", "--flow", "choosy")
    assert (first["type"], first["count"], first["message"]) == ("ValueError", 3, "no such card")
    assert (second["type"], second["count"]) == ("KeyError", 2)
    assert first["at"] == f"{FLOWS}.picky"
    assert set(first["job_ids"]) == set(jobs["value"])
    assert fleet.json("errors", "--flow", "choosy", "--limit", "1") == [first]
    text = fleet.run("errors", "--flow", "choosy", "--since", "1h").stdout
    assert f"{first['id']}      3" in text
    assert "choosy.picky  ValueError: no such card" in text
    shown = fleet.run("errors", second["id"][:8]).stdout
    assert f"raised in  {FLOWS}.picky" in shown
    assert all(job in shown for job in jobs["key"])
    assert f"flowforge retry {second['job_ids'][0]}" in shown
    (listing,) = re.findall(r"all that failed: flowforge (jobs .*)", shown)
    assert {job["job_id"] for job in fleet.json(*shlex.split(listing))} == set(jobs["key"])
    (retrying,) = re.findall(r"retry all: +flowforge (retry .*)", shown)
    preview = fleet.json(*shlex.split(retrying), code=1)
    assert (preview["count"], preview["taken"]) == (2, 2)
    listing = fleet.json("jobs", "--error", first["id"])
    assert {job["job_id"] for job in listing} == set(jobs["value"])
    assert [job["status"] for job in fleet.json("errors", second["id"])["jobs"]] == ["failed"] * 2
    assert "ValueError in choosy.picky (3)" in fleet.run("doctor").stdout
    latest = fleet.run("show", jobs["key"][0]).stdout
    assert "picky: KeyError: 'key' (" in latest


def test_errors_that_are_not_there(idle: Shell) -> None:
    """A list without errors, a group that is none, and a time that is none."""
    assert "no errors" in idle.run("errors").stderr
    assert idle.json("errors") == []
    assert "there is no group 'abc'" in idle.run("errors", "abc", code=1).stderr
    assert "'soon' is no time" in idle.run("errors", "--since", "soon", code=2).stderr
    job = idle.submit("numbers")
    idle.run("cancel", job)
    assert idle.json("errors", "--since", "2026-11-26T18:00") == []


# --- jobs, show, history -----------------------------------------------------------------


def test_jobs_newest_first(idle: Shell) -> None:
    """Jobs are listed newest first, filtered by flow and status, as many as asked for."""
    numbers = [idle.submit("numbers") for _ in range(3)]
    gate = idle.submit("gate", "--param", "path=x")
    idle.run("cancel", numbers[0])
    everything = idle.json("jobs")
    assert {job["job_id"] for job in everything} == {*numbers, gate}
    times = [job["created_at"] for job in everything]
    assert times == sorted(times, reverse=True)
    assert [job["job_id"] for job in idle.json("jobs", "--flow", "gate")] == [gate]
    assert [job["job_id"] for job in idle.json("jobs", "--status", "cancelled")] == [numbers[0]]
    assert len(idle.json("jobs", "--limit", "2")) == 2
    assert numbers[0] in idle.run("jobs").stdout


def test_jobs_by_label_time_and_text(idle: Shell) -> None:
    """What is given has to fit; a page says where the next one begins."""
    acme = [idle.submit("numbers", "--label", "tenant=acme") for _ in range(3)]
    other = idle.submit("numbers", "--label", "tenant=\u202eother", "--label", "stage=new")
    idle.run("cancel", acme[0], "--reason", "Too Late")

    def found(*arguments: str) -> list[str]:
        return [job["job_id"] for job in idle.json("jobs", *arguments)]

    assert set(found("--label", "tenant=acme", "--since", "2h")) == set(acme)
    assert found("--label", "tenant=acme", "--status", "cancelled") == [acme[0]]
    assert found("--text", "too late", "--flow", "numbers") == [acme[0]]
    assert found("--until", "2h") == found("--since", "2100-01-01T00:00") == []
    assert idle.json("jobs", "--label", "stage=new")[0]["labels"]["stage"] == "new"
    listed = idle.run("jobs", "--limit", "3")
    assert listed.stdout.count("\n") == 4
    assert "there are more: --cursor " in listed.stderr
    cursor = listed.stderr.split("--cursor ")[1].strip()
    assert len(found("--cursor", cursor)) == 1
    page = idle.json("jobs", "--limit", "2")
    assert len({*found("--cursor", page[-1]["cursor"]), *(job["job_id"] for job in page)}) == 4
    shown = idle.run("show", other).stdout
    assert "stage=new tenant=\\x202eother" in shown


def test_a_search_that_is_stopped_says_how_to_go_on(
    idle: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its timeout or by Ctrl-C; what it has found is listed, and it is no success."""
    monkeypatch.setattr("flowforge.store.fleet_reads.finding._LOOK", 2)
    oldest, *_ = [idle.submit("numbers") for _ in range(4)]
    stopped = idle.run("jobs", "--text", oldest, "--timeout", "0", code=1)
    assert (stopped.stdout, "stopped: only jobs created since" in stopped.stderr) == ("", True)
    found, arguments = list[Any](), ["--text", oldest]
    while not found:
        listed = idle.run("jobs", "--json", *arguments, "--timeout", "0", code=1)
        found = json.loads(listed.stdout)
        if not found:
            cursor = listed.stderr.split("go on with --cursor ")[1].strip()
            arguments = ["--text", oldest, "--cursor", cursor]
    assert [job["job_id"] for job in found] == [oldest]

    def interrupted(self: LookView, at: datetime, found: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LookView, "looked_to", interrupted)
    stopped = idle.run("jobs", "--text", oldest, code=130)
    assert "go on with --cursor " in stopped.stderr


def test_several_jobs_are_controlled_at_once(idle: Shell) -> None:
    """Each is answered in a line; one that is refused keeps none from it, and is no success."""
    one, two, three = (idle.submit("numbers", "--label", "a=b") for _ in range(3))
    paused = idle.run("pause", one, two, one)
    assert [line.split()[:4] for line in paused.stdout.splitlines()] == [
        ["job", job, "is", "paused"] for job in (one, two)
    ]
    idle.run("cancel", two, three)
    refused = idle.run("resume", one, two, "no-such", three, code=1)
    assert refused.stdout.startswith(f"job {one} is pending")
    assert [line.split(":")[0] for line in refused.stderr.splitlines()] == ["error"] * 3
    answers = idle.json("delete", one, two, three, code=1)
    assert answers[0]["error"].startswith(f"job {one} is pending; only a job that has ended")
    assert answers[1:] == [{"job_id": job, "deleted": True} for job in (two, three)]
    assert [job["job_id"] for job in idle.json("jobs", "--label", "a=b")] == [one]
    assert "there is no job" in idle.run("delete", two, code=1).stderr


def test_what_cannot_be_looked_for(idle: Shell) -> None:
    """The message says what to give."""
    for option, text, message in [
        ("--since", "yesterday", "'yesterday' is no time: give 2h"),
        ("--label", "acme", "'acme' is not name=value"),
        ("--label", "=x", "must have 1 to 64 characters"),
        ("--cursor", "5", "cursor '5' is none"),
    ]:
        assert message in " ".join(idle.run("jobs", option, text, code=2).stderr.split())
    twice = idle.run("jobs", "--label", "a=1", "--label", "a=2", code=2)
    assert "'a' is given twice" in twice.stderr


def test_no_jobs(idle: Shell) -> None:
    """An empty list is empty on stdout; the remark for people goes to stderr."""
    assert idle.json("jobs") == []
    result = idle.run("jobs")
    assert (result.stdout, result.stderr) == ("", "no jobs yet\n")


def test_flow_filter_looks_past_the_first_page(
    idle: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of a rare flow is found behind many of another."""
    monkeypatch.setattr("flowforge.store.fleet_reads.finding._LOOK", 2)
    gate = idle.submit("gate", "--param", "path=x")
    for _ in range(6):
        idle.submit("numbers")
    found = idle.json("jobs", "--flow", "gate", "--limit", "1")
    assert [job["job_id"] for job in found] == [gate]


def test_show(fleet: Shell) -> None:
    """A job is shown with its limits, every routine and its outputs."""
    job_id = fleet.json("run", f"{FLOWS}:numbers", "--max-in-flight", "7")["job_id"]
    text = fleet.run("show", job_id).stdout
    for part in (job_id, "completed", "7 in flight", "start", "outputs:"):
        assert part in text
    # Invocations that have ended, attempts, running.
    assert re.search(r"^finish +completed +1 +1 +0 ", text, re.MULTILINE)


def test_show_before_it_ran(idle: Shell) -> None:
    """A job that nobody has touched shows all its routines as pending."""
    job = idle.json("show", idle.submit("numbers", "--priority", "6"))
    assert {state["status"] for state in job["routines"].values()} == {"pending"}
    assert job["priority"] == 6
    assert job["counts"]["queued"] == 1
    assert job["started_at"] is None


def test_history(fleet: Shell) -> None:
    """History is in order, of one routine or of all, the latest when limited."""
    job_id = fleet.json("run", f"{FLOWS}:numbers")["job_id"]
    kinds = [entry["kind"] for entry in fleet.json("history", job_id)]
    assert kinds == ["submitted", "completed", "completed"]
    (entry,) = fleet.json("history", job_id, "--routine", "finish")
    assert (entry["routine_id"], entry["slot"], entry["invocation"]) == ("finish", "input", 2)
    assert fleet.json("history", job_id, "--limit", "1") == [entry]
    assert len(fleet.json("history", job_id, "--limit", "0")) == 3
    assert "  2           finish.input  " in fleet.run("history", job_id).stdout


@pytest.mark.parametrize("command", ["show", "history"])
def test_the_id_of_an_invocation_stands_for_its_job(idle: Shell, command: str) -> None:
    """A log has no other id; a command that reads says which job it is."""
    job_id = idle.submit("numbers")
    result = idle.run(command, f"{job_id}-2")
    assert result.stderr == f"{job_id}-2 is invocation 2 of job {job_id}\n"
    assert idle.json(command, f"{job_id}-2") == idle.json(command, job_id)


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "retry"])
def test_an_invocation_cannot_be_controlled(idle: Shell, command: str) -> None:
    """What is meant may be the invocation alone, so the command names the job and does nothing."""
    job_id = idle.submit("numbers")
    result = idle.run(command, f"{job_id}-2", code=2)
    assert f"is invocation 2 of job {job_id}" in result.stderr
    assert f"{command} {job_id}" in result.stderr
    assert idle.json("show", job_id)["status"] == "pending"


@pytest.mark.parametrize("job_id", ["feedbeef", "a:i", "a/b", "ünknown"])
@pytest.mark.parametrize("command", ["show", "history", "watch", "pause", "resume", "cancel"])
def test_unknown_job(idle: Shell, command: str, job_id: str) -> None:
    """An id that is no job's ends with one line on stderr and status 1."""
    result = idle.run(command, job_id, code=1)
    assert result.stderr.startswith("error: there is no job")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_unknown_routine(idle: Shell) -> None:
    """The history of a routine that the flow does not have is refused with those it has."""
    result = idle.run("history", idle.submit("numbers"), "--routine", "nope", code=1)
    assert "it has: 'start', 'finish'" in result.stderr


# --- control -----------------------------------------------------------------------------


def test_pause_resume_cancel(idle: Shell) -> None:
    """A job is paused with reason and checkpoint, resumed, cancelled; each says how it stands."""
    job_id = idle.submit("numbers")
    told = ("--reason", "look", "--checkpoint", '{"at": [1]}', "--by", "kim")
    paused = idle.json("pause", job_id, *told)
    assert (paused["job_id"], paused["status"]) == (job_id, "paused")
    job = idle.json("show", job_id)
    assert job["reason"] == "look"
    assert job["pause_points"][0]["checkpoint"] == {"at": [1]}
    assert "by kim: look  checkpoint" in idle.run("show", job_id).stdout
    assert idle.json("watch", job_id, code=1)["status"] == "paused"
    assert idle.json("resume", job_id)["status"] in ("pending", "running")
    assert idle.json("cancel", job_id, "--reason", "enough")["status"] == "cancelled"
    job = idle.json("show", job_id)
    assert job["reason"] == "enough"
    assert "@" in job["by"]


def test_the_jobs_of_each_flow_are_counted(idle: Shell) -> None:
    """By status, in a table or as JSON."""
    flow_id = idle.json("show", idle.submit("numbers"))["flow_id"]
    before = {one["flow_id"]: one["counts"] for one in idle.json("flows")}[flow_id]
    idle.run("cancel", idle.submit("numbers"))
    after = {one["flow_id"]: one["counts"] for one in idle.json("flows")}[flow_id]
    assert after["cancelled"] == before["cancelled"] + 1
    lines = [line.split() for line in idle.run("flows").stdout.splitlines()]
    assert lines[0][:2] == ["FLOW", "PENDING"]
    assert [flow_id, *map(str, after.values())] in lines


def test_control_of_an_ended_job(idle: Shell) -> None:
    """What an ended job does not allow is refused with the status that forbids it."""
    job_id = idle.submit("numbers")
    idle.run("cancel", job_id)
    for verb in ("pause", "resume", "cancel", "retry"):
        assert "cancelled" in idle.run(verb, job_id, code=1).stderr


def test_retry(fleet: Shell) -> None:
    """A failed job goes on from its failed invocation."""
    job_id = fleet.json("run", f"{FLOWS}:failing", code=1)["job_id"]
    assert fleet.json("retry", job_id)["status"] in ("running", "failed")
    fleet.run("watch", job_id, code=1)
    assert [entry["kind"] for entry in fleet.json("history", job_id)] == [
        "submitted", "failed", "retry", "failed",
    ]  # fmt: skip


# --- dead letters ----------------------------------------------------------------------------


def test_dead_letters(idle: Shell) -> None:
    """Refused messages are listed newest first with the reason, and dropped when asked."""
    letters = DeadLetters(idle.installation.engine.store)
    letters.bury("celery", "no good", b"\xffone\x1b[0m")
    letters.bury("other", "bad", b"two")
    assert idle.findings()["dead-letters"][0]["level"] == "warn"
    second, first = idle.json("dead-letters")
    assert (first["reason"], first["message"]) == ("no good", "\\xffone\x1b[0m")
    assert second["queue"] == "other"
    assert "\x1b" not in idle.run("dead-letters").stdout
    assert idle.json("dead-letters", "--drop", str(first["number"])) == {"dropped": 1}
    assert idle.json("dead-letters", "--drop", "all") == {"dropped": 1}
    assert idle.json("dead-letters") == []


def test_dead_letter_sent_again(idle: Shell) -> None:
    """A refused message is sent to its queue again and is no dead letter any more."""
    DeadLetters(idle.installation.engine.store).bury("celery", "no good", b"{}")
    assert idle.json("dead-letters", "--requeue", "1") == {"requeued": 1}
    assert idle.installation.queued() == 1
    assert "there is no dead letter 1" in idle.run("dead-letters", "--requeue", "1", code=1).stderr
    idle.run("dead-letters", "--requeue", "1", "--drop", "all", code=2)
