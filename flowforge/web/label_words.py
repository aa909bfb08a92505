"""Labels as people type them: ``tenant=acme tier=gold``, quoted as in a shell."""

from __future__ import annotations

import shlex

from flowforge.errors import InvalidValueError
from flowforge.model.jobs.labels import check_labels


def labels_of(text: str) -> dict[str, str]:
    """The labels; ValueError for a text that has none of them."""
    labels = {}
    for word in shlex.split(text):
        name, sign, value = word.partition("=")
        if not sign:
            raise InvalidValueError(f"{word} is no label: write it as name=value")
        labels[name] = value
    return check_labels(labels)
