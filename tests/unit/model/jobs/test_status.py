"""Statuses: the scripts, the pages and the enums have the same words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from flowforge import JobState
from flowforge.model.jobs.status import ACTIVE, ENDED, AttemptOutcome, JobStatus, RoutineStatus
from tests.support.fleet import ROOT

LUA = sorted((ROOT / "flowforge/store/lua").rglob("*.lua"))

#: Where scripts write or compare the status of a job; the word is the last group.
JOB_STATUS = (
    r"\bstatus (?:==|~=|=) '(\w+)'",
    r"\bset_status\(\w+, '(\w+)'",
    r"\bset_status\(.* and '(\w+)' or '",
    r"\bset_status\(.*\bor '(\w+)'",
    r"\bfinish\(\w+, '(\w+)'",
    r"\bk_status\('(\w+)'\)",
)


def lua_text() -> str:
    """All scripts without their comments."""
    return re.sub(r"--[^\n]*", "", "\n".join(path.read_text() for path in LUA))


def words(patterns: tuple[str, ...]) -> set[str]:
    text = lua_text()
    return {word for pattern in patterns for word in re.findall(pattern, text)}


def words_in(text: str) -> list[str]:
    """What stands between single quotes."""
    return re.findall(r"'(\w+)'", text)


def lua_table(name: str) -> str:
    """What a table of words holds, as it is written."""
    (found,) = re.findall(rf"local {name} = \{{(.*?)\}}", lua_text(), re.DOTALL)
    return str(found)


def calls(function: str) -> Iterator[list[str]]:
    """The arguments of each call of a function of the scripts."""
    nested = r"(?:[^()]|\([^()]*\))*"
    for arguments in re.findall(rf"(?<!function )\b{function}\(({nested})\)", lua_text()):
        yield [argument.strip() for argument in re.split(r",(?![^()]*\))", arguments)]


def test_the_scripts_use_the_statuses_of_a_job() -> None:
    """No script writes or compares a status that Python does not know; each is used."""
    assert words(JOB_STATUS) == set(JobStatus)


def test_the_scripts_know_which_jobs_have_ended() -> None:
    """A job ends for Lua and Python alike; the list of all statuses has their order."""
    assert set(re.findall(r"(\w+) = true", lua_table("ENDED"))) == ENDED
    assert words_in(lua_table("STATUSES")) == list(JobStatus)


def test_a_job_is_active_or_has_ended() -> None:
    """Each status is one of both."""
    assert {*ACTIVE, *ENDED} == set(JobStatus)
    assert not ENDED & set(ACTIVE)


def test_the_scripts_write_the_statuses_of_a_routine() -> None:
    """The fourth argument of count_attempt; only readers say that a routine is running."""
    written = {word for call in calls("count_attempt") for word in words_in(call[3])}
    assert written | {"completed", "error_continued", "skipped"} == {*RoutineStatus} - {
        RoutineStatus.RUNNING
    }


def test_the_scripts_count_the_outcomes_of_attempts() -> None:
    """The third argument of count_attempt, the outcomes of a commit, and what is dropped."""
    counted = {word for call in calls("count_attempt") for word in words_in(call[2])}
    for pair in re.findall(r"local how = .* and '(\w+)' or '(\w+)'", lua_text()):
        counted |= set(pair)
    counted |= set(re.findall(r"r \.\. '\.(dropped)'", lua_text()))
    header = (ROOT / "flowforge/store/lua/commit.lua").read_text()
    (outcomes,) = re.findall(r"outcome \(([\w, ]+)\)", header)
    assert {*counted, *outcomes.split(", ")} == set(AttemptOutcome)


@pytest.mark.parametrize("enum", [JobStatus, RoutineStatus, AttemptOutcome])
def test_a_status_is_its_word(enum: type[JobStatus | RoutineStatus | AttemptOutcome]) -> None:
    """Printed, in a key and compared it is the text that is stored."""
    for member in enum:
        assert member == member.value == str(member) == f"{member}"
        assert {member.value: 1}[member] == 1


def test_the_reference_lists_the_statuses() -> None:
    """The docstrings have the words in the order of the enums."""
    assert words_of(JobState.status) == list(JobStatus)
    states = inspect.getdoc(JobState.routine_states) or ""
    statuses, counters = re.split(r"the counters", states.partition("``status`` (")[2])
    assert re.findall(r"``(\w+)``", statuses) == list(RoutineStatus)
    found = re.findall(r"``(\w+)``", counters)
    assert [word for word in found if word in set(AttemptOutcome)] == list(AttemptOutcome)


def words_of(member: object) -> list[str]:
    """The words that a docstring marks as code."""
    return re.findall(r"``(\w+)``", inspect.getdoc(member) or "")


def test_the_diagram_shows_the_statuses() -> None:
    """The life of a job in the internals has no other, and ends where a job ends."""
    page = (ROOT / "docs/explanation/internals.md").read_text()
    section = page.partition("## A job's states")[2].partition("\n## ")[0]
    arrows = re.findall(r"^ +(\S+) --> ([^:\n]+)", section, re.MULTILINE)
    assert {state for arrow in arrows for state in arrow} - {"[*]"} == set(JobStatus)
    assert {source for source, target in arrows if target == "[*]"} == ENDED


def test_the_history_says_what_became_of_attempts() -> None:
    """The page has the kinds of all outcomes but those that leave no entry."""
    page = (ROOT / "docs/explanation/semantics.md").read_text()
    table = page.partition("## History")[2].partition("\nThe entry of")[0]
    kinds = set(re.findall(r"`(\w+)`", table))
    assert set(AttemptOutcome) - kinds == {AttemptOutcome.DROPPED}
