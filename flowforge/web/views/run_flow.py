"""Starting a job of a flow from a form, which is made of what the deployed handlers take."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flowforge.common.duration import span_of
from flowforge.engine.flow_start import EntryPlace, StoredFlow, start, stored_flow, versions
from flowforge.errors import DefinitionError, FlowForgeError, InvalidValueError
from flowforge.model.deadlines import NO_DEADLINES, Deadlines
from flowforge.model.start import timeout_ms
from flowforge.web.label_words import labels_of
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.run_form import RunForm, empty_form, filled_form
from flowforge.web.security.identity import Role

#: Fields beside the params.
_MORE = ("labels", "key", "priority", "start_within", "finish_within")

#: The field with the idempotency key of a form in which none is typed: of a form that is sent twice
#: the second one starts nothing.
_ONCE = "once"


def form(call: Call) -> View:
    """The form of the entry that the address names, by default the first one."""
    found = _addressed(call)
    if isinstance(found, View):
        return found
    flow, entry = found
    return _shown(call, flow, entry, empty_form(entry, _example(flow, entry)), {})


def run(call: Call) -> View | Leave:
    """Start the job; what was typed is shown again while something is wrong with it."""
    found = _addressed(call)
    if isinstance(found, View):
        return found
    flow, entry = found
    filled = filled_form(entry, _example(flow, entry), call.form)
    typed = {name: str(call.form.get(name, "")).strip() for name in _MORE}
    once = str(call.form.get(_ONCE, ""))
    errors: dict[str, str] = {}
    labels, deadlines = _checked(errors, typed), _deadlines(errors, typed)
    if filled.params is None or errors:
        return _shown(call, flow, entry, filled, typed, errors=errors, status=409)
    try:
        submitted = start(
            call.dashboard.submitter, flow, entry, filled.params,
            idempotency_key=typed["key"] or once or None, labels=labels,
            priority=int(typed["priority"] or 0), deadlines=deadlines,
        )  # fmt: skip
    except FlowForgeError as error:
        return _shown(call, flow, entry, filled, typed, problem=str(error), status=409)
    said = f"Job {submitted.job_id} has begun."
    if not submitted.created:
        said = f"Nothing was started: job {submitted.job_id} has this idempotency key already."
        if not typed["key"]:
            said = f"This form has started job {submitted.job_id} before, and nothing now."
    return Leave(f"/jobs/{submitted.job_id}", said)


def _addressed(call: Call) -> tuple[StoredFlow, EntryPlace] | View:
    flow_id, entry = call.query.get("id", ""), call.query.get("entry", "")
    try:
        flow = stored_flow(call.dashboard.submitter, flow_id, call.query.get("version", ""))
        if not flow.entries:
            raise InvalidValueError(
                "no routine of this flow has one slot alone, or one that is named trigger"
            )
        return flow, flow.entry(entry) if entry else flow.entries[0]
    except (DefinitionError, InvalidValueError) as error:
        context = {"title": "This flow cannot be run from here", "text": str(error)}
        return View("message.html", context, 404)


def _example(flow: StoredFlow, entry: EntryPlace) -> dict[str, Any] | None:
    """What is kept of the params of the job that the flow was found by, if it began here."""
    _, details = flow.engine.inspector.describe(flow.job_id)
    if details.entry != entry.name:
        return None
    return flow.engine.inspector.params(flow.job_id)


def _checked(errors: dict[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """The labels; what is wrong with them, and with the priority, goes into ``errors``."""
    if typed["priority"] not in ("", *map(str, range(10))):
        errors["priority"] = "It must be a whole number from 0 to 9."
    try:
        return labels_of(typed["labels"])
    except ValueError as error:
        errors["labels"] = str(error)
        return {}


def _deadlines(errors: dict[str, str], typed: Mapping[str, str]) -> Deadlines:
    """The deadlines; what is wrong with them goes into ``errors``."""
    found = []
    for name in ("start_within", "finish_within"):
        try:
            if typed[name] and span_of(typed[name]) is None:
                raise InvalidValueError("It is no length of time: give seconds, or 30m, 2h or 7d.")
            found.append(timeout_ms("It", span_of(typed[name]) if typed[name] else None))
        except InvalidValueError as error:
            errors[name] = str(error)
    return NO_DEADLINES if len(found) < 2 else Deadlines(*found)


def _shown(
    call: Call, flow: StoredFlow, entry: EntryPlace, filled: RunForm, typed: Mapping[str, str],
    *, errors: Mapping[str, str] | None = None, problem: str = "", status: int = 200,
) -> View:  # fmt: skip
    return View(
        "run_flow.html",
        {
            "flow_id": flow.definition.flow_id,
            "entries": [one.name for one in flow.entries],
            "entry": entry,
            "version": flow.name,
            "versions": versions(call.engines, flow.definition.flow_id),
            "filled": filled,
            "once": str(call.form.get(_ONCE, "")) or secrets.token_urlsafe(16),
            "typed": {name: typed.get(name, "") for name in _MORE},
            "errors": errors or {},
            "problem": problem,
        },
        status,
    )


PAGES = [
    Page("/flows/run", form, Role.OPERATOR),
    Page("/flows/run", run, Role.OPERATOR, "POST"),
]
