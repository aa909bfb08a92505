"""What differs between jobs that are submitted together: params and keys in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowforge.engine.submission.job_items import Item, checked_key, items
from flowforge.errors import InvalidValueError


def test_params_without_keys() -> None:
    """Any iterable will do; each item knows its place."""
    assert list(items(({"n": n} for n in range(2)), None)) == [
        Item({"n": 0}, None, 0),
        Item({"n": 1}, None, 1),
    ]


def test_params_with_keys() -> None:
    """One key for each; None is a job without one."""
    assert list(items([None, {}], iter(["a", None]))) == [Item(None, "a", 0), Item({}, None, 1)]


@pytest.mark.parametrize(("params", "keys"), [([{}], ["a", "b"]), ([{}, {}], ["a"])])
def test_lengths_are_compared_before_the_first(params: list[Any], keys: list[Any]) -> None:
    """Nothing is submitted when both have a length and these differ."""
    expected = f"{len(keys)} idempotency_keys for {len(params)} entry_params"
    with pytest.raises(InvalidValueError, match=expected):
        next(items(params, keys))


@pytest.mark.parametrize(
    ("params", "keys", "expected"),
    [
        ([{}, {}], ["a"], "idempotency_keys ended after 1, entry_params go on"),
        ([{}], ["a", "b"], "entry_params ended after 1, idempotency_keys go on"),
    ],
)
def test_what_ends_too_early_is_named(params: list[Any], keys: list[Any], expected: str) -> None:
    """Without a length the difference shows at the end of the shorter one."""
    found = items(iter(params), iter(keys))
    next(found)
    with pytest.raises(InvalidValueError, match=expected):
        next(found)


@pytest.mark.parametrize("given", ["abc", b"abc", {"a": 1}, 3], ids=repr)
def test_what_is_no_list_of_jobs_is_refused(given: Any) -> None:
    """A text would be read as characters, a dict as its keys."""
    with pytest.raises(InvalidValueError, match="entry_params must be a list"):
        next(items(given, None))
    with pytest.raises(InvalidValueError, match="idempotency_keys must be a list"):
        next(items([{}], given))


@pytest.mark.parametrize("key", ["", 1, b"k", ["k"], True, 1.5], ids=repr)
def test_a_key_is_text_that_is_not_empty(key: Any) -> None:
    """Else all jobs without a key of their own would be one, or 1 and "1" the same."""
    with pytest.raises(InvalidValueError, match="idempotency_key must be text, not empty"):
        checked_key("idempotency_key", key)
    found = items([{}, {}], ["a", key])
    next(found)
    with pytest.raises(InvalidValueError, match=r"idempotency_keys\[1\] must be text"):
        next(found)


def test_an_iterable_that_raises_says_where() -> None:
    """The error is the iterable's own, with a note on what was read."""

    def rows() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        raise OSError("no such row")

    found = items(rows(), None)
    next(found)
    with pytest.raises(OSError, match="no such row") as caught:
        next(found)
    assert caught.value.__notes__ == ["while entry_params[1] was read"]


def test_labels_are_one_set_for_all_or_one_for_each() -> None:
    """As they are stored; None is a job without any."""
    every = items([{}, {}], None, {"b": "2", "a": "1"})
    assert [item.labels for item in every] == ["a=1\nb=2"] * 2
    each = items([{}, {}], ["k", None], iter([{"a": "1"}, None]))
    assert [(item.key, item.labels) for item in each] == [("k", "a=1"), (None, "")]
    both = items([{}, {}], ["k", None], {"a": "1"})
    assert [(item.key, item.labels) for item in both] == [("k", "a=1"), (None, "a=1")]


def test_labels_that_do_not_fit_name_their_place() -> None:
    """As many as there are params, each a dict."""
    with pytest.raises(InvalidValueError, match="3 labels for 1 entry_params"):
        next(items([{}], None, [{}, {}, {}]))
    with pytest.raises(InvalidValueError, match="labels ended after 1, entry_params go on"):
        list(items([{}, {}], None, iter([{}])))
    with pytest.raises(InvalidValueError, match=r"labels\[1\] must be a dict"):
        list(items([{}, {}], None, [{}, "a=1"]))
