"""What readers make of a job's row."""

from __future__ import annotations

import pytest

from flowforge.store.job_reads.work_left import WORK, work_left


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (b"running", (5, 2, 3, 1, 7, 4, 6, 9)),
        (b"paused", (5, 2, 3, 1, 7, 4, 6, 9)),
        (b"failed", (0, 2, 8, 1, 7, 4, 6, 9)),
        (b"cancelled", (0, 2, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_what_an_ended_job_counts_is_what_is_left(status: bytes, left: tuple[int, ...]) -> None:
    """Messages of a failed job are parked for its retry, those of a cancelled one are dropped."""
    row = dict(zip(WORK.values(), (b"5", b"2", b"3", b"1", b"7", b"4", b"6", b"9"), strict=True))
    assert work_left({"status": status, **row}) == dict(zip(WORK, left, strict=True))


def test_a_counter_that_is_not_there_is_zero() -> None:
    """As in the row of a job that was just submitted."""
    row = {"status": b"pending", "queued": b"1"}
    assert work_left(row) == {**dict.fromkeys(WORK, 0), "queued": 1}
