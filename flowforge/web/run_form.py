"""The params of a new job as the fields of a form: each as its handler takes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flowforge.codec.masking import HIDDEN
from flowforge.codec.plain import read_json, to_json
from flowforge.common.bounded_repr import shown
from flowforge.engine.flow_start import EntryPlace
from flowforge.errors import InvalidValueError
from flowforge.model.handler_params import HandlerParam, ParamKind

#: The name of the field with further params, as one JSON object.
FURTHER = "further"

#: What is said of a field of each kind.
_SAYS = {
    ParamKind.TEXT: "a text, as it is",
    ParamKind.INTEGER: "a whole number",
    ParamKind.NUMBER: "a number",
    ParamKind.BOOLEAN: "true or false",
    ParamKind.LIST: "a JSON list, as in [1, 2]",
    ParamKind.OBJECT: 'a JSON object, as in {"a": 1}',
    ParamKind.ANY: 'JSON: a text needs quotes, as in "red"',
}

_JSON = frozenset({ParamKind.LIST, ParamKind.OBJECT, ParamKind.ANY})


@dataclass(frozen=True)
class FormField:
    """A param. ``text``: what was typed; of a secret one nothing. ``note``: what it may be.

    ``choices``: the texts of a list to choose from; none: it is typed. ``title``,
    ``description``: what the schema of a form calls it and says of it. ``error``: what is wrong.
    """

    key: str
    name: str
    kind: ParamKind
    required: bool
    secret: bool
    choices: Sequence[str]
    note: str
    title: str = ""
    description: str = ""
    text: str = ""
    error: str = ""

    @property
    def as_json(self) -> bool:
        return self.kind in _JSON and not self.secret


class RunForm(NamedTuple):
    """``params``: None while something is wrong. ``further``: the text of the JSON field."""

    fields: list[FormField]
    further: str
    further_error: str
    params: dict[str, Any] | None


def empty_form(entry: EntryPlace, example: Mapping[str, Any] | None) -> RunForm:
    """The form as it is first shown; ``example``: params of an earlier job, as they are kept."""
    return RunForm(_fields(entry, example or {}), _suggested(entry, example or {}), "", None)


def filled_form(
    entry: EntryPlace, example: Mapping[str, Any] | None, typed: Mapping[str, Any]
) -> RunForm:
    """The form with what was typed, each problem beside its field, and the params without any."""
    params: dict[str, Any] = {}
    fields = [_taken(one, typed, params) for one in _fields(entry, example or {})]
    text = str(typed.get(FURTHER, "")).replace("\r\n", "\n").strip()
    text, error = _take_further(text, {one.name for one in fields if one.secret}, params)
    wrong = error or any(one.error for one in fields)
    return RunForm(fields, text, error, None if wrong else params)


def _fields(entry: EntryPlace, example: Mapping[str, Any]) -> list[FormField]:
    params = list(entry.takes.params) if entry.takes is not None else []
    named = {one.name for one in params}
    # Of a handler that no worker has told of, the definition has the names of secret params.
    hidden = sorted(entry.secret - named)
    params += [HandlerParam(name, ParamKind.ANY, required=False) for name in hidden]
    return [
        FormField(
            f"param.{place}", one.name, one.kind, one.required, one.name in entry.secret,
            _choices(one), _note(one, one.name in entry.secret, example), one.title,
            one.description,
        )
        for place, one in enumerate(params)
    ]  # fmt: skip


def _choices(param: HandlerParam) -> Sequence[str]:
    return ("true", "false") if param.kind is ParamKind.BOOLEAN else param.choices


def _note(param: HandlerParam, secret: bool, example: Mapping[str, Any]) -> str:
    what = "one of these texts" if param.choices else _SAYS[param.kind]
    parts = ["a secret: it is shown and kept nowhere" if secret else what]
    if secret and param.kind not in (ParamKind.TEXT, ParamKind.ANY):
        parts.append(_SAYS[param.kind])
    if not param.required:
        default = "" if param.default is None or secret else f": {to_json(param.default)}"
        parts.append(f"empty for the default{default}")
    if not secret and param.name in example and example[param.name] != HIDDEN:
        parts.append(f"the newest job had {shown(to_json(example[param.name]))[1:-1]}")
    return "; ".join(parts)


def _suggested(entry: EntryPlace, example: Mapping[str, Any]) -> str:
    """Where the names are not known, the params of an earlier job show them."""
    if entry.takes is not None:
        return ""
    known = {name: value for name, value in example.items() if value != HIDDEN}
    return to_json(known, 2) if known else "{}"


def _taken(field: FormField, typed: Mapping[str, Any], params: dict[str, Any]) -> FormField:
    """The field with what was typed; its value goes into ``params``."""
    text = str(typed.get(field.key, "")).replace("\r\n", "\n")
    if field.kind is not ParamKind.TEXT:
        text = text.strip()
    error = ""
    if text:
        try:
            params[field.name] = _value(field, text)
        except ValueError as problem:
            error = str(problem)
    elif field.required:
        error = "It needs a value."
        if field.kind is ParamKind.TEXT and not field.secret:
            error += f' For an empty text write {{"{field.name}": ""}} under further params.'
            # Given there, it is not missing.
            if _names_in(typed.get(FURTHER, "")) & {field.name}:
                error = ""
    return FormField(
        **{**vars(field), "text": "" if field.secret else text, "error": error},
    )


def _names_in(text: object) -> set[str]:
    try:
        found = read_json(str(text))
    except ValueError:
        return set()
    return set(found) if isinstance(found, dict) else set()


def _value(field: FormField, text: str) -> Any:
    """ValueError says what is wrong, without the value of a secret."""
    kind = field.kind
    if kind is ParamKind.TEXT or (field.secret and kind is ParamKind.ANY):
        if field.choices and text not in field.choices:
            raise ValueError(f"It is none of {', '.join(field.choices)}.")
        return text
    if kind is ParamKind.INTEGER:
        if not re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
            raise ValueError("It must be a whole number.")
        return int(text)
    if kind is ParamKind.BOOLEAN:
        if text not in ("true", "false"):
            raise ValueError("It must be true or false.")
        return text == "true"
    if kind is ParamKind.NUMBER:
        return _number(text)
    return _json_value(kind, text)


def _number(text: str) -> float:
    try:
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,300}", text) else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("It must be a number.")
    return value


def _json_value(kind: ParamKind, text: str) -> Any:
    try:
        value = read_json(text)
    except ValueError as error:
        raise ValueError(f"It is no JSON ({error}); it must be {_SAYS[kind]}.") from None
    wanted = {ParamKind.LIST: list, ParamKind.OBJECT: dict}.get(kind)
    if wanted is not None and value is not None and not isinstance(value, wanted):
        raise ValueError(f"It must be {_SAYS[kind]}.")
    return value


def _take_further(text: str, secret: set[str], params: dict[str, Any]) -> tuple[str, str]:
    """What is shown of the further params again, and what is wrong with them."""
    if not text:
        return "", ""
    try:
        found = read_json(text)
        if not isinstance(found, dict):
            raise InvalidValueError("it must be one JSON object")
    except ValueError as error:
        return text, f"It is no JSON object: {error}."
    hidden = sorted(secret & found.keys())
    if hidden:
        rest = {name: value for name, value in found.items() if name not in secret}
        return to_json(rest, 2), f"Secret params have fields of their own: {', '.join(hidden)}."
    twice = sorted(found.keys() & params.keys())
    if twice:
        return text, f"They are given twice: {', '.join(twice)}."
    params.update(found)
    return text, ""
