"""Params as the fields of a form: JSON for each value, secret ones never shown."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

from flowforge.codec.masking import HIDDEN
from flowforge.codec.plain import plain, read_json, to_json
from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: Fields for params that there are none of yet.
_NEW = 2

#: Changed params that one form may have.
_MOST = 500


class Field(NamedTuple):
    """A param. ``text``: its JSON; empty of a secret one. ``note``: what JSON lacks of it."""

    key: str
    name: str
    text: str
    secret: bool
    note: str


class Difference(NamedTuple):
    """A param that changes: its JSON before and after; None: there was none."""

    name: str
    old: str | None
    new: str


def fields(
    params: Mapping[str, Any], secret: Container[str], typed: Mapping[str, Any]
) -> list[Field]:
    """A field for each param; with what a form had in it, which is shown again."""
    return [
        Field(
            f"value.{place}",
            name,
            "" if name in secret else str(typed.get(f"value.{place}", text_of(value))),
            name in secret,
            "" if name in secret else _note(value),
        )
        for place, (name, value) in enumerate(params.items())
    ]


def new_fields(typed: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Place, name and text of the fields for further params."""
    return [
        (place, str(typed.get(f"new.{place}", "")), str(typed.get(f"new.value.{place}", "")))
        for place in range(_NEW)
    ]


def changes(
    params: Mapping[str, Any], secret: Container[str], typed: Mapping[str, Any]
) -> dict[str, Any]:
    """The params that somebody has changed; InvalidValueError for what is no JSON.

    A value that was left as it was shown is not among them: JSON may not have all of it, and of a
    secret one only the mask was there.
    """
    found: dict[str, Any] = {}
    for field in fields(params, secret, {}):
        text = _plain_text(typed.get(field.key, field.text))
        if text == field.text or (field.secret and text.strip('"') in ("", HIDDEN)):
            continue
        found[field.name] = _value(field.name, text, secret=field.secret)
    for _, name, text in new_fields(typed):
        if name:
            found[name] = _value(name, _plain_text(text))
    return found


def packed(found: Mapping[str, Any]) -> str:
    """Changes as one text, for the form that confirms them."""
    return json.dumps(found)


def unpacked(text: object) -> dict[str, Any]:
    """What ``packed`` made; InvalidValueError for anything else."""
    found = _value("the changes", str(text))
    if not isinstance(found, dict) or len(found) > _MOST:
        raise InvalidValueError("the changes must be one JSON object")
    return found


def differences(
    params: Mapping[str, Any], secret: Container[str], found: Mapping[str, Any]
) -> list[Difference]:
    """How the params differ afterwards, without the values of secret ones."""
    made = []
    for name, value in found.items():
        hidden = name in secret
        old = None if name not in params else HIDDEN if hidden else text_of(params[name])
        made.append(Difference(name, old, HIDDEN if hidden else text_of(value)))
    return made


def text_of(value: Any) -> str:
    """A value as the form shows it."""
    return to_json(value, 2)


def _value(name: str, text: str, *, secret: bool = False) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        told = "" if secret else f": {shown(text)}"
        raise InvalidValueError(
            f'the value of {name} is no JSON ({error}){told}; a text needs quotes, as in "red"'
        ) from None


def _plain_text(text: object) -> str:
    # Browsers send the lines of a text area with CR LF.
    return str(text).replace("\r\n", "\n").strip()


def _note(value: Any) -> str:
    """That a value is of a type that JSON lacks, which it is no more once it is changed."""
    if type(plain(value)) is type(value):
        return ""
    return f"It is a {type(value).__name__}. What you write in its place arrives as JSON has it."
