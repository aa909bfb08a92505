"""What a job's handle refuses before it asks the server."""

from __future__ import annotations

import json
import sys
from copy import copy, deepcopy
from pathlib import Path
from pickle import dumps, loads
from typing import Any

import pytest
from celery import Celery

from flowforge.codec.binary import encode_payload
from flowforge.engine.engine import Engine
from flowforge.engine.flow import Flow
from flowforge.engine.jobs import job_state
from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.submission.job_items import checked_key
from flowforge.errors import InvalidValueError, JobStateError, PayloadError
from flowforge.model.jobs.status import JobStatus
from flowforge.settings import Settings
from flowforge.store.job_reads.routine_states import COUNTERS


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


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_is_plain_text(
    job: JobState, monkeypatch: pytest.MonkeyPatch, status: JobStatus
) -> None:
    """It prints as text, is text in JSON, and travels, which a member of an enum does not."""
    monkeypatch.setattr(job._engine.inspector, "status", lambda _: status)
    shown = job.status
    assert type(shown) is str
    assert (repr(shown), json.dumps(shown)) == (f"'{status}'", f'"{status}"')
    assert encode_payload({"status": shown}, 100, "here")


@pytest.mark.parametrize("limit", ["x", -1, 1.5, True], ids=repr)
def test_a_limit_is_a_count(limit: Any) -> None:
    """A negative one would count from the end."""
    with pytest.raises(InvalidValueError, match="limit must be a whole number, 0 or more"):
        JobState.find(limit=limit)


@pytest.mark.parametrize("name", ["running", "stats", "ended_at", *COUNTERS])
def test_what_the_engine_keeps_of_a_routine_cannot_be_replaced(job: JobState, name: str) -> None:
    """It would hide what the engine knows."""
    with pytest.raises(InvalidValueError, match=f"state of 'one': {name} is kept by FlowForge"):
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


def test_a_handle_can_be_copied_and_sent_to_another_process(job: JobState) -> None:
    """A copy asks the same server; in another process it is that process's own that is asked."""
    job.snapshot = {"outputs": [1]}
    for copied in (copy(job), deepcopy(job), loads(dumps(job))):  # noqa: S301
        assert copied == job
        assert copied.snapshot == job.snapshot
    assert deepcopy(job)._engine is job._engine
    assert deepcopy(job).snapshot is not job.snapshot


def test_a_flow_that_has_been_executed_can_be_copied(job: JobState) -> None:
    """Its newest job stays with it."""
    flow = Flow("f")
    flow._newest = job
    for copied in (copy(flow), deepcopy(flow), loads(dumps(flow))):  # noqa: S301
        with pytest.raises(JobStateError, match="has no job in this process"):
            copied.pause()


@pytest.mark.parametrize("reason", [None, {"why": 1}, 3, "half \ud800"], ids=ascii)
def test_a_reason_is_text(job: JobState, reason: Any) -> None:
    """What the server cannot keep is refused before it is asked."""
    for control in (job.pause, job.cancel):
        with pytest.raises(InvalidValueError, match=r"^reason"):
            control(reason)


def test_half_a_surrogate_pair_is_no_text(job: JobState) -> None:
    """In an id or a name it would be a UnicodeEncodeError from deep inside."""
    with pytest.raises(InvalidValueError, match=r"a job's id .* half of a surrogate pair"):
        JobState("j\ud800")
    with pytest.raises(InvalidValueError, match=r"event_name .* half of a surrogate pair"):
        job.record_execution("one", "\ud800")
    with pytest.raises(InvalidValueError, match=r"idempotency_key .* half of a surrogate pair"):
        checked_key("idempotency_key", "\ud800")


def test_no_jobs_are_asked_for_when_none_are_wanted(
    job: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of 0 is not the server's -1, which means all."""
    monkeypatch.setattr(job_state, "current_engine", lambda: job._engine)
    assert JobState.find(limit=0) == []


@pytest.mark.parametrize("limit", [sys.maxsize, sys.maxsize + 1, 10**30])
def test_a_limit_may_be_larger_than_a_number_of_jobs(
    job: JobState, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """It says that all jobs are wanted, as slices have it."""
    engine = job._engine
    monkeypatch.setattr(engine.finder, "look", lambda query, most: iter(()))
    monkeypatch.setattr(job_state, "current_engine", lambda: engine)
    assert JobState.find(limit=limit) == []


def test_saving_makes_missing_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a script would have to do itself."""
    monkeypatch.setattr(JobState, "serialize", lambda self: {"job_id": self.job_id, "version": 1})
    path = tmp_path / "of" / "today" / "job.json"
    JobState("j1").save(path)
    assert json.loads(path.read_text())["job_id"] == "j1"
