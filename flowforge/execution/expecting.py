"""Answers that a handler asks for: what its commit opens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from flowforge.codec.binary import encode_payload, invocation_record, pack_record, traced_record
from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, EmissionError, InvalidValueError
from flowforge.execution.emitting import Emitting
from flowforge.model.answers.answer_form import form_schema, schema_text
from flowforge.model.answers.expectation import (
    MOST_GROUP,
    Expect,
    Ticket,
    checked_answer_key,
    checked_assign,
    place_text,
    remind_ms,
    within_ms,
)
from flowforge.model.plan import PlannedSlot
from flowforge.model.times.start import Delay

#: Answers that one attempt asks for at most: its commit opens them all, about 20 us each.
MOST_EXPECTED = 100

#: What stands between assignees.
BETWEEN = "\t"

#: Expectations that a sentence names.
_NAMED = 5


def token_hash(token: str) -> str:
    """What is stored of the token of a link."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


class Expecting(Emitting):
    """The part of an attempt that collects expectations."""

    __slots__ = ()

    job_id: str
    slot: PlannedSlot

    def expect(
        self, wanted: Sequence[Expect], within: Delay | None, otherwise: object,
        remind: Delay | None,
    ) -> list[Ticket]:  # fmt: skip
        """Collect expectations of which one is answered. ``otherwise``: slot and params, or None.

        DefinitionError for an unknown slot, ValueError for what cannot be expected, EmissionError
        for what is expected twice.
        """
        ends, again = within_ms(within), remind_ms(remind)
        if otherwise is not None and not ends:
            raise InvalidValueError("otherwise is for when the time is over: give within too")
        if not 1 <= len(wanted) <= MOST_GROUP:
            raise InvalidValueError(f"expect_any takes 1 to {MOST_GROUP} slots, not {len(wanted)}")
        given = _otherwise(wanted, otherwise)
        group = [
            (
                self.slot_of(one.slot), checked_answer_key(one.key), form_schema(one.form),
                checked_assign(one.assign),
            )
            for one in wanted
        ]  # fmt: skip
        with self._lock:
            self.expect_open("expect", wanted[0].slot)
            if self.slot.undoes:
                raise EmissionError(
                    f"{self.routine.id}.expect: an undo cannot expect answers: its job has ended, "
                    "and no slot is left that could receive one"
                )
            before = list(self.effects.expected)
            first, last = len(before) + 1, len(before) + len(group)
            if last > MOST_EXPECTED:
                raise EmissionError(
                    f"{self.routine.id}.expect: a handler can expect {MOST_EXPECTED} answers; emit "
                    "to a routine that expects one with each invocation"
                )
            tickets = []
            for place, (slot, key, schema, assigned) in enumerate(group):
                if any((slot.index, key) == one[:2] for one in before):
                    where = place_text(self.routine.id, slot.name, key)
                    raise EmissionError(
                        f"{where} is expected twice: give each its own key, such as the id of the "
                        "item"
                    )
                token = secrets.token_urlsafe(16)
                url = self._context.answer_url(self.job_id, token)
                record, mode = b"", ""
                if given is not None and given[0] == place:
                    record, mode = self._delivered(slot, given[1])
                form, text = _form(schema, {one[10] for one in before})
                before.append((
                    slot.index, key, ends, again if not place else 0, first, last,
                    int(given is not None), record, mode,
                    BETWEEN.join(assigned), form, text, "" if url is None else token_hash(token),
                    self.routine.id, place_text(self.routine.id, slot.name, key),
                    pack_record({"key": key, "assign": list(assigned)}), self.context_now(),
                ))  # fmt: skip
                tickets.append(Ticket(slot.name, key, url))
            self.effects.expected = before
        return tickets

    def _delivered(self, slot: PlannedSlot, params: dict[str, Any]) -> tuple[bytes, str]:
        """Record and mode of what is delivered when the time is over."""
        where = f"{self.routine.id}.expect({slot.name!r}): otherwise"
        payload = encode_payload(params, self.limit, where)
        record = traced_record(invocation_record(self.number, payload), self.context_now())
        return record, slot.mode_of(params, where)

    def expected_places(self) -> str:
        """The answers that it expects, for a sentence."""
        slots = {slot.index: slot.name for slot in self.routine.slots}
        places = [
            place_text(self.routine.id, slots[one[0]], one[1]) for one in self.effects.expected
        ]
        rest = len(places) - _NAMED
        return ", ".join(places[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")

    def slot_of(self, name: str) -> PlannedSlot:
        """The slot of this routine; DefinitionError when there is none."""
        for slot in self.routine.slots:
            if slot.name == name:
                return slot
        known = ", ".join(slot.name for slot in self.routine.slots)
        raise DefinitionError(f"routine {self.routine.id!r} has no slot {name!r}; it has {known}")

    def context_now(self) -> bytes:
        """The packed context of the trace that what is emitted now carries; empty without one."""
        return b""


def _otherwise(wanted: Sequence[Expect], otherwise: object) -> tuple[int, dict[str, Any]] | None:
    """What is delivered when the time is over, and to which of the slots."""
    if otherwise is None:
        return None
    slot, params = otherwise if isinstance(otherwise, (tuple, list)) else (None, otherwise)
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise InvalidValueError(
            "otherwise must be the params that are delivered when the time is over, a dict with "
            f"text keys, not {shown(params)}"
        )
    for place, one in enumerate(wanted):
        if one.slot == slot:
            return place, params
    raise InvalidValueError(
        "otherwise must be one of the slots that are expected, and its params; there is no slot "
        f"{shown(slot)} among them"
    )


def _form(schema: dict[str, Any] | None, sent: set[Any]) -> tuple[str, str]:
    """The hash of a form, and the form unless it was sent before."""
    if schema is None:
        return "", ""
    text = schema_text(schema)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return name, "" if name in sent else text
