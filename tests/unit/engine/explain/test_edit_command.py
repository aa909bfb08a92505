"""The command that offers a retry with other params."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from flowforge.cli.options.arguments import edits
from flowforge.engine.explain.edit_command import edit_command


@pytest.mark.parametrize(
    ("params", "message", "edit"),
    [
        ({"amount": 20, "note": "x"}, "it failed", {5: {"amount": 20}}),
        ({"amount": 20, "note": "it's $HOME"}, "bad note", {5: {"note": "it's $HOME"}}),
        ({"rows": list(range(100)), "day": "1"}, "it failed", {5: {"day": "1"}}),
        ({"rows": list(range(100)), "day": "1"}, "rows: too many", {5: {"rows": "..."}}),
        ({"card": "***"}, "card was refused", {5: {"card": "..."}}),
        ({"a b": 1, "x;reboot": 2, "x=y": 3, "": 4, "n": None}, "x=y", {5: {"n": None}}),
    ],
)
def test_it_sets_a_param_to_what_it_is(
    params: dict[str, Any], message: str, edit: dict[int, dict[str, Any]]
) -> None:
    """The command is fit for a shell; run as it is, it changes nothing that can be shown."""
    command = edit_command("1-a", 5, params, message)
    assert command is not None
    *begin, option, text = shlex.split(command)
    assert (begin, option) == (["flowforge", "retry", "1-a"], "--edit")
    assert edits(None, None, (text,)) == edit  # type: ignore[arg-type]


@pytest.mark.parametrize("params", [None, {}, {"x;reboot": 1, "\x1b[2J": 2}])
def test_without_a_param_that_can_be_written_there_is_none(params: dict[str, Any] | None) -> None:
    assert edit_command("1-a", 5, params, "it failed") is None
