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
    """Of a failure by the engine itself it is the message, else what the handler raised."""
    print_result(job(reason, error))
    assert capsys.readouterr().out.startswith(f"job j1 failed: {expected}")
