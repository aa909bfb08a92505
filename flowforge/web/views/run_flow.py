"""Starting a job of a flow from a form, which is made of what the deployed handlers take."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flowforge.engine.flow_start import EntryPlace, StoredFlow, start, stored_flow, versions
from flowforge.errors import DefinitionError, FlowForgeError, InvalidValueError
from flowforge.model.times.debounce import LONGEST_KEY
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.run_form import RunForm, empty_form, filled_form
from flowforge.web.run_options import FIELDS, run_options, said_of
from flowforge.web.security.identity import Role

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
    typed = {name: str(call.form.get(name, "")).strip() for name in FIELDS}
    once = str(call.form.get(_ONCE, ""))
    options = run_options(typed)
    if filled.params is None or options.errors:
        return _shown(call, flow, entry, filled, typed, errors=options.errors, status=409)
    try:
        submitted = start(
            call.dashboard.submitter, flow, entry, filled.params,
            idempotency_key=typed["key"] or once or None, labels=options.labels,
            priority=int(typed["priority"] or 0), deadlines=options.deadlines,
            begins=options.start, keys=options.keys,
        )  # fmt: skip
    except FlowForgeError as error:
        return _shown(call, flow, entry, filled, typed, problem=str(error), status=409)
    return Leave(f"/jobs/{submitted.job_id}", said_of(submitted, typed, options))


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
            "typed": {name: typed.get(name, "") for name in FIELDS},
            "errors": errors or {},
            "longest_key": LONGEST_KEY,
            "problem": problem,
        },
        status,
    )


PAGES = [
    Page("/flows/run", form, Role.OPERATOR),
    Page("/flows/run", run, Role.OPERATOR, "POST"),
]
