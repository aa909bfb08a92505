"""Forms of answers: from classes to JSON schema, and what does not fit one."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from flowforge.errors import InvalidValueError
from flowforge.model.answers.answer_check import misfit
from flowforge.model.answers.answer_form import form_schema
from flowforge.model.answers.expectation import (
    Expectation,
    checked_answer_key,
    checked_assign,
    checked_delivery_id,
    remind_ms,
    within_ms,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Decision:
    """Whether it is paid."""

    approved: bool
    amount: float | None = None
    colour: Colour = Colour.RED
    how: Literal["card", "cash"] = "card"
    tags: list[str] = field(default_factory=list)


class Typed(TypedDict):
    name: str
    age: NotRequired[int]


class Modelled:
    """As a pydantic model looks to us."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {}}}


def test_a_dataclass_makes_a_schema() -> None:
    """Required is what has no default; the docstring is the description."""
    assert form_schema(Decision) == {
        "type": "object",
        "title": "Decision",
        "description": "Whether it is paid.",
        "properties": {
            "approved": {"type": "boolean"},
            "amount": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
            "colour": {"enum": ["red", "blue"], "default": "red"},
            "how": {"enum": ["card", "cash"], "default": "card"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["approved"],
        "additionalProperties": False,
    }


def test_other_forms_are_taken() -> None:
    """A TypedDict, a class that makes its own schema, a schema, or none."""
    typed = form_schema(Typed)
    assert typed is not None
    assert typed["required"] == ["name"]
    assert typed["properties"] == {"name": {"type": "string"}, "age": {"type": "integer"}}
    assert form_schema(Modelled) == Modelled.model_json_schema()
    assert form_schema({"type": "object"}) == {"type": "object"}
    assert form_schema(None) is None


@pytest.mark.parametrize(
    "form", [3, int, "text", {"type": "string"}, {"default": object()}, {"x": "y" * 20_000}, {1: 2}]
)
def test_what_is_no_form_is_refused(form: object) -> None:
    """With the reason."""
    with pytest.raises(InvalidValueError, match="form"):
        form_schema(form)


@pytest.mark.parametrize(
    ("params", "wrong"),
    [
        ({"approved": True}, None),
        ({"approved": True, "amount": None, "colour": "blue", "tags": ["a"]}, None),
        ({"approved": True, "amount": 2}, None),
        ({}, "the param 'approved' is missing"),
        ({"approved": "yes"}, "approved must be of type boolean"),
        ({"approved": 1}, "approved must be of type boolean"),
        ({"approved": True, "amount": "2"}, "amount must be of type number"),
        ({"approved": True, "colour": "green"}, "colour must be one of 'red', 'blue'"),
        ({"approved": True, "tags": ["a", 1]}, "tags[1] must be of type string"),
        (
            {"approved": True, "amout": 1},
            "there is no param 'amout'; the form has: 'approved', 'amount', 'colour', 'how', "
            "'tags'. "
            "Did you mean 'amount'?",
        ),
    ],
)
def test_an_answer_fits_its_form_or_not(params: dict[str, Any], wrong: str | None) -> None:
    """The first thing that is wrong is said, without the value, which may be secret."""
    assert misfit(form_schema(Decision) or {}, params) == wrong


@pytest.mark.parametrize(
    ("schema", "value", "wrong"),
    [
        ({"minimum": 1, "maximum": 3}, 2, None),
        ({"minimum": 1}, 0, "x must be at least 1"),
        ({"exclusiveMaximum": 3}, 3, "x must be less than 3"),
        ({"type": "integer"}, 2.0, None),
        ({"type": "integer"}, 2.5, "x must be of type integer"),
        ({"type": ["string", "null"]}, None, None),
        ({"minLength": 2}, "a", "x must have at least 2 characters"),
        ({"maxItems": 1}, [1, 2], "x must have at most 1 items"),
        ({"pattern": "^a"}, "b", "x must match ^a"),
        ({"pattern": "("}, "b", None),
        ({"const": 1}, True, "x must be 1"),
        ({"allOf": [{"type": "string"}]}, 1, "x must be of type string"),
        ({"$ref": "#/$defs/Name"}, 1, "x must be of type string"),
        ({"$ref": "#/$defs/Nowhere"}, 1, None),
        ({"$ref": "#"}, {"y": 1}, None),
        ({"properties": {"y": {"type": "string"}}}, {"y": 1}, "x.y must be of type string"),
        ({"required": ["y"]}, {}, "the param 'y' of x is missing"),
        ({"format": "uuid"}, "no uuid", None),
        (True, 1, None),
    ],
)
def test_keywords_that_are_looked_at(schema: Any, value: object, wrong: str | None) -> None:
    """Others are passed over, as is what is no schema."""
    root = {"properties": {"x": schema}, "$defs": {"Name": {"type": "string"}}}
    assert misfit(root, {"x": value}) == wrong


def test_keys_names_and_ids_are_checked() -> None:
    """Text that can be stored in a line, or a whole number as a key."""
    assert checked_answer_key(7) == "7"
    assert checked_answer_key("") == ""
    assert checked_assign(["ops", "ops", "legal"]) == ("ops", "legal")
    assert checked_delivery_id(None) == ""
    for key in (True, 1.5, "a\nb", "x" * 201, None, "\ud800"):
        with pytest.raises(InvalidValueError):
            checked_answer_key(key)
    for names in ("ops", [""], ["a\tb"], 3, [f"n{n}" for n in range(17)]):
        with pytest.raises(InvalidValueError):
            checked_assign(names)
    with pytest.raises(InvalidValueError):
        checked_delivery_id("")


def test_times_are_checked() -> None:
    """None is no time; nothing is shorter than it can be."""
    assert (within_ms(None), remind_ms(None)) == (0, 0)
    assert (within_ms(timedelta(days=3)), remind_ms(60)) == (3 * 86_400_000, 60_000)
    for call, value in ((within_ms, 0), (within_ms, -1), (remind_ms, 0.5), (within_ms, "1")):
        with pytest.raises(InvalidValueError):
            call(value)  # type: ignore[arg-type]


@pytest.mark.attack(what="The key of an answer is a command of a shell")
@pytest.mark.parametrize("key", ["; rm -rf ~", "$(id)", "it's", "a b", "-h", "--help", '"'])
def test_the_command_that_answers_can_be_copied(key: str) -> None:
    """A shell takes it as one word, and the command as the value of its option."""
    found = Expectation(
        "job", "flow", 2, "ask", "decision", key, datetime.now(UTC), None, False, None, (), None,
        (2,),
    )  # fmt: skip
    assert shlex.split(found.command) == [
        "flowforge", "deliver", "job", "ask", "decision", f"--key={key}", "--params", "...",
    ]  # fmt: skip
