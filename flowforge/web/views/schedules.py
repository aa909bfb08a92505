"""Schedules: their list, one of them, and what can be done with it, each after a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flowforge.engine.schedules.state import ScheduleState, home_of_schedule
from flowforge.errors import (
    FlowForgeError,
    InvalidValueError,
    RecordError,
    ScheduleNotFoundError,
    ScheduleStateError,
)
from flowforge.model.times.schedule import Overlap, ScheduleStatus, check_schedule_name
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.store.reading import moment
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.schedule_words import next_words, past_time, remark
from flowforge.web.security.identity import Role

#: Schedules of a page, for each server; entries of a history, and past times, that are listed.
_PAGE, _HISTORY, _TIMES = 50, 100, 10

#: Pages of the list: those behind are found with the command line.
_LAST = 1000


def listed(call: Call) -> View:
    """Those that come next."""
    start = _page_of(call) * _PAGE
    found, left_out = list[ScheduleInfo](), list[RecordError]()
    for engine in call.engines:
        for one in engine.schedules.coming(start, _PAGE):
            if isinstance(one, RecordError):
                left_out.append(one)
            else:
                found.append(one)
    totals = [engine.schedules.total() for engine in call.engines]
    return View(
        "schedules.html",
        {
            "found": [(one, remark(one)) for one in sorted(found, key=ScheduleInfo.order)],
            "left_out": left_out,
            "total": sum(totals),
            "page": start // _PAGE,
            "more": max(totals, default=0) > start + _PAGE,
        },
    )


def _page_of(call: Call) -> int:
    text = call.query.get("page", "0")
    if not (text.isascii() and text.isdigit()) or int(text[:9]) > _LAST:
        raise InvalidValueError(f"page must be a number up to {_LAST}")
    return int(text)


def schedule(call: Call) -> View:
    """One: when it starts jobs, what it did, and why it did not."""
    found = _found(call)
    if isinstance(found, View):
        return found
    info = found.info()
    return View(
        "schedule.html",
        {
            **_about(info),
            "history": found.history(_HISTORY),
            "acts": [one.word for one in _ACTIONS if call.may(one.role) and one.fits(info)],
        },
    )


def _about(info: ScheduleInfo) -> dict[str, Any]:
    return {
        "one": info,
        "remark": remark(info),
        "next": next_words(info),
        "own": urlencode({"name": info.name}),
    }


def _found(call: Call) -> ScheduleState | View:
    """The schedule that the address names."""
    try:
        name = check_schedule_name(call.query.get("name", ""))
        found = ScheduleState(name, home_of_schedule(call.dashboard.submitter, name))
        found.info()
    except (InvalidValueError, ScheduleNotFoundError) as error:
        context = {"title": "There is no such schedule", "text": str(error)}
        return View("message.html", context, 404)
    return found


# --- what can be done --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Action:
    """``word``: of the button, and of the address. ``does``: what it will do, for the question.

    ``run``: does it, and where to go. ``chooses``: whether the form asks what to do if a job runs.
    """

    word: str
    does: str
    run: Callable[[Call, ScheduleState], Leave]
    fits: Callable[[ScheduleInfo], bool] = lambda info: True
    role: Role = Role.OPERATOR
    asks_reason: bool = False
    chooses: bool = False
    danger: bool = False

    @property
    def path(self) -> str:
        return f"/schedules/{self.word.replace(' ', '-')}"


def _pause(call: Call, found: ScheduleState) -> Leave:
    changed = found.pause(_reason(call), by=call.user.name)
    return _back(found, "is paused." if changed else "was paused already.")


def _resume(call: Call, found: ScheduleState) -> Leave:
    changed = found.resume(_reason(call), by=call.user.name)
    return _back(found, "goes on." if changed else "was not paused.")


def _run_now(call: Call, found: ScheduleState) -> Leave:
    job = found.trigger(overlap=_overlap(call), by=call.user.name)
    if call.engine(job.job_id).store.knows(job.job_id):
        return Leave(f"/jobs/{job.job_id}", f"Schedule {found.name} has started job {job.job_id}.")
    return _back(found, f"starts job {job.job_id} after the end of the one before.")


def _remove(call: Call, found: ScheduleState) -> Leave:
    found.remove()
    return Leave("/schedules", f"Schedule {found.name} is removed.")


def _reason(call: Call) -> str:
    return str(call.form.get("reason", ""))[:500]


def _overlap(call: Call) -> str | None:
    return str(call.form.get("overlap", "")) or None


def _back(found: ScheduleState, what: str) -> Leave:
    address = f"/schedules/one?{urlencode({'name': found.name})}"
    return Leave(address, f"Schedule {found.name} {what}")


_ACTIONS = (
    _Action(
        "pause",
        "It starts no jobs until it is resumed: times that come meanwhile are skipped and counted. "
        "Its jobs go on.",
        _pause,
        lambda info: info.status is not ScheduleStatus.PAUSED,
        asks_reason=True,
    ),
    _Action(
        "resume",
        "It starts jobs again, from its next time on. What was skipped is not made up for.",
        _resume,
        lambda info: info.status is ScheduleStatus.PAUSED,
        asks_reason=True,
    ),
    _Action(
        "run now",
        "A job is started now. The times of the schedule go on as they are.",
        _run_now,
        chooses=True,
    ),
    _Action(
        "remove",
        "It is forgotten with its history, and starts no more jobs. Its jobs go on.",
        _remove,
        role=Role.ADMIN,
        danger=True,
    ),
)


def _ask(action: _Action, call: Call) -> View:
    found = _found(call)
    return found if isinstance(found, View) else _question(action, found.info())


def _question(action: _Action, info: ScheduleInfo, problem: str = "", status: int = 200) -> View:
    context = {
        **_about(info), "action": action, "fits": action.fits(info), "problem": problem,
        "overlaps": [one.value for one in Overlap],
    }  # fmt: skip
    return View("schedule_action.html", context, status)


def _act(action: _Action, call: Call) -> View | Leave:
    found = _found(call)
    if isinstance(found, View):
        return found
    try:
        if not action.fits(info := found.info()):
            raise ScheduleStateError(f"it is {info.status} now: this does not fit any more")
        return action.run(call, found)
    except (ScheduleStateError, InvalidValueError) as error:
        return _question(action, found.info(), str(error), 409)


# --- making up for past times ------------------------------------------------------------------


def ask_backfill(call: Call) -> View:
    """Which times; then which jobs are started for them, and the form that does it."""
    found = _found(call)
    if isinstance(found, View):
        return found
    typed = {name: call.query.get(name, "").strip() for name in ("from", "to", "overlap")}
    try:
        return _backfill_view(call, found, typed)
    except InvalidValueError as error:
        return _backfill_page(found, typed, problem=str(error), status=409)


def _backfill_view(call: Call, found: ScheduleState, typed: dict[str, str]) -> View:
    if not typed["from"]:
        return _backfill_page(found, typed)
    times = found.backfill_times(*_span(call, typed))
    sample = [moment(one * 1000) for one in times[:_TIMES]]
    return _backfill_page(found, typed, count=len(times), sample=sample)


def _span(call: Call, typed: dict[str, str]) -> Iterator[datetime]:
    now = moment(call.engines[0].overview.now())
    return (past_time(typed[name] or "0s", now) for name in ("from", "to"))


def backfill(call: Call) -> View | Leave:
    """Start the jobs."""
    found = _found(call)
    if isinstance(found, View):
        return found
    typed = {name: str(call.form.get(name, "")).strip() for name in ("from", "to", "overlap")}
    try:
        start, end = _span(call, typed)
        done = found.backfill(start, end, overlap=typed["overlap"] or None, by=call.user.name)
    except FlowForgeError as error:
        return _backfill_page(found, typed, problem=str(error), status=409)
    return _back(
        found, f"has {done.started} jobs started, {done.waiting} wait, {done.known} were there."
    )


def _backfill_page(
    found: ScheduleState, typed: dict[str, str], *, count: int | None = None, problem: str = "",
    sample: list[Any] | None = None, status: int = 200,
) -> View:  # fmt: skip
    context = {
        **_about(found.info()), "typed": typed, "count": count, "sample": sample or [],
        "problem": problem, "overlaps": [one.value for one in Overlap],
    }  # fmt: skip
    return View("schedule_backfill.html", context, status)


_BACKFILL = "/schedules/backfill"

PAGES = [
    Page("/schedules", listed, nav="Schedules"),
    Page("/schedules/one", schedule),
    *(
        page
        for action in _ACTIONS
        for page in (
            Page(action.path, partial(_ask, action), action.role),
            Page(
                action.path, partial(_act, action), action.role, "POST",
                does=f"{'trigger' if action.word == 'run now' else action.word} schedule",
            ),
        )
    ),
    Page(_BACKFILL, ask_backfill, Role.OPERATOR),
    Page(_BACKFILL, backfill, Role.OPERATOR, "POST", does="backfill schedule"),
]  # fmt: skip
