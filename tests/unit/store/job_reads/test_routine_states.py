"""The state of a routine, as users get it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge.codec.binary import encode_payload, pack_record
from flowforge.model.jobs.status import AttemptOutcome, RoutineStatus
from flowforge.store.job_reads.routine_states import (
    COUNTERS,
    FLOWFORGE_KEPT,
    counted_attempts,
    ended_invocations,
    failures,
    routine_states,
)
from tests.unit.model.samples import orders


def state(**fields: str | int) -> dict[str, Any]:
    """That of a routine with these fields in its hash, without its times."""
    counters = {f"0.{name}".encode(): str(value).encode() for name, value in fields.items()}
    found = routine_states(orders().definition(), counters, {}, {})["fetch"]
    return {name: part for name, part in found.items() if part is not None}


def test_each_outcome_of_an_attempt_is_a_counter() -> None:
    """So is the number of claims; users give none of them."""
    assert ("started", *AttemptOutcome) == COUNTERS
    assert set(COUNTERS) < FLOWFORGE_KEPT


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "pending"}, RoutineStatus.PENDING),
        ({"status": "completed", "started": 2}, RoutineStatus.RUNNING),
        ({"status": "completed"}, RoutineStatus.COMPLETED),
        ({"status": "failed", "skipped": 1, "started": 2}, RoutineStatus.FAILED),
        ({"status": "completed", "skipped": 1, "started": 2}, RoutineStatus.SKIPPED),
        ({"status": "completed", "error_continued": 1, "started": 2}, "error_continued"),
    ],
)
def test_a_state_is_plain(fields: dict[str, str | int], status: str) -> None:
    """Names and the status are text, which is printed, written as JSON and sent as such."""
    found = state(**{"started": 1, "completed": 1, **fields})
    assert found["status"] == status
    assert type(found["status"]) is str
    assert {type(name) for name in found} == {str}
    assert json.loads(json.dumps(found)) == found
    assert encode_payload(found, 10_000, "here")


@pytest.mark.parametrize(
    ("parts", "at"), [([], None), (["/app/a.py:3, in go"], "/app/a.py:3, in go")]
)
def test_the_latest_error_has_its_place(parts: list[str], at: str | None) -> None:
    """Records of earlier releases have none."""
    details = pack_record("w1", 1, 5, {}, None, ["ValueError", "no", "Traceback", *parts])
    counters = {b"0.started": b"1", b"0.error": b"1000 " + details}
    error = routine_states(orders().definition(), counters, {}, {})["fetch"]["last_error"]
    when = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert error == {"type": "ValueError", "message": "no", "when": when, "at": at}


def test_what_has_ended_and_what_has_failed() -> None:
    """A skipped invocation has ended; one that was quarantined has failed."""
    state = dict.fromkeys(COUNTERS, 0) | {
        "started": 9, "completed": 2, "error_continued": 1, "skipped": 1, "lost": 3,
        "status": "completed",
    }  # fmt: skip
    assert (ended_invocations(state), failures(state)) == (4, 0)
    assert failures({**state, "status": "failed"}) == 1
    assert failures({**state, "status": "failed", "failed": 2}) == 2
    assert failures({**state, "status": "failed", "lost": 0}) == 0


def test_what_was_given_back_is_no_attempt() -> None:
    """Its claim has started; no handler was called, or what it did does not count."""
    assert counted_attempts(state(started=5, completed=3, released=2)) == 3
    assert counted_attempts(state(started=1)) == 1
