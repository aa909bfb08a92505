"""Labels of a job: names with values by which it is found."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: Labels of one job.
MOST_LABELS = 16

#: Characters of a label's name, and of its value. Both become part of a key.
MOST_NAME = 64
MOST_VALUE = 128

#: Control characters, and surrogates, which have no UTF-8 form.
_UNFIT = {"Cc", "Cs"}

#: In place of the labels of a child job: those of the job that starts it.
INHERITED = "="


def labels_text(labels: object, where: str = "labels") -> str:
    """The labels as they are stored, a line ``name=value`` each, in the order of their names.

    InvalidValueError for what is no label; ``where``: what they were given as.
    """
    checked = check_labels(labels, where)
    if len(checked) > MOST_LABELS:
        raise InvalidValueError(
            f"{where} has {len(checked)} labels; a job can have {MOST_LABELS}: keep what jobs are "
            "not looked for by in the entry params"
        )
    return "\n".join(sorted(label_line(name, value) for name, value in checked.items()))


def check_labels(labels: object, where: str = "labels") -> dict[str, str]:
    """Return labels that can be stored, or be looked for; InvalidValueError for others."""
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise InvalidValueError(
            f'{where} must be a dict such as {{"tenant": "acme"}}, not {shown(labels)}'
        )
    return {
        check_label_name(name, where): _value(name, value, where) for name, value in labels.items()
    }


def label_changes(changes: object) -> dict[str, str]:
    """Labels to set, and to take away (None), as they are stored: the value of these is empty.

    InvalidValueError for what is no label.
    """
    if not isinstance(changes, Mapping):
        return check_labels(changes)
    kept = check_labels({name: value for name, value in changes.items() if value is not None})
    gone = [check_label_name(name) for name, value in changes.items() if value is None]
    return {**kept, **dict.fromkeys(gone, "")}


def check_label_name(name: object, where: str = "labels") -> str:
    """Return a name that is one of a label."""
    checked = _text(f"a name in {where}", name, MOST_NAME)
    if "=" in checked:
        raise InvalidValueError(f"a name in {where} must have no '=': {shown(name)}")
    return checked


def label_line(name: str, value: str) -> str:
    """A label as it is stored."""
    return f"{name}={value}"


def read_labels(text: str) -> dict[str, str]:
    """The labels of the stored form."""
    pairs = (line.partition("=") for line in text.split("\n") if line)
    return {name: value for name, _, value in pairs}


def _value(name: object, value: object, where: str) -> str:
    return _text(f"{where}[{shown(name)}]", value, MOST_VALUE)


def _text(what: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(f"{what} must be text, not {shown(value)}")
    if not 1 <= len(value) <= most:
        raise InvalidValueError(
            f"{what} must have 1 to {most} characters, not {len(value)}: {shown(value)}"
        )
    if any(unicodedata.category(character) in _UNFIT for character in value):
        raise InvalidValueError(f"{what} must have no control characters: {shown(value)}")
    return value
