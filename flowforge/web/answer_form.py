"""The form of an answer as fields: of the JSON schema of its expectation, else of the handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.flow_start import EntryPlace
from flowforge.model.answers.answer_check import resolved
from flowforge.model.answers.expectation import Expectation
from flowforge.model.handler_params import HandlerParam, HandlerParams, ParamKind
from flowforge.store.fleet_reads.handler_records import HandlerRecords

#: Fields that a form shows.
_MOST = 100

_KINDS = {
    "string": ParamKind.TEXT,
    "integer": ParamKind.INTEGER,
    "number": ParamKind.NUMBER,
    "boolean": ParamKind.BOOLEAN,
    "array": ParamKind.LIST,
    "object": ParamKind.OBJECT,
}


def answer_entry(engine: Engine, found: Expectation) -> EntryPlace:
    """What an answer takes, as the form of a flow has it."""
    definition = engine.inspector.definition(found.job_id)
    routine = definition.index(found.routine_id)
    slot = definition.slot_names(routine).index(found.slot)
    takes = None if found.form is None else _takes(found.form)
    if takes is None:
        takes = HandlerRecords(engine.store).of_slot(definition, routine, slot)
    secret = definition.secret(routine, slot)
    return EntryPlace(routine, slot, f"{found.routine_id}.{found.slot}", secret, takes)


def describes(found: Expectation) -> tuple[str, str]:
    """The title and the description of the form; empty without."""
    form = found.form or {}
    return str(form.get("title") or ""), str(form.get("description") or "")


def _takes(form: Mapping[str, Any]) -> HandlerParams:
    properties, required = form.get("properties"), form.get("required")
    named = properties if isinstance(properties, Mapping) else {}
    needed = set(required) if isinstance(required, list) else set()
    params = [_param(str(name), one, form, name in needed) for name, one in named.items()]
    is_open = form.get("additionalProperties") is not False
    return HandlerParams(params[:_MOST], is_open or len(params) > _MOST)


def _param(name: str, raw: Any, form: Mapping[str, Any], required: bool) -> HandlerParam:
    schema = resolved(raw, form)
    options = [resolved(one, form) for one in schema.get("anyOf") or ()]
    nullable = any(one.get("type") == "null" for one in options)
    others = [one for one in options if one.get("type") != "null"]
    if len(others) == 1:
        schema = {**schema, **others[0]}
    # Those of a reference are about the class, and not about this field.
    own = raw if isinstance(raw, Mapping) else {}
    param = HandlerParam(
        name, _KINDS.get(str(schema.get("type")), ParamKind.ANY), required, nullable,
        title=str(own.get("title") or ""), description=str(own.get("description") or ""),
    )  # fmt: skip
    choices = schema.get("enum")
    if isinstance(choices, list) and choices and all(isinstance(one, str) for one in choices):
        return param._replace(kind=ParamKind.TEXT, choices=choices)
    default = own.get("default", schema.get("default"))
    return param._replace(default=default if type(default) in (int, float, bool) else None)
