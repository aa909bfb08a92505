"""The definitions that jobs are pinned to, by their hash."""

from __future__ import annotations

from flowforge.model.definition import Definition
from flowforge.store.store import Store


def stored_definition(store: Store, name: str) -> Definition | None:
    """The definition of a hash; None when it is not stored (any more), CorruptRecordError or
    NewerRecordError when it cannot be read.
    """
    text = store.link.call("HGET", store.keys.of("definition", name), "json")
    return None if text is None else Definition.stored(name, text)


def definition_of(store: Store, job_id: str) -> str | None:
    """The hash of a job's definition; None when there is no such job."""
    raw = store.link.call("HGET", store.keys.of("job", job_id), "def")
    return None if raw is None else str(raw.decode())
