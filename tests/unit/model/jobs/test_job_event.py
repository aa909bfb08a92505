"""Where a reader of a job's events is."""

from __future__ import annotations

import pytest

from flowforge.errors import InvalidValueError
from flowforge.model.jobs.job_event import Position


@pytest.mark.parametrize("since", ["0-0", "1764188000000-3", "1764188000000-3:gap"])
def test_the_id_of_an_event_leads_to_its_position(since: str) -> None:
    """And back: what is read on from there has the same place."""
    assert Position.of(since).id == since


def test_a_gap_stands_before_the_entry_that_it_names() -> None:
    """The entry itself is still to come."""
    assert Position.of("7-1:gap") == ("7-1", True)
    assert Position.of("7-1") == ("7-1", False)


@pytest.mark.parametrize("since", ["", "-", "+", "7", "7-1:x", "7-1\n", f"{2**64}-0", 71, b"7-1"])
def test_what_is_no_id_is_refused(since: object) -> None:
    """Before the server is asked, also for what the server would take for a range."""
    with pytest.raises(InvalidValueError, match="since must be the id of an event"):
        Position.of(since)
