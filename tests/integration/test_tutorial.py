"""The tutorial's commands do on a real server and real workers what the page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from tests.integration.installation import LIMIT, Installation
from tests.integration.reader import Reader, commands_of
from tests.support.eventually import eventually
from tests.support.pages import TUTORIAL, blocks

PRICES = 20
#: Seconds that a price takes on the page, and here: the page has to leave time to kill by hand.
ON_THE_PAGE, HERE = "seconds=2", "seconds=1"

KILL = "kill -9 -- -$(cat first.pid)"


@pytest.fixture
def reader(own: Installation, tmp_path: Path) -> Iterator[Reader]:
    """Shells beside the tutorial's last file; what was started ends with the test."""
    *_, listing = blocks(TUTORIAL, "python")
    (tmp_path / "orders.py").write_text(listing.text)
    found = Reader(own, tmp_path)
    try:
        yield found
    finally:
        found.end()


def kill_first_worker(reader: Reader, directory: Path) -> None:
    """Once it runs two prices."""
    job = JobState.get(reader.copied["JOB_ID"])
    eventually(lambda: job.counts["running"] == 4, LIMIT, lambda: str(job.counts))
    assert int((directory / "first.pid").read_text()) == reader.workers[0].pid
    reader.kill_worker(0)


def test_a_reader_sees_what_the_tutorial_shows(reader: Reader, tmp_path: Path) -> None:
    """Each command works in its turn, and the job outlives the worker that is killed."""
    for command, shown in commands_of(TUTORIAL):
        if command == KILL:
            kill_first_worker(reader, tmp_path)
        else:
            reader.enter(command.replace(ON_THE_PAGE, HERE), shown)
    job = JobState.get(reader.copied["JOB_ID"])
    assert job.routine_states["price"]["completed"] == PRICES
    assert job.routine_states["price"]["lost"] > 0
    assert [worker.alive for worker in reader.workers] == [False, True]
