"""What differs between jobs that are submitted together: params, key, labels and start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import zip_longest
from typing import Any, NamedTuple, cast

from flowforge.common.bounded_repr import shown
from flowforge.engine.submission.job_keys import JobKeys, check_when, job_keys
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError
from flowforge.model.jobs.labels import labels_text
from flowforge.model.times.start import Start, start_of
from flowforge.store.transitions.keyed_submission import How

#: What follows the last of the params or of the keys.
_END: Any = object()


class Item(NamedTuple):
    """A job to create. ``place``: where it is among many, from 0; None: it is alone."""

    params: dict[str, Any] | None
    key: str | None = None
    place: int | None = None
    #: As they are stored.
    labels: str = ""
    #: None: at once.
    start: Start | None = None
    #: None: of a call that gives no job such a key.
    keys: JobKeys | None = None

    @property
    def has_key(self) -> bool:
        """Whether a key decides which server it belongs to."""
        single, debounce = (None, None) if self.keys is None else self.keys[:2]
        return self.key is not None or single is not None or debounce is not None


class Submitted(NamedTuple):
    """A job that was asked for. ``created``: False: it was there already, found by a key."""

    job_id: str
    created: bool
    #: The key that an earlier job was found by.
    how: How = "key"


def items(
    params: Iterable[dict[str, Any] | None],
    idempotency_keys: Iterable[Any] | None,
    labels: Mapping[str, str] | Iterable[Any] | None = None,
    delay: object = None,
    at: object = None,
    debounce: object = None,
    single: object = None,
    when_running: object = "skip",
) -> Iterator[Item]:
    """The jobs of ``execute_many``. InvalidValueError names what is unfit; a note on any other
    error says what was being read.
    """
    _check_iterable("entry_params", params)
    check_when(single, when_running)
    columns: dict[str, Iterable[Any]] = {"entry_params": params}
    if idempotency_keys is not None:
        columns["idempotency_keys"] = idempotency_keys
    text = ""
    if isinstance(labels, Mapping):
        text = labels_text(labels)
    elif labels is not None:
        columns["labels"] = labels
    shared = {"delay": delay, "at": at, "debounce": debounce, "single": single}
    columns |= {name: cast("Iterable[Any]", one) for name, one in shared.items() if _is_many(one)}
    several = shared.keys() & columns.keys()
    # Also of an item without a key: a call makes jobs in one way.
    none = None if debounce is None and single is None else JobKeys()
    if not several:
        start, keys = _start_and_keys(shared, when_running, "", none)
    if len(columns) == 1:
        for place, value in enumerate(_read("entry_params", params)):
            yield Item(value, None, place, text, start, keys)
        return
    for place, row in enumerate(_rows(columns)):
        found = dict(zip(columns, row, strict=True))
        own = labels_text(found["labels"], f"labels[{place}]") if "labels" in found else text
        key = checked_key(f"idempotency_keys[{place}]", found.get("idempotency_keys"))
        if several:
            start, keys = _start_and_keys({**shared, **found}, when_running, f"[{place}]", none)
        yield Item(found["entry_params"], key, place, own, start, keys)


def _is_many(given: object) -> bool:
    """Whether it is one for each job; a text is one for all."""
    return isinstance(given, Iterable) and not isinstance(given, str)


def _start_and_keys(
    given: Mapping[str, Any], when_running: object, what: str, none: JobKeys | None
) -> tuple[Start | None, JobKeys | None]:
    start = start_of(given["delay"], given["at"], what)
    keys = job_keys(given["debounce"], given["single"], when_running, what) or none
    return (start if keys is None else keys.start(start)), keys


def _rows(columns: Mapping[str, Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    """One of each at a time; InvalidValueError when they are not as many."""
    params = columns["entry_params"]
    for name, values in columns.items():
        _check_iterable(name, values)
        if isinstance(params, Sized) and isinstance(values, Sized) and len(params) != len(values):
            raise InvalidValueError(
                f"{len(values)} {name} for {len(params)} entry_params: give one for each, or "
                "None in its place"
            )
    readers = [_read(name, values) for name, values in columns.items()]
    for place, row in enumerate(zip_longest(*readers, fillvalue=_END)):
        ended = [name for name, value in zip(columns, row, strict=True) if value is _END]
        if ended:
            other = next(name for name in columns if name not in ended)
            raise InvalidValueError(
                f"{ended[0]} ended after {place}, {other} go on: give one for each, or None in its "
                "place"
            )
        yield row


def checked_key(name: str, key: object) -> str | None:
    """Return an idempotency key that is one; ``name``: what it was given as."""
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidValueError(f"{name} must be text, not empty, or None; it is {shown(key)}")
    return None if key is None else checked_text(name, key)


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
