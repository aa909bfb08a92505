"""What a worker's log says of invocations."""

from __future__ import annotations

import logging

import pytest

from flowforge.store.transitions.answers import CLAIM, COMMIT, FAIL, GIVE_BACK, Answer
from flowforge.worker.run import log_lines
from tests.unit.execution.samples import make_attempt


def test_each_line_names_the_invocation_by_the_id_of_its_celery_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same in all of them, so that one search finds all that became of it."""
    caplog.set_level(logging.DEBUG)
    attempt = make_attempt()
    log_lines.not_claimed(attempt.job_id, attempt.invocation, Answer.TAKEN)
    log_lines.not_accepted(attempt, "completed", Answer.STALE)
    log_lines.not_given_back(attempt, Answer.GONE)
    log_lines.given_back(attempt.job_id, attempt.invocation, "b.input", "no such class")
    log_lines.not_staged(attempt, OSError("x"))
    log_lines.put_off(attempt, 1.0)
    log_lines.passed_over(attempt, "skipped", ValueError("x"))
    assert len(caplog.messages) == 7
    # JSON has it as a field.
    assert {record.__dict__["data"]["id"] for record in caplog.records} == {"j1-7"}
    for line in caplog.messages:
        assert "invocation j1-7" in line
        assert (".input" in line) is ("not run" not in line)
        assert attempt.invocation not in line


def test_a_refusal_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """In words, and not by the store's answer."""
    caplog.set_level(logging.INFO)
    log_lines.not_accepted(make_attempt(), "completed", Answer.STALE)
    said = "invocation j1-7 (worker.input), completed, is not accepted: the lease of this attempt"
    assert caplog.messages[0].startswith(said)


def test_each_answer_that_refuses_has_its_words() -> None:
    """An answer that a script learns to give needs some."""
    claim, ends = set(CLAIM.values()), set(COMMIT.values()) | set(FAIL.values())
    given_back = set(GIVE_BACK.values()) - {Answer.FAILED}
    refused = (claim | given_back) - {Answer.GRANTED, Answer.ASKS, Answer.OK}
    assert refused == set(log_lines.NOT_CLAIMED)
    assert ends - {Answer.OK, Answer.INCOMPLETE} == set(log_lines.NOT_ACCEPTED)
