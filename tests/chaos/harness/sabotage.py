"""Switches off what the promise rests on, one thing at a time, to see the checker turn red.

A worker imports this module beside the flows; the environment says what to switch off. The
product's own scripts and duties are changed in that worker, so that the product carries no hook.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flowforge.store.scripts import SCRIPTS, all_scripts
from flowforge.worker.run.leases import LeaseKeeper
from flowforge.worker.upkeep.reclaimer import Reclaimer
from flowforge.worker.upkeep.resender import Resender

MODULE = __name__

_VARIABLE = "FLOWFORGE_CHAOS_SABOTAGE"

_REFUSAL = "  return { why_no_lease(id, invocation) }\n"
_ACCEPTED = (
    "  local refused = why_no_lease(id, invocation)\n"
    "  if refused ~= '{}' then return {{ refused }} end\n"
)
_CLAIMED = "member) == 0 then"

#: What is switched off: text of the scripts, and what takes its place.
_TEXTS = {
    # A second commit of an invocation that is done counts as well.
    "dedupe": (_REFUSAL, _ACCEPTED.format("done")),
    # A commit counts although another process holds the lease.
    "fence": (_REFUSAL, _ACCEPTED.format("stale")),
    # An invocation is claimed although another process has claimed it.
    "lease check": (_CLAIMED, "member) == 0 and false then"),
}

#: Everything that can be switched off.
WAYS = (*_TEXTS, "upkeep")


def environment(way: str) -> Mapping[str, str]:
    """What a worker has to be told."""
    return {_VARIABLE: way}


def _rewrite(old: str, new: str) -> None:
    changed = [script for script in all_scripts() if old in script.source]
    if not changed:
        # A test of the harness must not be passed because there was nothing to switch off.
        raise LookupError(f"no script holds {old!r} any more: bring sabotage.py up to date")
    for script in changed:
        SCRIPTS[script.name] = script.changed(old, new)


def _find_nothing(duty: Any) -> int:
    return 0


def _tell_nobody(keeper: Any) -> int:
    keeper._store.invocations.heartbeat(keeper._lease_ms, list(keeper._held))
    return 0


def _switch_off(way: str) -> None:
    if way in _TEXTS:
        _rewrite(*_TEXTS[way])
        if way == "fence":
            # A worker that hears of its loss in time does not commit, and so never comes to it.
            LeaseKeeper.renew_once = _tell_nobody  # type: ignore[method-assign, assignment]
    elif way == "upkeep":
        Reclaimer.run_once = _find_nothing  # type: ignore[method-assign, assignment]
        Resender.run_once = _find_nothing  # type: ignore[method-assign, assignment]
    else:
        raise ValueError(f"unknown sabotage {way!r}; known: {', '.join(WAYS)}")


if _VARIABLE in os.environ:
    _switch_off(os.environ[_VARIABLE])
