"""Changing the params of an invocation: what it gets instead, and what the history says of it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from flowforge.codec.binary import (
    encode_payload,
    invocation_record,
    packb,
    read_invocation,
    split_trace,
    traced_record,
)
from flowforge.codec.masking import HIDDEN
from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError, PayloadError
from flowforge.model.definition import Definition
from flowforge.model.handler_params import HandlerParams
from flowforge.model.invocation_id import InvocationName
from flowforge.model.param_checks import check_changed
from flowforge.model.slot import CHILD_SLOT_INDEX

#: Changed params that the history names.
MOST_CHANGES = 50

_ABSENT = object()

#: Name, and the text of the value before and after; None: there was none.
Change = tuple[str, str | None, str | None]


def edited(
    definition: Definition, named: InvocationName, before: bytes, changes: object, replace: bool,
    limit: int, new_params: bool, told: HandlerParams | None,
) -> tuple[bytes, list[Change]]:  # fmt: skip
    """The new record and how it differs. PayloadError for what cannot travel, ArgumentError for
    params that the handler cannot be called with, and without ``new_params`` for unknown ones.
    ``told``: what workers say that the handler takes.
    """
    place = ".".join(definition.place_of(named))
    where = f"params of invocation {named.number} ({place})"
    parent, old = read_invocation(before, where)
    changes = checked_params(changes, where)
    new = dict(changes) if replace else {**old, **changes}
    payload = encode_payload(new, limit, where)
    slot = (named.routine, named.slot)
    check_changed(definition, slot, old, changes, new, where, told=told, new_params=new_params)
    secret = definition.secret(named.routine, named.slot)
    _, trace = split_trace(before)
    record = traced_record(invocation_record(parent, payload), trace)
    return record, _difference(old, new, secret)


def visible_input(definition: Definition, named: InvocationName, record: bytes) -> bytes | None:
    """A record without secret params; None for a join's and for one that waits for a child job."""
    if record.startswith((b"J", b"E")) or named.slot == CHILD_SLOT_INDEX:
        return None
    secret = definition.secret(named.routine, named.slot)
    emitter, params = read_invocation(record, f"invocation {named.number}")
    if secret.isdisjoint(params):
        return split_trace(record)[0]
    visible = {name: HIDDEN if name in secret else value for name, value in params.items()}
    return invocation_record(emitter, packb(visible))


def checked_params(changes: object, where: str) -> dict[str, Any]:
    """Params by their names; PayloadError when they are none."""
    if not isinstance(changes, Mapping) or not all(isinstance(name, str) for name in changes):
        raise PayloadError(f"{where} must be a dict with text keys, not {shown(changes)}")
    return dict(changes)


def _difference(old: dict[str, Any], new: dict[str, Any], secret: Container[str]) -> list[Change]:
    """What has changed, without the values of secret params."""
    changed = [
        name for name in {**old, **new} if not _same(old.get(name, _ABSENT), new.get(name, _ABSENT))
    ]
    return [
        (name[:80], _text(old, name, secret), _text(new, name, secret))
        for name in changed[:MOST_CHANGES]
    ]


def _same(one: object, other: object) -> bool:
    # 1, 1.0 and True are equal, and not the same to a handler.
    return type(one) is type(other) and one == other


def _text(params: dict[str, Any], name: str, secret: Container[str]) -> str | None:
    if name not in params:
        return None
    return HIDDEN if name in secret else shown(params[name])


def checked_numbers(edits: object) -> dict[int, Any]:
    """The changes by the number of their invocation; InvalidValueError when they are none."""
    if not isinstance(edits, Mapping) or not edits:
        raise InvalidValueError(
            f"edit must be a dict such as {{5: {{'amount': 20}}}}, not {shown(edits)}"
        )
    return {checked_number(number): changes for number, changes in edits.items()}


def checked_number(number: object) -> int:
    """The number of an invocation within its job."""
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 10**15:
        raise InvalidValueError(
            f"an invocation is named by its number in the job, as the history shows it, not by "
            f"{shown(number)}"
        )
    return number
