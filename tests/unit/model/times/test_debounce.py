"""What a debounce and a single key may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowforge import Flow
from flowforge.engine.submission.job_items import items
from flowforge.engine.submission.job_keys import JobKeys, job_keys
from flowforge.errors import InvalidValueError
from flowforge.model.times.debounce import Debounce
from flowforge.model.times.start import Start


def test_times_are_seconds_or_lengths_of_time() -> None:
    """As those of a delay are."""
    found = Debounce("k", 5, timedelta(minutes=1))
    assert (found.wait_ms, found.at_most_ms, found.keep) == (5000, 60_000, "last")
    assert Debounce("k", 0.5).at_most_ms is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"key": ""}, "the key of a Debounce must be text, not empty"),
        ({"key": "ä" * 1001}, "the key of a Debounce has 1,001 characters, 1,000 is the most"),
        ({"key": 7}, "the key of a Debounce must be text"),
        ({"wait": 0}, "wait must be longer than 0 seconds"),
        ({"wait": "5"}, "wait must be seconds or a timedelta"),
        ({"at_most": 4}, r"at_most \(4\) must not be shorter than wait \(5\)"),
        ({"keep": "both"}, "keep must be 'first', 'last' or 'all', not 'both'"),
    ],
)
def test_an_unfit_debounce_is_refused(given: dict[str, Any], said: str) -> None:
    """It says what is wrong and what fits."""
    with pytest.raises(InvalidValueError, match=said):
        Debounce(**{"key": "k", "wait": 5, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("doc-7", None, "skip"), "debounce must be a Debounce, such as"),
        ((None, "", "skip"), "single must be text, not empty"),
        ((None, "k" * 1001, "skip"), "single has 1,001 characters, 1,000 is the most"),
        ((None, "k", "wait"), "when_running must be 'skip', 'queue' or 'replace', not 'wait'"),
        ((None, "\ud800", "skip"), "half of a surrogate pair"),
    ],
)
def test_unfit_keys_are_refused(given: tuple[Any, Any, Any], said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidValueError, match=said):
        job_keys(*given)


def test_a_debounced_job_has_one_time() -> None:
    """That of its debounce."""
    keys = JobKeys(Debounce("k", 5))
    assert keys.start(None) == Start("+", 5000)
    with pytest.raises(InvalidValueError, match="give debounce or a delay, not both"):
        keys.start(Start("+", 1))


def test_many_jobs_have_one_key_or_one_each() -> None:
    """An item without a key is one of the same call."""
    rule = Debounce("k", 5)
    one = list(items([{}, {}], None, debounce=rule, single="s", when_running="queue"))
    assert [item.keys for item in one] == [JobKeys(rule, "s", "queue")] * 2
    each = list(items([{}, {}], None, single=["s", None]))
    assert [item.keys for item in each] == [JobKeys(single="s"), JobKeys()]
    assert [item.has_key for item in each] == [True, False]
    (none,) = items([{}], None)
    assert none.keys is None
    with pytest.raises(InvalidValueError, match=r"debounce\[1\] must be a Debounce"):
        list(items([{}, {}], None, debounce=[rule, 5]))


@pytest.mark.parametrize("when", ["queue", "replace"])
def test_what_is_done_while_one_runs_needs_a_key(when: Any) -> None:
    """One that was forgotten is told; of many jobs some may have none."""
    with pytest.raises(InvalidValueError, match=f"when_running='{when}' needs single"):
        list(items([{}], None, when_running=when))
    with pytest.raises(InvalidValueError, match="needs single"):
        Flow("f").execute("it", when_running=when)
    found = list(items([{}, {}], None, single=["k", None], when_running=when))
    assert [one.has_key for one in found] == [True, False]
