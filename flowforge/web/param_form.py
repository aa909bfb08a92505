"""Params as the fields of a form: texts as they are where the handler takes a text, else JSON.

Secret ones are never shown.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowforge.codec.masking import HIDDEN
from flowforge.codec.plain import plain, read_json, to_json
from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.handler_params import HandlerParam, HandlerParams, ParamKind

#: Fields for params that there are none of yet.
_NEW = 2

#: Changed params that one form may have.
_MOST = 500

#: What is said of a field of each kind, whose value is JSON.
_SAYS = {
    ParamKind.TEXT: 'JSON: a text in quotes, as in "red"',
    ParamKind.INTEGER: "JSON: a whole number",
    ParamKind.NUMBER: "JSON: a number",
    ParamKind.BOOLEAN: "JSON: true or false",
    ParamKind.LIST: "JSON: a list, as in [1, 2]",
    ParamKind.OBJECT: 'JSON: an object, as in {"a": 1}',
    ParamKind.ANY: 'JSON: a text needs quotes, as in "red"',
}


class Field(NamedTuple):
    """A param. ``text``: what the form has in it; empty of a secret one. ``as_text``: that is the
    value, else it is its JSON. ``note``: what it may be. ``error``: what is wrong with it.
    """

    key: str
    name: str
    text: str
    secret: bool
    as_text: bool
    note: str
    error: str = ""


class NewField(NamedTuple):
    """A field for a param that there is none of yet, whose value is JSON."""

    place: int
    name: str
    text: str
    error: str = ""


class ParamFormError(InvalidValueError):
    """What is wrong with the fields of a form, by their keys."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(
            "Nothing was done: correct what is marked below. Secrets have to be given again."
        )
        self.errors = errors


class Difference(NamedTuple):
    """A param that changes: its JSON before and after; None: there was none."""

    name: str
    old: str | None
    new: str


@dataclass(frozen=True)
class ParamForm:
    """``params``: as they are now. ``takes``: what the handler takes; None: it is not known."""

    params: Mapping[str, Any]
    secret: Container[str]
    takes: HandlerParams | None = None
    kinds: Mapping[str, HandlerParam] = field(init=False)

    def __post_init__(self) -> None:
        told = self.takes.params if self.takes is not None else ()
        object.__setattr__(self, "kinds", {one.name: one for one in told})

    def fields(
        self, typed: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
    ) -> list[Field]:
        """A field for each param; with what a form had in it, which is shown again."""
        found = []
        for place, (name, value) in enumerate(self.params.items()):
            key, secret = f"value.{place}", name in self.secret
            as_text = self._as_text(name, value)
            text = "" if secret else value if as_text else text_of(value)
            if typed is not None and not secret:
                text = _lines(typed.get(key, text))
            note = self._note(name, value, as_text)
            found.append(Field(key, name, text, secret, as_text, note, (errors or {}).get(key, "")))
        return found

    def new_fields(
        self, typed: Mapping[str, Any], errors: Mapping[str, str] | None = None
    ) -> list[NewField]:
        """The fields for further params."""
        return [
            NewField(
                place,
                str(typed.get(f"new.{place}", "")),
                str(typed.get(f"new.value.{place}", "")),
                (errors or {}).get(f"new.value.{place}", ""),
            )
            for place in range(_NEW)
        ]

    def changes(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """The params that somebody has changed; ParamFormError for what cannot be a value.

        A value that was left as it was shown is not among them: JSON may not have all of it, and of
        a secret one only the mask was there.
        """
        found: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for one in self.fields():
            text = _lines(typed.get(one.key, one.text))
            if not one.as_text:
                text = text.strip()
            if text == one.text or (one.secret and text.strip().strip('"') in ("", HIDDEN)):
                continue
            if one.as_text:
                found[one.name] = text
            else:
                kind = self.kinds[one.name].kind if one.name in self.kinds else ParamKind.ANY
                _take(found, errors, one.key, one.name, text, kind, secret=one.secret)
        for new in self.new_fields(typed):
            if new.name:
                key, text = f"new.value.{new.place}", _lines(new.text).strip()
                _take(found, errors, key, new.name, text, ParamKind.ANY, secret=False)
        if errors:
            raise ParamFormError(errors)
        return found

    def differences(self, found: Mapping[str, Any]) -> list[Difference]:
        """How the params differ afterwards, without the values of secret ones."""
        made = []
        for name, value in found.items():
            hidden = name in self.secret
            old = None
            if name in self.params:
                old = HIDDEN if hidden else text_of(self.params[name])
            made.append(Difference(name, old, HIDDEN if hidden else text_of(value)))
        return made

    def _as_text(self, name: str, value: Any) -> bool:
        """Whether the field has the text itself: the handler takes a text, and this is one."""
        if name not in self.kinds or self.kinds[name].kind is not ParamKind.TEXT:
            return False
        return name in self.secret or (type(value) is str and _can_be_typed(value))

    def _note(self, name: str, value: Any, as_text: bool) -> str:
        if as_text:
            return "a text, as it is, without quotes"
        says = _SAYS[self.kinds[name].kind if name in self.kinds else ParamKind.ANY]
        if name in self.secret or type(plain(value)) is type(value):
            return says
        return (
            f"a {type(value).__name__}, which JSON lacks. A change arrives as JSON has it. {says}"
        )


def _take(
    found: dict[str, Any], errors: dict[str, str], key: str, name: str, text: str,
    kind: ParamKind, *, secret: bool,
) -> None:  # fmt: skip
    """Put the value of a JSON text into ``found``, or what is wrong into ``errors``."""
    try:
        found[name] = read_json(text)
    except ValueError as error:
        if not text:
            errors[key] = 'It needs a value; an empty text is "".'
            return
        # Not even the place of what is wrong in a secret is told.
        why = "" if secret else f" ({error})"
        if kind is not ParamKind.ANY:
            told = f"It is no JSON{why}. It must be {_SAYS[kind].removeprefix('JSON: ')}."
        elif secret:
            told = 'It is no JSON. A text needs quotes, as in "red".'
        else:
            told = f"It is no JSON{why}. If it is meant as a text, write {_quoted(text)}."
        errors[key] = told


def _quoted(text: str) -> str:
    return shown(to_json(text))[1:-1]


def _can_be_typed(text: str) -> bool:
    """Whether a browser sends exactly this text back: it has no control characters."""
    return all(one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs") for one in text)


def packed(found: Mapping[str, Any]) -> str:
    """Changes as one text, for the form that confirms them."""
    return json.dumps(found)


def unpacked(text: object) -> dict[str, Any]:
    """What ``packed`` made; InvalidValueError for anything else."""
    try:
        found = read_json(str(text).strip())
    except ValueError as error:
        raise InvalidValueError(f"what was given is no JSON object: {error}") from None
    if not isinstance(found, dict) or len(found) > _MOST:
        raise InvalidValueError("what was given must be one JSON object")
    return found


def text_of(value: Any) -> str:
    """A value as the form shows it."""
    return to_json(value, 2)


def _lines(text: object) -> str:
    # Browsers send the lines of a text area with CR LF.
    return str(text).replace("\r\n", "\n")
