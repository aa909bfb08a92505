"""Whether an answer fits the JSON schema of its form, as far as people can get it wrong."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.model.names import did_you_mean, listing

#: How deep a schema is followed, also along its references.
_DEEPEST = 20

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list, tuple),
    "object": (dict,),
}

#: Keyword -> what it asks for, and when a value breaks it.
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("at least", operator.lt),
    "maximum": ("at most", operator.gt),
    "exclusiveMinimum": ("more than", operator.le),
    "exclusiveMaximum": ("less than", operator.ge),
}


def misfit(schema: Mapping[str, Any], params: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer, as a sentence with the name of the param; None: it fits.

    ``type``, ``enum``, ``const``, ``required``, ``additionalProperties: false``, ``items``, bounds,
    lengths, ``pattern``, ``anyOf``, ``oneOf``, ``allOf`` and references within the schema are
    looked at; other keywords are not. Values are not told: they may be secret.
    """
    return next(_misfits(schema, dict(params), "", schema, 0), None)


def resolved(schema: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that a reference within ``root`` stands for; empty where there is none."""
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return dict(schema)
        schema = root
        for part in reference.removeprefix("#/").split("/"):
            schema = schema.get(part) if isinstance(schema, Mapping) else None
    return {}


def _misfits(raw: Any, value: Any, name: str, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    schema = resolved(raw, root)
    if depth > _DEEPEST:
        return
    yield from _unmet_parts(schema, value, name, root, depth)
    what = name or "the answer"
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if names and not any(_is_of(value, kind) for kind in names):
        yield f"{what} must be of type {' or '.join(map(str, names))}"
        return
    yield from _not_chosen(schema, value, what)
    yield from _out_of_bounds(schema, value, what)
    if isinstance(value, (list, tuple)) and "items" in schema:
        for place, item in enumerate(value):
            yield from _misfits(schema["items"], item, f"{what}[{place}]", root, depth + 1)
    if isinstance(value, dict):
        yield from _misfit_params(schema, value, name, root, depth)


def _unmet_parts(
    schema: dict[str, Any], value: Any, name: str, root: Mapping[str, Any], depth: int
) -> Iterator[str]:
    for choice in ("anyOf", "oneOf"):
        options = schema.get(choice)
        if isinstance(options, list) and options:
            found = [next(_misfits(one, value, name, root, depth + 1), None) for one in options]
            if None not in found:
                yield found[0] or ""
    for part in schema.get("allOf") or ():
        yield from _misfits(part, value, name, root, depth + 1)


def _not_chosen(schema: dict[str, Any], value: Any, what: str) -> Iterator[str]:
    choices = schema.get("enum")
    if isinstance(choices, list) and not any(_same(value, one) for one in choices):
        known = ", ".join(shown(one) for one in choices)
        yield f"{what} must be one of {known}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{what} must be {shown(schema['const'])}"


def _misfit_params(
    schema: dict[str, Any], value: dict[str, Any], name: str, root: Mapping[str, Any], depth: int
) -> Iterator[str]:
    properties = schema.get("properties")
    known: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
    within = f" of {name}" if name else ""
    for one in schema.get("required") or ():
        if one not in value:
            yield f"the param {one!r}{within} is missing"
    for one, item in value.items():
        if one in known:
            inner = f"{name}.{one}" if name else str(one)
            yield from _misfits(known[one], item, inner, root, depth + 1)
        elif schema.get("additionalProperties") is False:
            yield (
                f"there is no param {shown(one)}{within}; the form has: {listing(known)}"
                f"{did_you_mean(str(one), known)}"
            )


def _out_of_bounds(schema: dict[str, Any], value: Any, what: str) -> Iterator[str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for keyword, (text, breaks) in _BOUNDS.items():
            bound = schema.get(keyword)
            if _is_of(bound, "number") and breaks(value, bound):
                yield f"{what} must be {text} {bound}"
    if isinstance(value, (str, list)):
        least, most = (("minLength", "maxLength") if isinstance(value, str) else
                       ("minItems", "maxItems"))  # fmt: skip
        unit = "characters" if isinstance(value, str) else "items"
        if _is_of(schema.get(least), "integer") and len(value) < schema[least]:
            yield f"{what} must have at least {schema[least]} {unit}"
        if _is_of(schema.get(most), "integer") and len(value) > schema[most]:
            yield f"{what} must have at most {schema[most]} {unit}"
    pattern = schema.get("pattern")
    if isinstance(value, str) and isinstance(pattern, str) and not _matches(pattern, value):
        yield f"{what} must match {pattern}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _is_of(value: object, kind: object) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS.get(str(kind), (object,)))


def _same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other
