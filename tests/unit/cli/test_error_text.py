"""Errors as the command line says them."""

from __future__ import annotations

import pytest

from flowforge.cli.error_text import error_text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("it is failed; retry() continues a failed job", "`flowforge retry JOB` continues"),
        ("a breakpoint; step() lets it go", "`flowforge step JOB INVOCATION` lets it go"),
        ("To add it, give new_params=True", "To add it, give --new-params"),
        ("definition='same' has it", "--definition same has it"),
        ("give them with edit={5: ...}", "give them with --edit 5:NAME=VALUE"),
    ],
)
def test_commands_in_place_of_python(told: str, said: str) -> None:
    """What a program would call is no remedy on a terminal."""
    text = error_text(ValueError(told))
    assert said in text
    assert "()" not in text


def test_notes_follow_the_message() -> None:
    """They say how much was done before the error."""
    error = ValueError("a server does not answer")
    error.add_note("1 of 2 servers was told: do it again when all answer")
    error.add_note("retry() continues")
    text = "a server does not answer; 1 of 2 servers was told: do it again when all answer; "
    assert error_text(error) == text + "`flowforge retry JOB` continues"


def test_what_users_have_written_stays() -> None:
    assert error_text(ValueError("no retry of 'x()'")) == "no retry of 'x()'"
