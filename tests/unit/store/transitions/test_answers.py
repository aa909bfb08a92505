"""What scripts answer: the enums, the headers and the scripts have the same words."""

from __future__ import annotations

import re

import pytest

from flowforge.errors import CorruptRecordError
from flowforge.model.jobs.status import ENDED, FINAL, JobStatus
from flowforge.store.scripts import SCRIPTS, script_names
from flowforge.store.transitions import answers
from flowforge.store.transitions.answers import Answer, Answers
from tests.support.fleet import ROOT
from tests.unit.store.lua_answers import STATUS, Reader

LUA = ROOT / "flowforge/store/lua"

#: Script -> what Python reads of it.
READ: dict[str, Answers[Answer | JobStatus]] = {
    one.script: one for one in vars(answers).values() if isinstance(one, Answers)
}

#: How a header says that a status may be answered.
STATUSES = {
    "the status of a job that has ended": set(ENDED),
    "the status that does not allow it": set(JobStatus),
    "the status of a job that is completed or cancelled": set(FINAL),
}


def header_of(script: str) -> str:
    """What a script's header says of its answers, on one line."""
    text = (LUA / f"{script}.lua").read_text()
    out = re.findall(r"^-- Out:(.*?)^(?!--  )", text, re.MULTILINE | re.DOTALL)[0]
    return " ".join(out.replace("--", " ").split())


def told(script: str) -> set[str]:
    """The words that a script's header has."""
    header = header_of(script)
    found = set(re.findall(r"'(\w+)'", header))
    for phrase, statuses in STATUSES.items():
        found |= statuses if phrase in header else set()
    return found


@pytest.mark.parametrize("script", script_names())
def test_a_header_has_the_answers_that_python_knows(script: str) -> None:
    """All of them and no other; a script without words has no table."""
    known = set(READ[script].values()) if script in READ else set()
    assert told(script) == known


@pytest.mark.parametrize("script", script_names())
def test_a_script_returns_what_its_header_has(script: str) -> None:
    """Each word, its includes' too, and a status only where the header names it."""
    returned = Reader(SCRIPTS[script].source).answers()
    words = {word for word in told(script) if f"'{word}'" in header_of(script)}
    assert returned - {STATUS} == words
    assert (STATUS in returned) == any(phrase in header_of(script) for phrase in STATUSES)


def test_each_answer_is_one_of_a_script() -> None:
    """None is left over."""
    used = {word for one in READ.values() for word in one.values()}
    assert used == {*Answer, *JobStatus}


@pytest.mark.parametrize("script", READ)
def test_a_reply_is_read_as_its_answer(script: str) -> None:
    """By the bytes that the server sends."""
    for reply, answer in READ[script].items():
        assert reply == answer.value.encode()
        assert READ[script][reply] is answer


@pytest.mark.parametrize("reply", [b"maybe", b"OK", b"", 1, None])
def test_an_answer_that_is_not_known_is_an_error(reply: object) -> None:
    """It names the script and what came, and what could have come."""
    with pytest.raises(CorruptRecordError) as caught:
        answers.STAGE[reply]  # type: ignore[index]
    said = str(caught.value)
    assert "'stage' answered" in said
    assert repr(reply) in said
    assert "incomplete, ok, stale" in said


# --- the reader of the scripts -------------------------------------------------------------

SAMPLE = """
local function why(id) if id then return 'gone' end return id == 1 and 'stale' or 'done' end
local function other() return 'not this' end
return (function()
local job, answer = load(), 'first'
answer = why(job)
for _, one in ipairs(all) do
  local function inner() return 'nor this' end
  if one then return { 'ok', one } end
end
if x ~= 'neither' then return job.status end
if y then return { job.status == 'failed' and 'dropped' or 'paused' } end
local many = {}
many[#many + 1] = 'lost'
if z then return many end
if w then return 5 end
return answer
end)()
"""


def test_the_reader_finds_all_that_a_script_returns() -> None:
    """Texts, tables, choices, variables and functions; no text that is compared."""
    expected = {"gone", "stale", "done", "first", "ok", "dropped", "paused", "lost", STATUS}
    assert Reader(SAMPLE).answers() == expected


def test_a_word_that_a_script_gets_is_found() -> None:
    """The tests above can fail."""
    changed = SCRIPTS["stage"].changed("return 'stale'", "return 'late'")
    assert "late" in Reader(changed.source).answers()
