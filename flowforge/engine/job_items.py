"""What differs between jobs that are submitted together: params and idempotency key of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import zip_longest
from typing import Any, NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError

#: What follows the last of the params or of the keys.
_END: Any = object()


class Item(NamedTuple):
    """A job to create. ``place``: where it is among many, from 0; None: it is alone."""

    params: dict[str, Any] | None
    key: str | None = None
    place: int | None = None


def items(params: Iterable[dict[str, Any] | None], keys: Iterable[Any] | None) -> Iterator[Item]:
    """The jobs of ``execute_many``. InvalidValueError names what is unfit; a note on any other
    error says what was being read.
    """
    _check_iterable("entry_params", params)
    if keys is None:
        for place, value in enumerate(_read("entry_params", params)):
            yield Item(value, None, place)
        return
    _check_iterable("idempotency_keys", keys)
    if isinstance(params, Sized) and isinstance(keys, Sized) and len(params) != len(keys):
        raise InvalidValueError(
            f"{len(keys)} idempotency_keys for {len(params)} entry_params: give one for each, or "
            "None in its place"
        )
    both = zip_longest(
        _read("entry_params", params), _read("idempotency_keys", keys), fillvalue=_END
    )
    for place, (value, key) in enumerate(both):
        if value is _END or key is _END:
            ended, other = ("entry_params", "idempotency_keys")[:: 1 if value is _END else -1]
            raise InvalidValueError(
                f"{ended} ended after {place}, {other} go on: give one for each, or None in its "
                "place"
            )
        yield Item(value, checked_key(f"idempotency_keys[{place}]", key), place)


def checked_key(name: str, key: object) -> str | None:
    """Return an idempotency key that is one; ``name``: what it was given as."""
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidValueError(f"{name} must be text, not empty, or None; it is {shown(key)}")
    return None if key is None else checked_text(name, key)


def scoped_key(flow_id: str, key: str | None) -> str:
    """Return the name of an idempotency key among those of all flows; empty without a key."""
    return "" if key is None else f"{len(flow_id)}:{flow_id}/{key}"


def _check_iterable(name: str, values: object) -> None:
    # A text would be read as characters, a dict as its keys.
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InvalidValueError(
            f"{name} must be a list or another iterable, with one for each job, not {shown(values)}"
        )


def _read(name: str, values: Iterable[Any]) -> Iterator[Any]:
    place = 0
    try:
        for value in values:
            yield value
            place += 1
    except Exception as error:
        error.add_note(f"while {name}[{place}] was read")
        raise
