"""Values in the texts of errors, however large they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from flowforge import ErrorHandler, Flow, FlowForgeError, Join, Routine
from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.waiting.blocking_waits import check_timeout
from flowforge.model.names import check_whole
from flowforge.model.records import read
from flowforge.settings import Settings, from_environment
from tests.unit.execution.samples import make_attempt

#: Python refuses to print its digits.
HUGE: Any = 10**5000


class Rude:
    def __repr__(self) -> str:
        raise ValueError("no text of mine")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("no", "'no'"),
        (None, "None"),
        (True, "True"),
        (-7, "-7"),
        (2**64, str(2**64)),
        (HUGE, "<an int of 16610 bits>"),
        ([1, -HUGE], "[1, <an int of 16610 bits>]"),
        ({"k": (HUGE,)}, "{'k': (<an int of 16610 bits>,)}"),
        (b"ab", "b'ab'"),
    ],
    ids=range(9),
)
def test_a_value_is_shown_as_its_repr(value: Any, text: str) -> None:
    """An int with more digits than Python prints is given by its size."""
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, b"x" * 10**6, ["x" * 100] * 10**5, {n: n for n in range(1000)}, Rude()],
    ids=["text", "bytes", "list", "dict", "rude"],
)
def test_a_value_of_any_kind_is_short(value: Any) -> None:
    """What has no text of its own has one as well."""
    assert 0 < len(shown(value)) <= 80


def test_only_the_beginning_is_looked_at() -> None:
    """The text of what is behind is not made."""
    seen: list[int] = []

    class Seen:
        def __repr__(self) -> str:
            seen.append(1)
            return "seen"

    shown([Seen()] * 1000)
    assert 0 < len(seen) < 50


def test_a_class_that_has_the_name_of_another() -> None:
    """It is shown by its name."""
    assert shown(type("int", (), {})()) == "<int object>"


def _job() -> JobState:
    """Its server is not there."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0")
    return JobState("j1", Engine(settings, Celery(set_as_current=False)))


REFUSALS: dict[str, Callable[[], Any]] = {
    "a routine's status": lambda: _job().update_routine_state("it", {"status": HUGE}),
    "a routine's state": lambda: _job().update_routine_state("it", HUGE),
    "a job's status": lambda: JobState.find(HUGE),
    "a limit": lambda: JobState.find(limit=-HUGE),
    "an id": lambda: JobState.get(HUGE),
    "a timeout": lambda: check_timeout(HUGE),
    "a delay": lambda: ErrorHandler("retry", retry_delay=HUGE),
    "a strategy": lambda: ErrorHandler(HUGE),
    "a flag": lambda: ErrorHandler("retry", is_critical=HUGE),
    "a join's timeout": lambda: Join(timeout=HUGE),
    "a join's count": lambda: Join(-HUGE),
    "a whole number": lambda: check_whole("max_in_flight", -HUGE, 1),
    "a routine": lambda: Flow("f").add_routine(HUGE, "it"),
    "an error handler": lambda: Routine().set_error_handler(HUGE),
    "a setting": lambda: from_environment(prefix=HUGE),
    "a setting's range": lambda: from_environment(lease=HUGE),
    "a setting's least": lambda: from_environment(max_payload=-HUGE),
    "a join's otherwise": lambda: Join(otherwise=HUGE),
    "a routine's id": lambda: Flow("f").connect(HUGE, "out", "it", "input"),
    "a slot's name": lambda: Routine().define_slot(HUGE, handler=print),
    "an exception": lambda: ErrorHandler("retry", retryable_exceptions=(HUGE,)),
    "a priority": lambda: JobTemplate(Flow("f"), "it", priority=HUGE),
    "a snapshot": lambda: JobState.deserialize({"job_id": "j1", "version": HUGE}),
    "a definition": lambda: Flow.deserialize({"version": HUGE}),
    "a record": lambda: read({"k": HUGE}, "k", str, "it"),
    "a stat": lambda: make_attempt().record_stat("add", "n", HUGE),
    "a stat's kind": lambda: make_attempt().record_stat("add", "n", [HUGE]),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_huge_int_is_refused_like_any_wrong_value(name: str) -> None:
    """The error is FlowForge's own, and short."""
    with pytest.raises(FlowForgeError, match="<an int of 16610 bits>") as caught:
        REFUSALS[name]()
    assert len(str(caught.value)) < 400
