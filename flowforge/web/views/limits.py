"""Limits: what runs and waits at each of their keys, and changing what is in force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from flowforge.engine.limits import (
    KeyInUse,
    LimitControl,
    checked_key,
    holder_number,
    settings_in_force,
)
from flowforge.errors import FlowForgeError
from flowforge.model.limit import LimitSettings, parsed_settings
from flowforge.store.reading import moment
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role

#: Keys of the list, those with most that waits; holders and waiters of a key.
_SHOWN = 200
_NAMED = 50

#: What a form sets, in its order.
_FIELDS = ("running", "rate", "period", "burst")


@dataclass(frozen=True)
class Change:
    """What can be done by one button. ``done``: what is told afterwards."""

    name: str
    does: str
    done: str
    run: Callable[[LimitControl, str], object]


CHANGES = (
    Change(
        "disable", "Everything is let in at once, until it is enabled.", "lets everything in",
        lambda control, key: control.switch(key, on=False),
    ),
    Change(
        "enable", "It counts again. What runs meanwhile has its places.", "counts again",
        lambda control, key: control.switch(key, on=True),
    ),
    Change(
        "reset", "What was set is forgotten, and what the code says counts.",
        "has what the code says", lambda control, key: control.reset(key),
    ),
)  # fmt: skip


def listed(call: Call) -> View:
    """The limits and their keys, those with most that waits first."""
    found = sorted(_control(call).in_use(), key=lambda one: (-one.usage.waiting, one.usage.key))
    context = {"found": found[:_SHOWN], "total": len(found), "address": _address, "since": moment}
    return View("limits.html", context)


def shown(call: Call) -> View:
    """One key: what holds its places, and what waits."""
    return _shown(call, {}, "")


def _shown(call: Call, fields: dict[str, str], problem: str) -> View:
    control, key = _control(call), _key(call)
    in_use = {one.usage.key: one for one in control.in_use(key)}
    found = in_use.pop(key, None) or KeyInUse(control.usage([key])[0], LimitSettings())
    stored = control.stored()
    own = next((one for one in stored if one.key == key and not one.declared), None)
    return View(
        "limit.html",
        {
            "found": found,
            "settings": settings_in_force(key, stored),
            "keys": list(in_use.values())[:_SHOWN],
            "holders": [
                (job_id, holder_number(name)) for job_id, name in control.holders(key, _NAMED)
            ],
            "waiters": [
                (job_id, holder_number(name), moment(since))
                for job_id, name, since in control.waiters(key, _NAMED)
            ],
            "own": None if own is None else own.settings.text(),
            "changes": CHANGES if call.may(Role.ADMIN) else (),
            "names": _FIELDS,
            "fields": fields,
            "problem": problem,
            "address": _address,
            "since": moment,
        },
        409 if problem else 200,
    )


def set_limit(call: Call) -> View | Leave:
    """Set what is in force; what was typed is shown again while something is wrong with it."""
    fields = {name: str(call.form.get(name, "")).strip() for name in _FIELDS}
    given = {name: text for name, text in fields.items() if text}
    key = _key(call)
    try:
        if not given:
            return _shown(call, fields, "Give at least one number.")
        settings = parsed_settings(f"limit {key!r}", given)
        _control(call).set(key, settings)
    except (FlowForgeError, ValueError) as error:
        return _shown(call, fields, str(error))
    what = ", ".join(f"{name} {text}" for name, text in given.items())
    return Leave(_address(key), f"Limit {key} has {what}.")


def change(what: Change, call: Call) -> Leave:
    """Do it."""
    key = _key(call)
    what.run(_control(call), key)
    return Leave(_address(key), f"Limit {key} {what.done}.")


def _control(call: Call) -> LimitControl:
    return call.dashboard.submitter.limit_home.find().limits


def _key(call: Call) -> str:
    return checked_key(call.query.get("key", ""))


def _address(key: str, what: str = "") -> str:
    """Of a key's page, below the root. A key may have any characters: it is no part of a path."""
    return f"/limits/key{what and '/' + what}?{urlencode({'key': key})}"


PAGES = [
    Page("/limits", listed, nav="Limits"),
    Page("/limits/key", shown),
    Page("/limits/key/set", set_limit, Role.ADMIN, "POST", does="set limit"),
    *(
        Page(
            f"/limits/key/{one.name}", partial(change, one), Role.ADMIN, "POST",
            does=f"{one.name} limit",
        )
        for one in CHANGES
    ),
]  # fmt: skip
