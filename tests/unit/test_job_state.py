"""What a job's handle refuses before it asks the server."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from flowforge.engine import Engine
from flowforge.errors import InvalidValueError, PayloadError
from flowforge.job_state import JobState
from flowforge.settings import Settings
from flowforge.store.reader import COUNTERS


@pytest.fixture
def job() -> JobState:
    """Its server is not there."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    return JobState("j1", Engine(settings, Celery(set_as_current=False)))


def test_an_id_is_text() -> None:
    """Nothing is asked for an id that is none."""
    none: Any = None
    with pytest.raises(InvalidValueError, match="a job's id is text, not None"):
        JobState.get(none)


def test_an_unknown_status_is_refused() -> None:
    """The error lists those there are."""
    with pytest.raises(InvalidValueError, match="unknown job status 'bad'; known: pending"):
        JobState.find("bad")


@pytest.mark.parametrize("limit", ["x", -1, 1.5, True], ids=repr)
def test_a_limit_is_a_count(limit: Any) -> None:
    """A negative one would count from the end."""
    with pytest.raises(InvalidValueError, match="limit must be a whole number, 0 or more"):
        JobState.find(limit=limit)


@pytest.mark.parametrize("name", ["running", "stats", "ended_at", *COUNTERS])
def test_what_the_engine_keeps_of_a_routine_cannot_be_replaced(job: JobState, name: str) -> None:
    """It would hide what the engine knows."""
    with pytest.raises(InvalidValueError, match=f"state of 'one': {name} is kept by the engine"):
        job.update_routine_state("one", {name: "failed", "mine": 1})


def test_a_status_of_a_routine_is_one_that_there_is(job: JobState) -> None:
    """It is shown in place of the engine's own, so it has to be one of those."""
    with pytest.raises(InvalidValueError, match="unknown status 'fine'; known: pending, running"):
        job.update_routine_state("one", {"status": "fine"})


@pytest.mark.parametrize("data", [[1], "x", {1: 2}, 3], ids=repr)
def test_data_is_a_dict_with_text_keys(job: JobState, data: Any) -> None:
    """For a routine's state and for a note alike."""
    with pytest.raises(PayloadError, match="state of 'one' must be a dict with text keys"):
        job.update_routine_state("one", data)
    with pytest.raises(PayloadError, match="data of record_execution must be a dict"):
        job.record_execution("one", "noted", data)
