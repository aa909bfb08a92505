"""The page "called at three": each command works as it stands, and in the morning all is well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from tests.integration.installation import LIMIT, Installation
from tests.integration.reader import Reader, commands_of
from tests.support.eventually import eventually
from tests.support.pages import DOCS, blocks

pytestmark = pytest.mark.timeout(180)

PAGE = DOCS / "how-to/called-at-three.md"

#: What has gone wrong by the time somebody is called: flow, status, and how many jobs.
NIGHT = {
    ("payments", "failed"): 500,
    ("albums", "failed"): 1,
    ("reports", "running"): 1,
    ("letters", "paused"): 20,
    ("films", "pending"): 12,
    ("sync", "running"): 150,
}

#: Every job that the night had.
JOBS = sum(NIGHT.values())


@pytest.fixture
def reader(own: Installation, tmp_path: Path) -> Iterator[Reader]:
    """Shells beside the program of the night; what was started ends with the test."""
    (program,) = blocks(PAGE, "py")
    (tmp_path / "night.py").write_text(program.text)
    found = Reader(own, tmp_path)
    try:
        yield found
    finally:
        found.end()


def counted() -> dict[tuple[str, str], int]:
    return {
        (flow, status): len(JobState.find(status, flow=flow, limit=1000)) for flow, status in NIGHT
    }


def test_one_bad_night(reader: Reader) -> None:
    """From the first look to a fleet on which nothing is left to do."""
    for command, shown in commands_of(PAGE):
        if command == "flowforge doctor" and shown:
            eventually(lambda: counted() == NIGHT, LIMIT * 2, lambda: str(counted()))
        reader.enter(command, shown)
    jobs = JobState.find(limit=2 * JOBS)
    eventually(
        lambda: {job.status for job in jobs} == {"completed"},
        LIMIT,
        lambda: str([job.explain() for job in jobs if job.status != "completed"][:5]),
    )
    assert len(jobs) == JOBS
    (kept,) = JobState.find(flow="albums")
    assert kept.outputs[0].params == {"pages": 3}
    reasons = {point["reason"] for job in JobState.find(flow="sync") for point in job.pause_points}
    assert "the vendor is overloaded" in reasons
