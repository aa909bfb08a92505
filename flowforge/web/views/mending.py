"""Mending single invocations, and jobs that begin with what others were given.

Each page says what will happen, and its form carries what it showed: if somebody has changed that
since, nothing is done, and the page names who it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowforge.codec.plain import read_json
from flowforge.engine.engine import Engine
from flowforge.engine.rerun import DEFINITIONS
from flowforge.errors import FlowForgeError, InvalidValueError, JobStateError
from flowforge.execution.secret_texts import HIDDEN
from flowforge.model.definition import Definition
from flowforge.model.status import JobStatus
from flowforge.store.invocation_looks import InvocationLook, InvocationReader
from flowforge.store.job_rows import JobSummary
from flowforge.web.changed_by import changed_by, latest_entry
from flowforge.web.page import Call, Handler, Leave, Page, View
from flowforge.web.param_form import changes, differences, fields, new_fields, packed, unpacked
from flowforge.web.security.identity import Role
from flowforge.web.views.invocation_page import actions_of, no_invocation, state_of

#: Emissions that the form of a skip has room for.
_EMISSIONS = 3


@dataclass(frozen=True)
class _Subject:
    """What an action is about, as it is now."""

    engine: Engine
    job: JobSummary
    definition: Definition
    look: InvocationLook
    by: str

    @property
    def job_id(self) -> str:
        return self.job.job_id

    @property
    def number(self) -> int:
        return self.look.number


def _subject(call: Call) -> _Subject | None:
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    definition = engine.inspector.definition(job_id)
    look = InvocationReader(engine.store, job_id, definition).look(int(call.path("number")))
    if look is None:
        return None
    summary, _ = engine.inspector.describe(job_id)
    return _Subject(engine, summary, definition, look, call.user.name)


def _shown(subject: _Subject, action: str, **more: Any) -> dict[str, Any]:
    """What each of the pages shows."""
    fits = dict(actions_of(subject.look, subject.job))
    return {
        "job": subject.job,
        "look": subject.look,
        "word": state_of(subject.look),
        "action": action,
        "fits": action in fits,
        "seen": latest_entry(subject.engine, subject.job_id),
        "problem": "",
        **more,
    }


def _stale(call: Call, subject: _Subject) -> str:
    """What has changed since the form was shown; empty when nothing has."""
    if call.form.get("mark") == subject.look.mark:
        return ""
    seen = str(call.form.get("seen", ""))
    who = changed_by(subject.engine, subject.job_id, seen, subject.number)
    what = f"It was {who}." if who else "It has gone on since you looked."
    return f"{what} Nothing was done. It is {state_of(subject.look)} now, as this page shows it."


def _refused(call: Call, subject: _Subject, error: FlowForgeError) -> str:
    """The refusal of the engine, with who was faster."""
    who = changed_by(subject.engine, subject.job_id, str(call.form.get("seen", "")), subject.number)
    return f"It was {who}. {error}" if who and isinstance(error, JobStateError) else str(error)


def _back(subject: _Subject, said: str) -> Leave:
    return Leave(
        f"/jobs/{subject.job_id}/invocations/{subject.number}",
        f"Invocation {subject.number} of job {subject.job_id} {said}.",
    )


def _of_invocation(handler: Callable[[Call, _Subject], View | Leave]) -> Handler:
    """The handler with what the address names; a page that says so where there is none."""

    def answer(call: Call) -> View | Leave:
        subject = _subject(call)
        if subject is None:
            return no_invocation(call.path("job_id"), int(call.path("number")))
        return handler(call, subject)

    return answer


# --- edit ------------------------------------------------------------------------------------

#: What follows an edit, by the value of the form: what it is called, and the job's status or the
#: state of the invocation that it fits.
_THEN = {"": "leave it where it is", "run": "run it now", "retry": "retry the job"}


def edit_form(_: Call, subject: _Subject) -> View:
    """The params as a form."""
    return _edit_form(subject, {})


def _edit_form(
    subject: _Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200
) -> View:
    given = subject.look.given.params or {}
    then = {"": _THEN[""]}
    if subject.job.status is JobStatus.FAILED:
        then = {"retry": _THEN["retry"], **then}
    elif "run-now" in dict(actions_of(subject.look, subject.job)):
        then = {"run": _THEN["run"], **then}
    context = _shown(
        subject, "edit", problem=problem,
        fields=fields(given, subject.look.secret, typed), new=new_fields(typed), then=then,
        new_params=_new_params(typed),
    )  # fmt: skip
    return View("edit.html", context, status)


def edit(call: Call, subject: _Subject) -> View | Leave:
    """Show the difference; once that is confirmed, change the params."""
    if stale := _stale(call, subject):
        return _edit_form(subject, {}, stale, 409)
    given, secret = subject.look.given.params or {}, subject.look.secret
    then = str(call.form.get("then", ""))
    try:
        if "changes" in call.form:
            return _edited(call, subject, unpacked(call.form["changes"]), then)
        found = changes(given, secret, call.form)
        if not found:
            raise InvalidValueError("nothing is different from what it has")
        subject.engine.mending.check_edit(
            subject.job_id, subject.number, found, subject.by, _new_params(call.form)
        )
    except FlowForgeError as error:
        return _edit_form(subject, call.form, _refused(call, subject, error), 409)
    context = _shown(
        subject, "edit", differences=differences(given, secret, found),
        packed=packed(found), then=then, follows=_THEN.get(then, ""), definition="",
        new_params=_new_params(call.form),
    )  # fmt: skip
    return View("edit_confirm.html", context)


def _edited(call: Call, subject: _Subject, found: dict[str, Any], then: str) -> Leave:
    mending, job_id, number = subject.engine.mending, subject.job_id, subject.number
    marks = {number: subject.look.record_mark}
    reason, new = str(call.form.get("reason", ""))[:500], _new_params(call.form)
    if then == "retry":
        mending.retry(job_id, {number: found}, subject.by, reason, marks, new)
        return _back(subject, "has new params, and the job was retried")
    mending.edit(job_id, {number: found}, by=subject.by, marks=marks, new_params=new)
    if then == "run":
        try:
            mending.run_now(job_id, number, subject.by)
        except JobStateError as error:
            return _back(subject, f"has new params; {error}")
        return _back(subject, "has new params, and runs")
    return _back(subject, "has new params")


def _new_params(typed: Mapping[str, Any]) -> bool:
    """Whether names of params are meant that the engine does not know of."""
    return bool(typed.get("new_params"))


# --- skip, run now ---------------------------------------------------------------------------


def skip_form(_: Call, subject: _Subject) -> View:
    """What a skip does, and what can be emitted in its place."""
    return _skip_form(subject, {})


def _skip_form(
    subject: _Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200
) -> View:
    routine_id, definition = subject.look.routine_id, subject.definition
    spec = definition.routine(definition.index(routine_id))
    emissions = [
        (place, str(typed.get(f"event.{place}", "")), str(typed.get(f"params.{place}", "")))
        for place in range(_EMISSIONS)
    ]
    context = _shown(
        subject, "skip", problem=problem, events=spec.raw["events"], emissions=emissions,
        goes=[c for c in definition.connections if c.source_routine_id == routine_id],
        new_params=_new_params(typed),
    )  # fmt: skip
    return View("skip.html", context, status)


def skip(call: Call, subject: _Subject) -> View | Leave:
    """End the invocation in the place of its handler."""
    if stale := _stale(call, subject):
        return _skip_form(subject, {}, stale, 409)
    try:
        emit = _emissions(call.form)
        subject.engine.mending.skip(
            subject.job_id, subject.number, emit, subject.by, _new_params(call.form)
        )
    except FlowForgeError as error:
        return _skip_form(subject, call.form, _refused(call, subject, error), 409)
    return _back(subject, "is skipped")


def _emissions(typed: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for place in range(_EMISSIONS):
        event, text = str(typed.get(f"event.{place}", "")), str(typed.get(f"params.{place}", ""))
        if not event:
            if text.strip():
                raise InvalidValueError("choose the event that has these params")
            continue
        try:
            params = read_json(text or "{}")
        except ValueError as error:
            raise InvalidValueError(f"the params of {event} are no JSON: {error}") from None
        if not isinstance(params, dict):
            raise InvalidValueError(f"the params of {event} must be a JSON object")
        found.append((event, params))
    return found


def run_now_form(_: Call, subject: _Subject) -> View:
    """What it does."""
    return View("run_now.html", _shown(subject, "run-now"))


def run_now(call: Call, subject: _Subject) -> View | Leave:
    """Let the timer be over."""
    problem = _stale(call, subject)
    if not problem:
        try:
            subject.engine.mending.run_now(subject.job_id, subject.number, subject.by)
        except FlowForgeError as error:
            problem = _refused(call, subject, error)
    if problem:
        return View("run_now.html", _shown(subject, "run-now", problem=problem), 409)
    return _back(subject, "runs")


# --- fork, rerun: new jobs -------------------------------------------------------------------


def fork_form(_: Call, subject: _Subject) -> View:
    """The params of the copy."""
    return _fork_form(subject, {})


def _fork_form(
    subject: _Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200
) -> View:
    given = subject.look.given.params or {}
    context = _shown(
        subject, "fork", problem=problem, then={},
        fields=fields(given, subject.look.secret, typed), new=new_fields(typed),
        new_params=_new_params(typed),
    )  # fmt: skip
    return View("edit.html", context, status)


def fork(call: Call, subject: _Subject) -> View | Leave:
    """Show what the copy gets; once that is confirmed, submit the new job."""
    if stale := _stale(call, subject):
        return _fork_form(subject, {}, stale, 409)
    given, secret, number = subject.look.given.params or {}, subject.look.secret, subject.number
    new = _new_params(call.form)
    try:
        if "changes" in call.form:
            found = unpacked(call.form["changes"])
            edits = {number: found} if found else None
            new_id = subject.engine.fork(subject.job_id, [number], edits, None, subject.by, new)
            return Leave(f"/jobs/{new_id}", f"Job {new_id} is a fork of job {subject.job_id}.")
        found = changes(given, secret, call.form)
        subject.engine.forks.check_copy(subject.job_id, number, found, new)
    except FlowForgeError as error:
        return _fork_form(subject, call.form, _refused(call, subject, error), 409)
    context = _shown(
        subject, "fork", differences=differences(given, secret, found),
        packed=packed(found), then="", follows="", definition="", new_params=new,
    )  # fmt: skip
    return View("edit_confirm.html", context)


def rerun_form(call: Call) -> View:
    """The entry params of the new job."""
    return _rerun_form(call, {})


def _rerun_form(call: Call, typed: Mapping[str, Any], problem: str = "", status: int = 200) -> View:
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary, _ = engine.inspector.describe(job_id)
    params = engine.inspector.params(job_id)
    context: dict[str, Any] = {
        "job": summary,
        "look": None,
        "fits": True,
        "action": "rerun",
        "problem": problem,
        "kept": params is not None,
        "whole": str(typed.get("whole", "{}")),
        "fields": fields(params or {}, _hidden(params or {}), typed),
        "new": new_fields(typed) if params is not None else [],
        "new_params": _new_params(typed),
        "then": {},
        "definitions": DEFINITIONS,
        "definition": str(typed.get("definition", DEFINITIONS[0])),
    }
    return View("edit.html", context, status)


def rerun(call: Call) -> View | Leave:
    """Show what the new job gets; once that is confirmed, submit it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    params = engine.inspector.params(job_id)
    definition = str(call.form.get("definition", DEFINITIONS[0]))
    new = _new_params(call.form)
    try:
        if "changes" in call.form:
            found = unpacked(call.form["changes"])
            new_id = engine.rerun(job_id, _rerun_params(params, found), definition, new)
            return Leave(f"/jobs/{new_id}", f"Job {new_id} runs what job {job_id} was given.")
        if params is None:
            found = unpacked(call.form.get("whole", "{}"))
        else:
            found = changes(params, _hidden(params), call.form)
        engine.check_rerun(job_id, _rerun_params(params, found), definition, new)
    except FlowForgeError as error:
        return _rerun_form(call, call.form, str(error), 409)
    summary, _ = engine.inspector.describe(job_id)
    context: dict[str, Any] = {
        "job": summary,
        "look": None,
        "action": "rerun",
        "differences": differences(params or {}, _hidden(params or {}), found),
        "packed": packed(found),
        "then": "",
        "follows": "",
        "definition": definition,
        "new_params": new,
    }
    return View("edit_confirm.html", context)


def _hidden(params: Mapping[str, Any]) -> set[str]:
    return {name for name, value in params.items() if value == HIDDEN}


def _rerun_params(params: Mapping[str, Any] | None, found: dict[str, Any]) -> dict[str, Any] | None:
    """All params of the new job; None: those of the earlier one. Masks are never among them."""
    if params is None:
        return found
    missing = sorted(_hidden(params) - found.keys())
    if missing:
        raise InvalidValueError(
            f"secret params are not kept: give a value for {', '.join(missing)}"
        )
    return {**params, **found} if found else None


_INVOCATION = "/jobs/{job_id}/invocations/{number:int}"

PAGES = [
    page
    for address, form, handler, does in (
        (f"{_INVOCATION}/edit", _of_invocation(edit_form), _of_invocation(edit), "edit"),
        (f"{_INVOCATION}/skip", _of_invocation(skip_form), _of_invocation(skip), "skip"),
        (
            f"{_INVOCATION}/run-now",
            _of_invocation(run_now_form),
            _of_invocation(run_now),
            "run now",
        ),
        (f"{_INVOCATION}/fork", _of_invocation(fork_form), _of_invocation(fork), "fork"),
        ("/jobs/{job_id}/rerun", rerun_form, rerun, "run again"),
    )
    for page in (
        Page(address, form, Role.OPERATOR),
        Page(address, handler, Role.OPERATOR, "POST", does=does),
    )
]
