"""Answers that jobs wait for: their list, and the form of one."""

from __future__ import annotations

import re
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.errors import AnsweredError, FlowForgeError, InvalidValueError
from flowforge.model.answers.expectation import Expectation
from flowforge.model.invocation_id import NUMBER
from flowforge.store.invocation_reads.invocation_looks import InvocationReader
from flowforge.web.answer_form import answer_entry, describes
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.run_form import RunForm, empty_form, filled_form
from flowforge.web.security.identity import Role

#: Answers of a page.
_PAGE = 50


def listed(call: Call) -> View:
    """What waits, the oldest first."""
    asked = {name: call.query.get(name, "").strip() for name in ("assign", "flow")}
    found = find_expectations(
        call.engines, _PAGE, asked["assign"] or None, asked["flow"] or None,
        call.query.get("cursor") or None,
    )  # fmt: skip
    return View(
        "answers.html",
        {
            "asked": asked,
            "found": found.expectations,
            "cursor": found.cursor,
            "silent": [str(error) for error in found.silent],
            "acts": call.may(Role.OPERATOR),
        },
    )


def form(call: Call) -> View:
    """The form of one."""
    found = _found(call)
    entry = answer_entry(call.engine(found.job_id), found)
    return shown(found, empty_form(entry, None), entry)


def answer(call: Call) -> View | Leave:
    """Answer; what was typed is shown again while something is wrong with it."""
    found = _found(call)
    entry = answer_entry(call.engine(found.job_id), found)
    filled = filled_form(entry, None, call.form)
    if filled.params is None:
        return shown(found, filled, entry, status=409)
    try:
        deliver(call.engine(found.job_id), found, filled.params, call.user.name)
    except AnsweredError:
        raise
    except FlowForgeError as error:
        return shown(found, filled, entry, problem=str(error), status=409)
    return Leave(f"/jobs/{found.job_id}", f"Your answer for {found.place} was delivered.")


def deliver(engine: Any, found: Expectation, params: dict[str, Any], by: str) -> None:
    """Answer exactly this expectation."""
    engine.expectations.deliver(
        found.job_id, found.routine_id, found.slot, params, by, None, found.key, found.invocation
    )


def shown(
    found: Expectation, filled: RunForm, entry: Any, *, problem: str = "", status: int = 200
) -> View:
    title, description = describes(found)
    return View(
        "answer.html",
        {
            "found": found, "filled": filled, "entry": entry, "problem": problem, "title": title,
            "description": description,
        },
        status,
    )  # fmt: skip


def _found(call: Call) -> Expectation:
    job_id, number = call.path("job_id"), call.path("number")
    engine = call.engine(job_id)
    if not re.fullmatch(NUMBER, number):
        raise InvalidValueError(f"job {job_id} expects no answer {number!r}")
    found = engine.expectations.find(job_id, int(number))
    if found is None:
        why = _became(engine, job_id, int(number))
        raise InvalidValueError(f"job {job_id} does not wait for this answer any more: {why}")
    return found


def _became(engine: Engine, job_id: str, number: int) -> str:
    """What became of an answer, for the end of a sentence."""
    definition = engine.inspector.definition(job_id)
    look = InvocationReader(engine.store, job_id, definition).look(number)
    for entry in reversed(look.entries if look else ()):
        at = f"at {entry.at:%Y-%m-%d %H:%M:%S} UTC"
        if entry.kind == "answered":
            return f"{entry.details.get('by')} has answered {at}"
        if entry.kind == "skipped_by_hand":
            return f"{entry.details.get('by')} has skipped it {at}"
        if entry.kind == "answer_late":
            return f"the time for it was over {at}"
    return "its history says what became of it"


PAGES = [
    Page("/answers", listed, nav="Answers"),
    Page("/jobs/{job_id}/answers/{number}", form, Role.OPERATOR),
    Page("/jobs/{job_id}/answers/{number}", answer, Role.OPERATOR, "POST", does="answer"),
]
