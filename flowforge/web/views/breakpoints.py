"""Breakpoints of a job: setting and clearing them, and letting go what has stopped there.

Each page asks first. Its form carries what it showed: where another person has changed that since,
nothing is done, and the page names who it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.mending.breakpoints import secret_params
from flowforge.errors import FlowForgeError, InvalidValueError, JobStateError
from flowforge.model.condition_text import read_condition
from flowforge.model.jobs.breakpoint import Breakpoint
from flowforge.model.jobs.status import JobStatus
from flowforge.store.invocation_reads.invocation_looks import InvocationReader
from flowforge.store.job_reads.job_rows import JobSummary
from flowforge.web.changed_by import changed_by, latest_entry
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role

#: Characters of a condition that the form takes.
_MOST_TEXT = 5000

#: The param that a comparison begins with.
_PARAM = re.compile(r"\s*[^\s<>=!]*")

#: What a form says that has shown no breakpoint.
_NONE = "none"


@dataclass(frozen=True)
class _Subject:
    """A job as it is now, and its breakpoints; ``routine``: the one that the address names."""

    engine: Engine
    job: JobSummary
    found: Sequence[Breakpoint]
    routine: str | None

    @property
    def takes(self) -> bool:
        """Whether the job can still stop anywhere."""
        return self.job.status not in (JobStatus.COMPLETED, JobStatus.CANCELLED)

    @property
    def about(self) -> list[Breakpoint]:
        """The breakpoints that the question is about."""
        return [one for one in self.found if self.routine in (None, one.routine_id)]

    @property
    def mark(self) -> str:
        """Which breakpoints there are, as the form carries it."""
        return " ".join(f"{one.at.timestamp():.3f}" for one in self.found) or _NONE

    def shown(self, **more: Any) -> dict[str, Any]:
        return {
            "job": self.job,
            "takes": self.takes,
            "routine": self.routine,
            "found": {one.routine_id: one for one in self.found},
            "mark": self.mark,
            "seen": latest_entry(self.engine, self.job.job_id),
            "problem": "",
            **more,
        }

    def refuse_stale(self, call: Call) -> None:
        """JobStateError when the breakpoints are others than those that the form has shown."""
        if call.form.get("mark") == self.mark:
            return
        who = changed_by(self.engine, self.job.job_id, str(call.form.get("seen", "")))
        told = f"it was {who}" if who else "the breakpoints have changed since you looked"
        raise JobStateError(f"nothing was done: {told}; this page shows what there is now")

    def back(self, said: str) -> Leave:
        return Leave(f"/jobs/{self.job.job_id}", said)


def subject_of(call: Call, *, first: bool = False) -> _Subject:
    """What the address names. ``first``: the first routine of the flow where it names none."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary, _ = engine.inspector.describe(job_id)
    definition = engine.inspector.definition(job_id)
    routine = str(call.form.get("routine") or call.query.get("routine") or "") or None
    if routine is None and first:
        routine = definition.routines[0].id
    if routine is not None:
        definition.index(routine)  # InvalidValueError names the routines that there are
    return _Subject(engine, summary, engine.breakpoints.of_job(job_id), routine)


# --- setting one -------------------------------------------------------------------------------


def ask_break(call: Call) -> View:
    """The form: which routine, and which of its invocations."""
    return _break_form(subject_of(call, first=True), "")


def _break_form(subject: _Subject, text: str, problem: str = "", status: int = 200) -> View:
    definition = subject.engine.inspector.definition(subject.job.job_id)
    names = [spec.id for spec in definition.routines]
    # No page shows the value of a secret param, not even to the person who has just typed it.
    secret = secret_params(definition, definition.index(str(subject.routine)))
    kept = [line for line in text.split("\n") if _param_of(line) not in secret]
    context = subject.shown(names=names, fields=True, text="\n".join(kept), problem=problem)
    return View("break.html", context, status)


def _param_of(line: str) -> str:
    found = _PARAM.match(line)
    return found[0].strip() if found else ""


def set_break(call: Call) -> View | Leave:
    """Set it; what was typed is shown again while something is wrong with it."""
    subject = subject_of(call, first=True)
    text = str(call.form.get("when", "")).replace("\r\n", "\n")[:_MOST_TEXT]
    try:
        subject.refuse_stale(call)
        condition = read_condition(line for line in text.split("\n") if line.strip())
        subject.engine.breakpoints.set(
            subject.job.job_id, str(subject.routine), condition, call.user.name
        )
    except FlowForgeError as error:
        return _break_form(subject, text, str(error), 409)
    return subject.back(f"Job {subject.job.job_id} stops at routine {subject.routine}.")


# --- clearing, going on --------------------------------------------------------------------------


def ask_clear(call: Call) -> View:
    """What has stopped there goes on."""
    return _question(subject_of(call), "clear")


def _question(subject: _Subject, what: str, problem: str = "") -> View:
    context = subject.shown(what=what, about=subject.about, problem=problem)
    return View("break_question.html", context, 409 if problem else 200)


def clear(call: Call) -> View | Leave:
    """Clear that of the routine, or all."""
    subject = subject_of(call)
    at = f" at routine {subject.routine}" if subject.routine else "s"
    try:
        subject.refuse_stale(call)
        subject.engine.breakpoints.clear(subject.job.job_id, subject.routine, call.user.name)
    except FlowForgeError as error:
        return _question(subject, "clear", str(error))
    return subject.back(f"Job {subject.job.job_id} has no more breakpoint{at}.")


def ask_go_on(call: Call) -> View:
    """The question for one routine; that of the whole job is an action like pause."""
    return _question(subject_of(call, first=True), "continue")


def go_on(call: Call) -> View | Leave:
    """Let all go that have stopped at the routine."""
    subject = subject_of(call, first=True)
    try:
        subject.engine.breakpoints.go_on(subject.job.job_id, subject.routine, call.user.name)
    except FlowForgeError as error:
        who = changed_by(subject.engine, subject.job.job_id, str(call.form.get("seen", "")))
        problem = f"{error}; it was {who}" if who else str(error)
        return _question(subject, "continue", problem)
    return subject.back(f"What had stopped at routine {subject.routine} goes on.")


# --- one step ------------------------------------------------------------------------------------


def ask_step(call: Call) -> View:
    """Which invocation it lets go: the one that the address names, else the first."""
    return _step_form(call, subject_of(call))


def _step_form(call: Call, subject: _Subject, problem: str = "", status: int = 200) -> View:
    number = _number(call.query.get("invocation", "")) or _first(subject)
    look = None
    if number is not None:
        definition = subject.engine.inspector.definition(subject.job.job_id)
        reader = InvocationReader(subject.engine.store, subject.job.job_id, definition)
        look = reader.look(number)
    fits = look is not None and look.state == "stopped"
    return View(
        "step.html", subject.shown(number=number, look=look, fits=fits, problem=problem), status
    )


def _first(subject: _Subject) -> int | None:
    """The invocation that stopped first."""
    stopped = subject.engine.store.breakpoints.stopped(subject.job.job_id, 1)
    return stopped[0].invocation.number if stopped else None


def step(call: Call) -> View | Leave:
    """Let exactly the invocation go that the form has shown."""
    subject = subject_of(call)
    number = _number(str(call.form.get("invocation", "")))
    try:
        if number is None:
            raise InvalidValueError("the form names no invocation: load the page again")
        subject.engine.breakpoints.step(subject.job.job_id, number, call.user.name)
    except FlowForgeError as error:
        return _step_form(call, subject, str(error), 409)
    return subject.back(f"Invocation {number} of job {subject.job.job_id} goes on.")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None


PAGES = [
    page
    for path, form, handler, does in (
        ("break", ask_break, set_break, "break"),
        ("break/clear", ask_clear, clear, "clear breakpoint"),
        ("break/continue", ask_go_on, go_on, "continue at routine"),
        ("step", ask_step, step, "step"),
    )
    for page in (
        Page(f"/jobs/{{job_id}}/{path}", form, Role.OPERATOR),
        Page(f"/jobs/{{job_id}}/{path}", handler, Role.OPERATOR, "POST", does=does),
    )
]
