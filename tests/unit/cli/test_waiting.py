"""What is said of a job when its command is interrupted."""

from __future__ import annotations

import click
import pytest

from flowforge.cli.waiting import saying_where


def test_an_interrupted_submission(capsys: pytest.CaptureFixture[str]) -> None:
    """The job may have been created, so it is said where it is found."""
    with (
        click.Context(click.Command("run")),
        pytest.raises(click.exceptions.Exit) as ended,
        saying_where("numbers"),
    ):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert "look with `jobs --flow numbers`" in capsys.readouterr().err
