"""Answers from outside: delivering them to jobs, and what jobs expect."""

from __future__ import annotations

from typing import Any, NamedTuple

from flowforge.codec.binary import encode_payload, invocation_record, pack_record
from flowforge.common.bounded_repr import shown
from flowforge.engine.control import refuse_job
from flowforge.engine.operator_name import operator_name
from flowforge.errors import AnsweredError, InvalidValueError, JobStateError, PayloadError
from flowforge.model.answers.answer_check import misfit
from flowforge.model.answers.expectation import (
    Expectation,
    checked_answer_key,
    checked_delivery_id,
    place_text,
)
from flowforge.model.definition import Definition
from flowforge.model.delivery_limits import keyed_limits
from flowforge.model.limit import limited_mode
from flowforge.model.names import did_you_mean, listing
from flowforge.model.slot import CALL_SLOT
from flowforge.settings import Settings
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.expectations import Closed, Delivery, shown_expectation, told

#: Early answers that are kept of one slot; ``early_answers.lua`` has the same number.
MOST_EARLY = 100

#: How often an answer is compared with the form of what is open, where that changes meanwhile.
_LOOKS = 5

#: Open expectations of one job that are read at once.
MOST_SHOWN = 1000


class Answering(NamedTuple):
    """What an answer is for: routine and slot by name and by index, and key."""

    routine_id: str
    slot: str
    place: tuple[int, int]
    key: str

    def __str__(self) -> str:
        return place_text(self.routine_id, self.slot, self.key)


class JobExpectations:
    """Expectations of the jobs of one server. Raises JobNotFoundError when there is no such job."""

    def __init__(self, store: Store, inspector: Inspector, settings: Settings) -> None:
        self._store = store
        self._inspector = inspector
        self._settings = settings

    def deliver(
        self,
        job_id: str,
        routine_id: str,
        slot: str,
        params: object = None,
        by: str | None = None,
        delivery_id: str | None = None,
        key: str | int = "",
        number: int | None = None,
    ) -> int | None:
        """As ``JobState.deliver``; ``number``: of the expectation that is meant, if one is."""
        by, delivery = operator_name(by), checked_delivery_id(delivery_id)
        definition = self._inspector.definition(job_id)
        about = _answering(definition, routine_id, slot, key)
        given = _params(params, about)
        where = f"the answer for {about}"
        payload = encode_payload(given, self._settings.max_payload, where)
        mode: str = definition.mode(*about.place)
        if (join := definition.join(*about.place)) is not None:
            mode = join.mode(given, where, definition.secret(*about.place))
        if limits := keyed_limits(definition, *about.place):
            mode = limited_mode(limits, mode, given, where, definition.secret(*about.place))
        details = pack_record(by, {"to": str(about), "delivery_id": delivery})
        for _ in range(_LOOKS):
            # What is open may be another one when the answer comes to the server.
            seen = self._check_form(job_id, about, given)
            found = self._store.expectations.deliver(
                job_id, about.place, about.key, seen if number is None else number, mode,
                invocation_record(0, payload), by, delivery, details,
            )  # fmt: skip
            if found.answer is not Answer.NONE or number is not None:
                break
        if found.answer is Answer.KEPT:
            return None
        if found.answer is not Answer.OK:
            self._refuse(job_id, definition, about, found)
        return found.number

    def _check_form(self, job_id: str, about: Answering, params: dict[str, Any]) -> int:
        """The number of what is open, or 0; ValueError for params that do not fit its form."""
        reader = self._store.expectations
        number = reader.open_number(job_id, about.place, about.key)
        (found,) = reader.of_numbers([(job_id, number)]) if number is not None else (None,)
        if found is None or not found.form:
            return number or 0
        wrong = misfit(reader.form(job_id, found.form) or {}, params)
        if wrong is not None:
            raise InvalidValueError(f"this answer does not fit the form of {about}: {wrong}")
        return found.number

    def _refuse(
        self, job_id: str, definition: Definition, about: Answering, found: Delivery
    ) -> None:
        closed = found.closed
        if closed is not None:
            raise _answered(job_id, about, closed, definition, found)
        if found.answer is Answer.FULL:
            raise JobStateError(
                f"job {job_id} does not expect an answer for {about} yet, and keeps {MOST_EARLY} "
                f"early answers for {about.routine_id}.{about.slot}, the most there can be: send "
                "this one again when it is expected"
            )
        if found.answer is Answer.NONE:
            raise JobStateError(
                f"job {job_id} does not expect this answer for {about} any more; "
                f"`flowforge expects --job {job_id}` lists what it expects"
            )
        refuse_job(job_id, f"deliver an answer for {about} to", found.answer)

    # --- reading -------------------------------------------------------------------------

    def of_job(self, job_id: str, most: int = MOST_SHOWN) -> list[Expectation]:
        """Open ones, in the order in which the job began to expect them."""
        definition, reader = self._inspector.definition(job_id), self._store.expectations
        found = reader.of_job(job_id, most)
        forms = reader.forms(job_id, {one.form for one in found if one.form})
        return [shown_expectation(job_id, definition, one, forms.get(one.form)) for one in found]

    def find(self, job_id: str, number: int) -> Expectation | None:
        """The open one of this number."""
        definition, reader = self._inspector.definition(job_id), self._store.expectations
        (found,) = reader.of_numbers([(job_id, number)])
        if found is None:
            return None
        return shown_expectation(job_id, definition, found, reader.form(job_id, found.form))


def _answered(
    job_id: str, about: Answering, closed: Closed, definition: Definition, found: Delivery
) -> AnsweredError:
    status = "" if isinstance(found.answer, Answer) else f"; the job is {found.answer}"
    text = f"job {job_id} takes no answer for {about}: {told(closed, definition)}{status}"
    return AnsweredError(text, closed.by, closed.at)


def _answering(definition: Definition, routine_id: str, slot: str, key: object) -> Answering:
    routine = definition.index(routine_id)
    names = [name for name in definition.slot_names(routine) if name != CALL_SLOT]
    if slot not in names:
        raise InvalidValueError(
            f"routine {routine_id!r} has no slot {shown(slot)}; it has: "
            f"{listing(names)}{did_you_mean(slot, names)}"
        )
    place = (routine, definition.slot_names(routine).index(slot))
    return Answering(routine_id, slot, place, checked_answer_key(key))


def _params(params: object, about: Answering) -> dict[str, Any]:
    if params is None:
        return {}
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise PayloadError(
            f"the answer for {about} must be a dict with text keys, not {shown(params)}"
        )
    return params
