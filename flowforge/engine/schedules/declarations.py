"""Saving the schedules that the modules of a worker declare."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.operator_name import operator_name
from flowforge.engine.schedules.schedule import Schedule, declared_schedules
from flowforge.engine.schedules.state import homes_of_schedules
from flowforge.errors import FlowForgeError, StoreUnavailableError
from flowforge.store.transitions.answers import Answer

logger = logging.getLogger(__name__)

#: Schedules that one call declares.
_AT_ONCE = 200


class DeclaredSchedules:
    """Saves what modules of this process declare, as a worker does at its start, and says now and
    then that its code still has it.
    """

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter
        #: Schedule -> what the log says of it already.
        self._told: dict[str, str] = {}

    def run_once(self) -> int:
        """How many were saved."""
        answers = self.save(declared_schedules())
        return sum(1 for answer in answers.values() if answer is Answer.OK)

    def save(self, schedules: Iterable[Schedule]) -> dict[str, Answer]:
        """What was answered to each: OK where it was saved. One that cannot be saved is left out,
        and logged once. StoreUnavailableError, behind those of the others, when a server does not
        answer that may have one.
        """
        declared = {one.name: one for one in schedules}
        wanted = {name: one.has_limits for name, one in declared.items()}
        homes, silent = homes_of_schedules(self._submitter, wanted)
        by_home: dict[Engine, list[tuple[Schedule, str]]] = {}
        for name, engine in homes.items():
            one = declared[name]
            try:
                by_home.setdefault(engine, []).append((one, one.mark(engine)))
            except StoreUnavailableError as error:
                silent = error
            except FlowForgeError as error:
                self._tell(one, f"it cannot be saved: {error}")
        found: dict[str, Answer] = {}
        for engine, marked in by_home.items():
            for start in range(0, len(marked), _AT_ONCE):
                found |= self._declare(engine, marked[start : start + _AT_ONCE])
        if silent is not None:
            raise silent
        return found

    def _declare(self, engine: Engine, marked: list[tuple[Schedule, str]]) -> dict[str, Answer]:
        answers = engine.store.schedules.declare({one.name: mark for one, mark in marked})
        for one, _ in marked:
            if answers[one.name] is Answer.SEND:
                answers[one.name] = one.save_on(engine, operator_name(None))
            if answers[one.name] is Answer.MADE:
                self._tell(
                    one, "a program has saved another one of this name, which stays as it is: give "
                    f"this one another name, or run flowforge schedules remove {one.name}"
                )  # fmt: skip
            elif answers[one.name] is Answer.OLDER:
                self._tell(one, "other workers have a newer version in code, which is used")
            else:
                self._told.pop(one.name, None)
        return answers

    def _tell(self, schedule: Schedule, what: str) -> None:
        if self._told.get(schedule.name) != what:
            self._told[schedule.name] = what
            logger.warning("schedule %s of %s: %s", schedule.name, schedule.module, what)
