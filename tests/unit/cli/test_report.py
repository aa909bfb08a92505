"""What the command line says of a job's end."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.cli.report import print_result


def job(reason: str | None, error: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "job_id": "j1",
        "status": "failed",
        "ended_at": None,
        "reason": reason,
        "error": error,
        "outputs": [],
        "output_count": 0,
    }


@pytest.mark.parametrize(
    ("reason", "error", "expected"),
    [
        ("join not filled", {"type": "JoinNotFilled", "message": "the join a.b had 3"}, "the join"),
        ("a.input: boom", {"message": "boom", "traceback": "Traceback: boom"}, "a.input: boom"),
    ],
)
def test_the_reason_says_where_and_what_to_do(
    reason: str, error: dict[str, Any], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a failure by FlowForge itself it is the message, else what the handler raised."""
    print_result(job(reason, error))
    assert capsys.readouterr().out.startswith(f"job j1 failed: {expected}")


def test_a_traceback_without_a_frame_of_the_users_own_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The message is there once: it says all that such a traceback could say."""
    message = "price.input was called without 'pieces'"
    error = {
        "type": "ArgumentError",
        "message": message,
        "traceback": "Traceback: frames of FlowForge",
        "at": "",
        "routine_id": "price",
        "invocation": 1,
        "attempt": 1,
    }
    print_result(job(f"price.input: ArgumentError: {message}", error))
    printed = capsys.readouterr().out
    assert printed.count(message) == 1
    assert "Traceback" not in printed
    assert "error in price (invocation 1, attempt 1): ArgumentError\n" in printed


def test_a_message_that_the_reason_cuts_is_printed_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A reason is one line of at most 500 characters."""
    message = "x" * 600
    print_result(job(f"a.input: E: {message}"[:500], {"type": "E", "message": message, "at": ""}))
    assert message in capsys.readouterr().out
