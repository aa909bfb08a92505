"""The rules for labels."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.errors import InvalidValueError
from flowforge.model.jobs.labels import MOST_LABELS, check_labels, labels_text, read_labels


def test_labels_are_stored_in_the_order_of_their_names() -> None:
    """So that the same labels are the same text; a value may hold what separates them."""
    labels = {"tenant": "acme", "stage": "a=b c"}
    assert labels_text(labels) == "stage=a=b c\ntenant=acme"
    assert read_labels(labels_text(labels)) == labels
    assert labels_text(None) == labels_text({}) == ""
    assert read_labels("") == {}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], "labels must be a dict such as"),
        ({1: "a"}, "a name in labels must be text, not 1"),
        ({"a": 1}, r"labels\['a'\] must be text, not 1"),
        ({"a": ""}, r"labels\['a'\] must have 1 to 128 characters, not 0"),
        ({"a": "x" * 129}, "must have 1 to 128 characters, not 129"),
        ({"n" * 65: "x"}, "a name in labels must have 1 to 64 characters, not 65"),
        ({"": "x"}, "a name in labels must have 1 to 64 characters"),
        ({"a=b": "x"}, "a name in labels must have no '='"),
        ({"a": "x\ny"}, "must have no control characters"),
        ({"a": "\ud800"}, "must have no control characters"),
    ],
)
def test_what_is_no_label_is_refused(labels: Any, message: str) -> None:
    """The error names the label and what it must be."""
    with pytest.raises(InvalidValueError, match=message):
        check_labels(labels)


def test_a_job_has_so_many_labels() -> None:
    """One more is refused, with what to do instead."""
    labels = {f"n{number}": "v" * 128 for number in range(MOST_LABELS)}
    assert len(read_labels(labels_text(labels))) == MOST_LABELS
    with pytest.raises(InvalidValueError, match="has 17 labels; a job can have 16: keep what"):
        labels_text({**labels, "more": "v"})
