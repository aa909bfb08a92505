"""``flowforge audit``: what people did on the command line, found and followed."""

from __future__ import annotations

import json
import select
import subprocess

import click
import pytest

from flowforge.cli.audited import MARK
from flowforge.cli.main import cli
from tests.integration.cli_shell import Shell
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")

#: Commands that change nothing, or of which the history of the new job tells.
READS = {
    "audit", "bulk list", "bulk show", "doctor", "errors", "expects", "explain", "flows",
    "history", "hooks list", "hooks test", "jobs", "limits list", "limits show", "logs", "metrics",
    "queues list", "run", "schedules list", "schedules next", "schedules show", "show", "ui",
    "watch", "worker",
}  # fmt: skip

#: Commands about the user's own files.
PROJECT = {"new", "dev", "graph", "top"}


def commands(group: click.Group, name: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for one in group.list_commands(context):
        command = group.get_command(context, one)
        if isinstance(command, click.Group):
            found |= commands(command, f"{name}{one} ")
        elif command is not None:
            found[f"{name}{one}"] = command
    return found


def test_each_command_that_changes_something_is_kept() -> None:
    """A new command has to say which it is."""
    unmarked = set()
    for name, command in commands(cli).items():
        callback = command.callback
        while callback is not None and not hasattr(callback, MARK):
            callback = getattr(callback, "__wrapped__", None)
        if callback is None:
            unmarked.add(name)
    assert unmarked - READS - PROJECT == set()
    assert READS - unmarked == set()


def test_who_did_what(idle: Shell) -> None:
    """By name, with the jobs and the reason; a refusal too, and no params."""
    one, two = (idle.submit("numbers") for _ in range(2))
    idle.run("pause", one, two, "--by", "kim", "--reason", "look")
    idle.run("cancel", one, "--by", "ann")
    idle.run("resume", one, "--by", "kim", code=1)
    entries = idle.json("audit")
    assert [(one["by"], one["action"], one["outcome"]) for one in entries] == [
        ("kim", "resume", "refused"), ("ann", "cancel", "done"), ("kim", "pause", "done"),
    ]  # fmt: skip
    assert entries[2]["job_ids"] == [one, two]
    assert (entries[2]["reason"], entries[2]["via"]) == ("look", "command line")
    assert entries[0]["what"] == f"cannot resume job {one}: it is cancelled"
    for options, count in (
        (("--by", "ann"), 1), (("--job", two), 1), (("--action", "a"), 2), (("--since", "1h"), 3),
        (("--since", "2999-01-01"), 0),
    ):  # fmt: skip
        assert len(idle.json("audit", *options)) == count, options


def test_why_it_was_refused_and_of_which_invocation(idle: Shell) -> None:
    """The message as the terminal has it, without the values of params that were given."""
    one, two = (idle.submit("numbers") for _ in range(2))
    error = idle.run("edit", one, "99", "--param", "n=no invocation", "--by", "kim", code=1).stderr
    idle.run("pause", one, "--by", "kim")
    idle.run("fork", one, "1", "--by", "kim")
    idle.run("cancel", two, "--by", "ann")
    idle.run("resume", one, two, "--by", "kim", code=1)
    resumed, _, forked, _, edited = idle.json("audit")
    assert resumed["what"] == f"cannot resume job {two}: it is cancelled"
    assert forked["what"] == "invocation 1"
    told = error.strip().removeprefix("error: ").replace("no invocation", "***")
    assert edited["what"] == f"invocation 99: {told}"
    assert "the job has *** of this number" in told


def test_a_list_goes_on(idle: Shell) -> None:
    """Page by page, in lines that a terminal can show."""
    job = idle.submit("numbers")
    idle.run("pause", job, "--by", "kim", "--reason", "a\x1b[31m")
    idle.run("resume", job, "--by", "kim")
    first = idle.run("audit", "--limit", "1")
    assert "resume" in first.stdout
    cursor = first.stderr.rpartition(" ")[2].strip()
    second = idle.run("audit", "--limit", "1", "--cursor", cursor)
    assert "pause" in second.stdout
    assert "\x1b" not in second.stdout
    told = idle.run("audit", "--by", "kin", "--action", "resum").stderr
    assert told == "no such entries\nthe latest entries have no person 'kin'; did you mean 'kim'?\n"
    told = idle.run("audit", "--action", "pauze").stderr
    assert "the latest entries have no action 'pauze'; did you mean 'pause'?" in told
    assert idle.run("audit", "--by", "kim", "--job", "none").stderr == "no such entries\n"
    assert "cursor 'x' is none" in idle.run("audit", "--cursor", "x", code=1).stderr


def test_what_is_looked_at_is_not_kept(idle: Shell) -> None:
    """A list of breakpoints, of dead letters, and a command that is used wrongly."""
    job = idle.submit("numbers")
    idle.run("break", job)
    idle.run("dead-letters")
    idle.run("delete", job, "--reason", "x", code=2)
    assert idle.json("audit") == []
    routine = idle.json("show", job)["entry"].partition(".")[0]
    idle.run("break", job, routine, "--by", "kim")
    assert [one["action"] for one in idle.json("audit")] == ["break"]


def test_all_that_match(idle: Shell) -> None:
    """One entry, that names the operation and its search."""
    idle.submit("numbers", "--label", "tenant=acme")
    options = ("--all-matching", "--label", "tenant=acme", "--yes", "--no-wait", "--by", "kim")
    idle.run("cancel", *options, "--reason", "closed")
    (entry,) = idle.json("audit")
    assert (entry["by"], entry["action"], entry["reason"]) == ("kim", "cancel many", "closed")
    assert "label tenant=acme" in entry["what"]


def test_it_is_followed(idle: Shell) -> None:
    """Each entry comes as it is made, as one object a line."""
    job = idle.submit("numbers")
    with idle.program("audit", "--follow", "--json", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        stdout = process.stdout

        def told() -> bool:
            # What is made before it looks for the first time is behind it.
            idle.run("label", job, "--set", "a=b")
            return bool(select.select([stdout], [], [], 0.1)[0])

        eventually(told)
        assert json.loads(stdout.readline())["action"] == "label"
        process.terminate()
