"""Mending single invocations, and jobs that begin with what others were given.

Each page says what will happen, and its form carries what it showed: if somebody has changed that
since, nothing is done, and the page names who it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.codec.masking import HIDDEN
from flowforge.codec.plain import read_json
from flowforge.engine.engine import Engine
from flowforge.engine.mending.rerun import DEFINITIONS
from flowforge.errors import FlowForgeError, InvalidValueError, JobStateError
from flowforge.model.jobs.status import JobStatus
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.param_form import ParamForm, ParamFormError, packed, unpacked
from flowforge.web.security.identity import Role
from flowforge.web.views.mended_invocation import (
    INVOCATION,
    Subject,
    handler_params,
    of_invocation,
)

#: Emissions that the form of a skip has room for.
_EMISSIONS = 3


# --- edit ------------------------------------------------------------------------------------

#: What follows an edit, by the value of the form: what it is called, and the job's status or the
#: state of the invocation that it fits.
_THEN = {"": "leave it where it is", "run": "run it now", "retry": "retry the job"}


def edit_form(_: Call, subject: Subject) -> View:
    """The params as a form."""
    return _edit_form(subject, {})


def _edit_form(
    subject: Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200,
    error: FlowForgeError | None = None,
) -> View:  # fmt: skip
    then = {"": _THEN[""]}
    if subject.job.status is JobStatus.FAILED:
        then = {"retry": _THEN["retry"], **then}
    elif "run-now" in dict(subject.actions):
        then = {"run": _THEN["run"], **then}
    context = subject.shown(
        "edit", problem=problem, then=then, **_shown(subject.form, typed, error)
    )
    return View("edit.html", context, status)


def _shown(
    form: ParamForm, typed: Mapping[str, Any], error: FlowForgeError | None = None
) -> dict[str, Any]:
    """The fields of a form, with what was typed, and what is wrong with each."""
    errors = error.errors if isinstance(error, ParamFormError) else {}
    return {
        "fields": form.fields(typed, errors),
        "new": form.new_fields(typed, errors),
        "new_params": _new_params(typed),
    }


def edit(call: Call, subject: Subject) -> View | Leave:
    """Show the difference; once that is confirmed, change the params."""
    if stale := subject.stale_text(call):
        return _edit_form(subject, {}, stale, 409)
    form, then = subject.form, str(call.form.get("then", ""))
    try:
        if "changes" in call.form:
            return _edited(call, subject, unpacked(call.form["changes"]), then)
        found = form.changes(call.form)
        if not found:
            raise InvalidValueError("nothing is different from what it has")
        subject.engine.mending.check_edit(
            subject.job_id, subject.number, found, subject.by, _new_params(call.form)
        )
    except FlowForgeError as error:
        return _edit_form(subject, call.form, subject.refusal(call, error), 409, error)
    context = subject.shown(
        "edit", differences=form.differences(found),
        packed=packed(found), then=then, follows=_THEN.get(then, ""), definition="",
        new_params=_new_params(call.form),
    )  # fmt: skip
    return View("edit_confirm.html", context)


def _edited(call: Call, subject: Subject, found: dict[str, Any], then: str) -> Leave:
    mending, job_id, number = subject.engine.mending, subject.job_id, subject.number
    marks = {number: subject.look.record_mark}
    reason, new = str(call.form.get("reason", ""))[:500], _new_params(call.form)
    if then == "retry":
        mending.retry(job_id, {number: found}, subject.by, reason, marks, new)
        return subject.back("has new params, and the job was retried")
    mending.edit(job_id, {number: found}, by=subject.by, marks=marks, new_params=new)
    if then == "run":
        try:
            mending.run_now(job_id, number, subject.by)
        except JobStateError as error:
            return subject.back(f"has new params; {error}")
        return subject.back("has new params, and runs")
    return subject.back("has new params")


def _new_params(typed: Mapping[str, Any]) -> bool:
    """Whether names of params are meant that the engine does not know of."""
    return bool(typed.get("new_params"))


# --- skip ---------------------------------------------------------------------------


def skip_form(_: Call, subject: Subject) -> View:
    """What a skip does, and what can be emitted in its place."""
    return _skip_form(subject, {})


def _skip_form(
    subject: Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200
) -> View:
    routine_id, definition = subject.look.routine_id, subject.definition
    spec = definition.routine(definition.index(routine_id))
    emissions = [
        (place, str(typed.get(f"event.{place}", "")), str(typed.get(f"params.{place}", "")))
        for place in range(_EMISSIONS)
    ]
    context = subject.shown(
        "skip", problem=problem, events=spec.raw["events"], emissions=emissions,
        goes=[c for c in definition.connections if c.source_routine_id == routine_id],
        new_params=_new_params(typed),
    )  # fmt: skip
    return View("skip.html", context, status)


def skip(call: Call, subject: Subject) -> View | Leave:
    """End the invocation in the place of its handler."""
    if stale := subject.stale_text(call):
        return _skip_form(subject, {}, stale, 409)
    try:
        emit = _emissions(call.form)
        subject.engine.mending.skip(
            subject.job_id, subject.number, emit, subject.by, _new_params(call.form)
        )
    except FlowForgeError as error:
        return _skip_form(subject, call.form, subject.refusal(call, error), 409)
    return subject.back("is skipped")


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


# --- fork, rerun: new jobs -------------------------------------------------------------------


def fork_form(_: Call, subject: Subject) -> View:
    """The params of the copy."""
    return _fork_form(subject, {})


def _fork_form(
    subject: Subject, typed: Mapping[str, Any], problem: str = "", status: int = 200,
    error: FlowForgeError | None = None,
) -> View:  # fmt: skip
    context = subject.shown("fork", problem=problem, then={}, **_shown(subject.form, typed, error))
    return View("edit.html", context, status)


def fork(call: Call, subject: Subject) -> View | Leave:
    """Show what the copy gets; once that is confirmed, submit the new job."""
    if stale := subject.stale_text(call):
        return _fork_form(subject, {}, stale, 409)
    form, number, new = subject.form, subject.number, _new_params(call.form)
    try:
        if "changes" in call.form:
            found = unpacked(call.form["changes"])
            edits = {number: found} if found else None
            new_id = subject.engine.fork(subject.job_id, [number], edits, None, subject.by, new)
            return Leave(f"/jobs/{new_id}", f"Job {new_id} is a fork of job {subject.job_id}.")
        found = form.changes(call.form)
        subject.engine.forks.check_copy(subject.job_id, number, found, new)
    except FlowForgeError as error:
        return _fork_form(subject, call.form, subject.refusal(call, error), 409, error)
    context = subject.shown(
        "fork", differences=form.differences(found),
        packed=packed(found), then="", follows="", definition="", new_params=new,
    )  # fmt: skip
    return View("edit_confirm.html", context)


def rerun_form(call: Call) -> View:
    """The entry params of the new job."""
    return _rerun_form(call, {})


def _rerun_form(
    call: Call, typed: Mapping[str, Any], problem: str = "", status: int = 200,
    error: FlowForgeError | None = None,
) -> View:  # fmt: skip
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary, details = engine.inspector.describe(job_id)
    params = engine.inspector.params(job_id)
    shown = _shown(_entry_form(engine, job_id, details.entry, params), typed, error)
    context: dict[str, Any] = {
        "job": summary,
        "look": None,
        "fits": True,
        "action": "rerun",
        "problem": problem,
        "kept": params is not None,
        "whole": str(typed.get("whole", "{}")),
        **shown,
        "new": shown["new"] if params is not None else [],
        "then": {},
        "definitions": DEFINITIONS,
        "definition": str(typed.get("definition", DEFINITIONS[0])),
    }
    return View("edit.html", context, status)


def rerun(call: Call) -> View | Leave:
    """Show what the new job gets; once that is confirmed, submit it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary, details = engine.inspector.describe(job_id)
    params = engine.inspector.params(job_id)
    form = _entry_form(engine, job_id, details.entry, params)
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
            found = form.changes(call.form)
        engine.check_rerun(job_id, _rerun_params(params, found), definition, new)
    except FlowForgeError as error:
        return _rerun_form(call, call.form, str(error), 409, error)
    context: dict[str, Any] = {
        "job": summary,
        "look": None,
        "action": "rerun",
        "differences": form.differences(found),
        "packed": packed(found),
        "then": "",
        "follows": "",
        "definition": definition,
        "new_params": new,
    }
    return View("edit_confirm.html", context)


def _entry_form(
    engine: Engine, job_id: str, entry: str, params: Mapping[str, Any] | None
) -> ParamForm:
    """The entry params of a job, as the handler of its entry takes them."""
    definition = engine.inspector.definition(job_id)
    routine_id, _, slot = entry.rpartition(".")
    takes = handler_params(engine, definition, routine_id, slot)
    return ParamForm(params or {}, _hidden(params or {}), takes)


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


PAGES = [
    page
    for address, form, handler, does in (
        (f"{INVOCATION}/edit", of_invocation(edit_form), of_invocation(edit), "edit"),
        (f"{INVOCATION}/skip", of_invocation(skip_form), of_invocation(skip), "skip"),
        (f"{INVOCATION}/fork", of_invocation(fork_form), of_invocation(fork), "fork"),
        ("/jobs/{job_id}/rerun", rerun_form, rerun, "run again"),
    )
    for page in (
        Page(address, form, Role.OPERATOR),
        Page(address, handler, Role.OPERATOR, "POST", does=does),
    )
]
