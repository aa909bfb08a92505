"""An action on many jobs of the list: what it will do to which of them, then the operation.

The question carries the moment at which it was shown: jobs that were created later are not among
those of its search, and it is asked again when somebody has changed these jobs meanwhile.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flowforge.engine.bulk.bulk import new_bulk, preview, recent_bulks
from flowforge.engine.bulk.selection import Listed, Matching, Selection
from flowforge.engine.bulk.start import start_bulk
from flowforge.engine.finding.find import JobSearch
from flowforge.errors import BulkOvertakenError, FlowForgeError, InvalidValueError
from flowforge.model.jobs.bulk import TAKEN, BulkAction, BulkPreview
from flowforge.model.jobs.labels import label_changes
from flowforge.store.job_reads.job_rows import JobRows, JobSummary
from flowforge.web.changed_by import changed_by
from flowforge.web.filters import ago
from flowforge.web.label_words import labels_of
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.views.job_actions import ACTIONS
from flowforge.web.views.job_list import BULK, FIELDS, query_of

#: Jobs that can be selected one by one.
_MOST = 500

#: Operations of others that are looked at, and selected jobs that are named as changed.
_OTHERS, _NAMED = 20, 3

#: Fields of the form that are shown again.
_TYPED = ("reason", "rate", "set", "remove")


@dataclass(frozen=True)
class BulkWord:
    """An action as people read it. ``does``: what becomes of each job."""

    action: BulkAction
    does: str
    role: Role

    @property
    def name(self) -> str:
        return self.action.value


_LABELS = "Each job gets these labels, by which it is found."

WORDS = [
    BulkWord(BulkAction(name), ACTIONS[name].does if name in ACTIONS else _LABELS, role)
    for name, role in BULK.items()
]


@dataclass(frozen=True)
class _Asked:
    """What the address says. ``everything``: no field of the search is filled."""

    selection: Selection
    job_ids: list[str]
    back: str
    everything: bool


def ask(word: BulkWord, call: Call) -> View:
    """Which jobs these are, what will happen to them, and the form that does it."""
    return _question(word, call, _asked(call, _now(call)), {})


def act(word: BulkWord, call: Call) -> View | Leave:
    """Begin, unless somebody has changed these jobs since the question was shown."""
    typed = {name: str(call.form.get(name, "")).strip() for name in _TYPED}
    seen = _moment(call.form.get("seen", ""))
    asked = _asked(call, seen)
    errors: dict[str, str] = {}
    changes = _changes(typed, errors) if word.action is BulkAction.LABEL else {}
    rate = _rate(typed["rate"], errors)
    if not typed["reason"]:
        errors["reason"] = "Say why: it is kept with the operation and with each job."
    if asked.everything and call.form.get("everything") != "yes":
        errors["everything"] = "Confirm that you mean every job."
    if errors:
        return _question(word, call, asked, typed, errors=errors, seen=seen, status=409)
    if changed := _changed(call, asked, seen):
        problem = f"{changed} Nothing was done. Here they are as they are now."
        return _question(word, call, _asked(call, _now(call)), typed, problem=problem, status=409)
    try:
        new = new_bulk(
            word.action, asked.selection, typed["reason"][:500], rate, call.user.name, changes,
            undo=word.action is BulkAction.CANCEL and call.form.get("undo") == "yes",
        )  # fmt: skip
        bulk_id = start_bulk(call.engines, *new, since=seen)
    except BulkOvertakenError:
        problem = f"{_changed(call, asked, seen)} Nothing was done. Here they are as they are now."
        return _question(word, call, _asked(call, _now(call)), typed, problem=problem, status=409)
    except FlowForgeError as error:
        return _question(word, call, asked, typed, problem=str(error), seen=seen, status=409)
    return Leave(f"/bulk/{bulk_id}", f"Bulk operation {bulk_id} has begun.")


def _asked(call: Call, until: int) -> _Asked:
    """The selected jobs, or those of the search that were there at this moment."""
    asked = {name: call.query.get(name, "").strip() for name in FIELDS}
    filled = {name: value for name, value in asked.items() if value}
    back = f"/jobs?{urlencode(filled)}" if filled else "/jobs"
    if call.query.get("which") == "all":
        query = query_of(asked, until=datetime.fromtimestamp(until / 1000, UTC))
        search = Matching(call.engines, JobSearch(query, None))
        return _Asked(search, [], back, not filled)
    job_ids = list(dict.fromkeys(call.request.query_params.getlist("job")))
    if not job_ids:
        raise InvalidValueError("no job is selected: select rows of the list, or all of the search")
    if len(job_ids) > _MOST:
        raise InvalidValueError(f"at most {_MOST} jobs are selected one by one; use a search")
    selection = Listed([(job_id, call.engine(job_id)) for job_id in job_ids])
    return _Asked(selection, job_ids, back, False)


def _question(
    word: BulkWord, call: Call, asked: _Asked, typed: Mapping[str, str],
    *, errors: Mapping[str, str] | None = None, problem: str = "", seen: int | None = None,
    status: int = 200,
) -> View:  # fmt: skip
    found = preview(asked.selection, exact=False)
    context: dict[str, Any] = {
        "word": word,
        "found": found,
        "taken": _amounts(word, found, taken=True),
        "taken_count": found.taken(word.name),
        "refused": _amounts(word, found, taken=False),
        "samples": _samples(call, asked.job_ids or found.job_ids),
        "everything": asked.everything,
        "back": asked.back,
        "several": len(call.engines),
        "typed": {name: typed.get(name, "") for name in _TYPED},
        "errors": dict.fromkeys((*_TYPED, "everything"), "") | dict(errors or {}),
        "problem": problem,
        "seen": _now(call) if seen is None else seen,
    }
    return View("bulk_jobs.html", context, status)


def _amounts(word: BulkWord, found: BulkPreview, *, taken: bool) -> dict[str, int]:
    """How many jobs of each status take the action, or do not."""
    return {
        status: count
        for status, count in found.statuses.items()
        if count and (status in TAKEN[word.action]) is taken
    }


def _samples(call: Call, job_ids: list[str]) -> list[JobSummary]:
    return [
        job
        for job_id in job_ids
        for job in JobRows(call.engine(job_id).store).summaries([job_id])
        if isinstance(job, JobSummary)
    ]


def _now(call: Call) -> int:
    """The time of the servers, in milliseconds: of the one whose clock is the earliest."""
    return min(engine.overview.now() for engine in call.engines)


def _moment(text: object) -> int:
    try:
        return min(max(int(str(text)), 0), 2**42)
    except ValueError:
        raise InvalidValueError("the form lacks its moment: load the page again") from None


def _changed(call: Call, asked: _Asked, seen: int) -> str:
    """What people have done meanwhile that may concern these jobs; empty for nothing."""
    begun = [
        one for one in recent_bulks(call.engines, _OTHERS)
        if one.created_at.timestamp() * 1000 >= seen
    ]  # fmt: skip
    said = [
        f"{one.by} has started to {one.action} jobs {ago(one.created_at)} ({one.selection})."
        for one in begun[:_NAMED]
    ]
    for job_id in asked.job_ids:
        who = changed_by(call.engine(job_id), job_id, f"{seen}-0")
        if who and len(said) < _NAMED:
            said.append(f"Job {job_id} was {who}.")
    return " ".join(said)


def _changes(typed: Mapping[str, str], errors: dict[str, str]) -> dict[str, str]:
    """The changes of labels; what is wrong goes into ``errors``."""
    changes: dict[str, str] = {}
    try:
        changes = label_changes(labels_of(typed["set"]))
    except ValueError as error:
        errors["set"] = str(error)
    try:
        changes = {**label_changes(dict.fromkeys(shlex.split(typed["remove"]))), **changes}
    except ValueError as error:
        errors["remove"] = str(error)
    if not changes and not errors:
        errors["set"] = "Give a label to set, or one to take away."
    return changes


def _rate(text: str, errors: dict[str, str]) -> float | None:
    try:
        rate = float(text) if text else None
    except ValueError:
        rate = 0.0
    if rate is not None and not 0 < rate < 1e6:
        errors["rate"] = "It must be a number of jobs a second, above 0."
    return rate


PAGES = [
    page
    for word in WORDS
    for page in (
        Page(f"/bulk/new/{word.name}", partial(ask, word), word.role),
        Page(
            f"/bulk/new/{word.name}",
            partial(act, word),
            word.role,
            "POST",
            does=f"{word.name} many",
        ),
    )
]
