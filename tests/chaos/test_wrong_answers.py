"""What the harness says of questions that did not go on once, or with another answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from flowforge.model.jobs.job_handle import Output
from tests.chaos.harness.answering import QUESTIONS, TIME, Told, wrong_answers

#: How the questions that no case is about were decided.
_REST = [(n, TIME) for n in range(1, QUESTIONS)]


def outputs(*decided: tuple[int, str]) -> dict[str, list[Output]]:
    """Of one job. ``decided``: question and by whom."""
    made = [*decided, *_REST]
    return {"job": [Output(2, "ask", "decided", {"n": n, "by": by}) for n, by in made]}


def told(person: str, first: str | None, *, kept: bool = False) -> Told:
    return Told("job", 0, person, first, kept)


@pytest.mark.parametrize(
    ("by", "heard"),
    [
        ("kim", [told("kim", None), told("lee", "kim")]),
        (TIME, [told("kim", TIME), told("lee", TIME)]),
        (TIME, []),
        ("kim", [told("kim", None, kept=True), told("lee", None, kept=True), told("ann", "lee")]),
    ],
)
def test_what_holds_is_not_wrong(by: str, heard: Sequence[Told]) -> None:
    """One answer was taken, or none, and the others heard of it."""
    wrong, how = wrong_answers(outputs((0, by)), heard)
    assert wrong == []
    assert how.total() == QUESTIONS


@pytest.mark.parametrize(
    ("decided", "heard", "wrong"),
    [
        ([], [], r"went on 0 times: \[\]"),
        ([(0, "kim"), (0, TIME)], [told("kim", None)], "went on 2 times"),
        ([(0, TIME)], [told("kim", None)], r"went on with time, and the answers of \['kim'\]"),
        ([(0, "kim")], [told("kim", None), told("lee", None)], "the answers of .* were taken"),
        ([(0, "kim")], [told("kim", None), told("lee", TIME)], "lee was told that time was first"),
        ([(0, TIME)], [told("kim", None, kept=True)], "the answers of .* were taken"),
        ([(0, "lee")], [told("kim", None, kept=True), told("lee", None)], "were taken"),
    ],
)
def test_what_does_not_hold_is_told(
    decided: list[tuple[int, str]], heard: Sequence[Told], wrong: str
) -> None:
    """Each with the question and the job."""
    found, _ = wrong_answers(outputs(*decided), heard)
    (what,) = found
    assert re.fullmatch(f"I2 question 0 of job job .*{wrong}.*", what)
