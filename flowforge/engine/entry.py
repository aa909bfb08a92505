"""Where jobs enter a flow: their params become the record of the first invocation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import zip_longest
from typing import Any, NamedTuple

from flowforge.codec.binary import encode_payload, invocation_record
from flowforge.common.bounded_repr import shown
from flowforge.errors import EmissionError, InvalidValueError, PayloadError
from flowforge.model.definition import Definition

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


def checked_text(name: str, value: object) -> str:
    """Return a text that can be stored; ``name``: what it was given as."""
    if not isinstance(value, str):
        raise InvalidValueError(f"{name} must be text, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"{name} {shown(value)} holds half of a surrogate pair, which UTF-8 cannot encode"
        ) from None
    return value


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


class Entry:
    """One slot of a definition as an entry. ``limit``: bytes that the encoded params may take."""

    def __init__(self, definition: Definition, routine: int, slot: int, limit: int) -> None:
        self._routine_id = definition.routines[routine].id
        self._limit = limit
        self._join = definition.join(routine, slot)
        self._secret = definition.secret(routine, slot)
        self._mode = definition.mode(routine, slot)

    def first(self, params: dict[str, Any] | None, place: int | None = None) -> tuple[str, bytes]:
        """Mode and record of the first invocation; ``place``: where the params are among many.

        PayloadError for params that are no dict with text keys and for what cannot travel,
        EmissionError for params that a join cannot take.
        """
        try:
            return self._first(params, f"entry params of {self._routine_id!r}")
        except (PayloadError, EmissionError):
            if place is None:
                raise
        # Once more, to say where: a text for each of very many that are fit would cost more.
        return self._first(params, f"entry_params[{place}] of {self._routine_id!r}")

    def _first(self, params: dict[str, Any] | None, where: str) -> tuple[str, bytes]:
        if params is None:
            params = {}
        elif type(params) is not dict or not _named(params):
            params = _checked(params, where)
        record = invocation_record(0, encode_payload(params, self._limit, where))
        if self._join is None:
            return self._mode, record
        return self._join.mode(params, where, self._secret), record


def _named(params: dict[Any, Any]) -> bool:
    for name in params:  # noqa: SIM110 - a generator for each job costs as much as its encoding
        if type(name) is not str:
            return False
    return True


def _checked(params: object, where: str) -> dict[str, Any]:
    """Subclasses are as good as what they are derived from."""
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise PayloadError(f"{where} must be a dict with text keys, not {shown(params)}")
    return params
