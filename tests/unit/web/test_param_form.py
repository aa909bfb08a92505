"""What a form of params says of what was typed."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.model.handler_params import HandlerParam, HandlerParams, ParamKind
from flowforge.web.param_form import ParamForm, ParamFormError

TAKES = HandlerParams(
    [
        HandlerParam("colour", ParamKind.TEXT, required=True),
        HandlerParam("amount", ParamKind.INTEGER, required=True),
        HandlerParam("card", ParamKind.TEXT, required=True),
        HandlerParam("note", ParamKind.ANY, required=False),
    ],
    open=False,
)


def form_of(params: dict[str, Any], *secret: str) -> ParamForm:
    return ParamForm(params, secret, TAKES)


def error_of(form: ParamForm, **typed: str) -> str:
    """What is wrong with the one field that is."""
    keys = {one.name: one.key for one in form.fields()}
    sent = {keys[name]: text for name, text in typed.items()}
    with pytest.raises(ParamFormError) as raised:
        form.changes(sent)
    (error,) = raised.value.errors.values()
    shown = [one.error for one in form.fields(sent, raised.value.errors) if one.error]
    assert shown == [error]
    return error


def test_a_text_needs_no_quotes_where_the_handler_takes_one() -> None:
    """It is the text as it was typed: blanks, quotes and lines too."""
    form = form_of({"colour": "blue"})
    (field,) = form.fields()
    assert (field.text, field.note) == ("blue", "a text, as it is, without quotes")
    for text in ("red", ' "red" ', "5", "", "null", "two\nlines\n"):
        assert form.changes({"value.0": text.replace("\n", "\r\n")}) == {"colour": text}
    assert form.changes({"value.0": "blue"}) == {}


@pytest.mark.parametrize("value", ["a\r\nb", "bell\x07", 5, None, ["blue"]])
def test_what_a_text_field_cannot_have_stays_json(value: object) -> None:
    """A value that is no text now, and one that a browser would not send back as it is."""
    form = form_of({"colour": value})
    (field,) = form.fields()
    assert field.note == 'JSON: a text in quotes, as in "red"'
    assert form.changes({"value.0": field.text}) == {}
    assert form.changes({"value.0": '"red"'}) == {"colour": "red"}


def test_without_the_word_of_a_worker_everything_is_json() -> None:
    (field,) = ParamForm({"colour": "blue"}, ()).fields()
    assert (field.text, field.note) == ('"blue"', 'JSON: a text needs quotes, as in "red"')


def test_what_is_wrong_is_said_beside_the_field() -> None:
    """With what would be right, and with what was typed still there."""
    form = form_of({"amount": 5, "note": "x", "other": 1})
    said = error_of(form, amount="twenty")
    assert said.startswith("It is no JSON (Expecting value")
    assert said.endswith("It must be a whole number.")
    assert error_of(form, note="red").endswith('If it is meant as a text, write "red".')
    assert error_of(form, other=" ") == 'It needs a value; an empty text is "".'
    (field, *_) = form.fields({"value.0": "twenty"}, {})
    assert field.text == "twenty"


def test_each_wrong_field_has_its_error() -> None:
    """Those of further params too; nothing is taken."""
    form = form_of({"amount": 5, "note": 1})
    typed = {"value.0": "x", "value.1": "y", "new.1": "z", "new.value.1": "["}
    with pytest.raises(ParamFormError) as raised:
        form.changes(typed)
    assert set(raised.value.errors) == {"value.0", "value.1", "new.value.1"}
    assert form.new_fields(typed, raised.value.errors)[1].error.startswith("It is no JSON")


def test_a_secret_is_never_shown() -> None:
    """Not in the form, and not in an error about it either."""
    form = ParamForm({"pin": "***"}, {"pin"}, TAKES)
    for text in ("4242-very-secret", "NaN"):
        assert error_of(form, pin=text) == 'It is no JSON. A text needs quotes, as in "red".'
    (field,) = form.fields({"value.0": "4242"})
    assert field.text == ""


@pytest.mark.parametrize("mask", ["", "***", '"***"', " *** ", " "])
def test_a_mask_is_no_value(mask: str) -> None:
    assert form_of({"card": "***"}, "card").changes({"value.0": mask}) == {}


def test_a_secret_text_needs_no_quotes() -> None:
    form = form_of({"card": "***"}, "card")
    assert form.changes({"value.0": "4242-1"}) == {"card": "4242-1"}
    (difference,) = form.differences({"card": "4242-1"})
    assert (difference.old, difference.new) == ("***", "***")
