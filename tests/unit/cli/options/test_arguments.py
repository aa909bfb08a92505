"""Arguments that several commands take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import pytest

from flowforge.cli.options.arguments import time_or_ago


def read(text: str | None) -> datetime | timedelta | None:
    command: Any = click.Command("errors")
    return time_or_ago(click.Context(command), click.Option(["--since"]), text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("2026-11-26T18:00+02:00", datetime(2026, 11, 26, 16, 0, tzinfo=UTC)),
        ("2026-11-26T18:00", datetime(2026, 11, 26, 18, 0).astimezone()),
    ],
)
def test_a_time_or_how_long_ago_it_was(text: str | None, expected: object) -> None:
    """A time without a zone is one here."""
    assert read(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2 h", "-2h", "9999999h", "2026-13-01", "0001-01-01"])
def test_other_text_is_refused(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(click.BadParameter, match="is no time: give 2h"):
        read(text)
