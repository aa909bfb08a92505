"""Answers that jobs have been waiting for very long."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.common.counted import counted
from flowforge.doctor.findings import Finding
from flowforge.engine.engine import Engine
from flowforge.engine.finding.find_expectations import first_expectations

#: Days after which an answer is late.
LATE_DAYS = 7

#: Answers that are named.
_NAMED = 3


def examine_answers(engine: Engine) -> Iterator[Finding]:
    """How many are waited for, and those that have been for more than a week."""
    limit = engine.overview.now() - LATE_DAYS * 86_400_000
    waiting = engine.store.expectations.waiting(limit)
    if not waiting.older:
        if waiting.number:
            text = f"jobs wait for {counted(waiting.number, 'answer')} from outside"
            yield Finding("ok", "answers", text)
        return
    found = first_expectations([engine], min(_NAMED, waiting.older))
    named = ", ".join(f"{one.place} of job {one.job_id}" for one in found)
    yield Finding(
        "warn", "answers",
        f"jobs have been waiting for {counted(waiting.older, 'answer')} for more than {LATE_DAYS} "
        "days: "
        f"{named}",
        "flowforge expects lists them; flowforge deliver answers one, and within= with otherwise= "
        "would end the wait",
    )  # fmt: skip
