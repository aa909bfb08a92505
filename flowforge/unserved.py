"""Which queues a job waits for in vain, so that a timeout can say so."""

from __future__ import annotations

from flowforge.codec import unpack_record
from flowforge.errors import FlowForgeError
from flowforge.store.reader import Reader
from flowforge.store.store import Store
from flowforge.worker.duties.presence import STALE

#: Outstanding invocations that are looked at.
_SAMPLE = 200


def unserved(store: Store, reader: Reader, job_id: str, default_queue: str) -> str:
    """What a timeout adds when work of the job waits on queues that no worker serves, or nothing.

    ``default_queue``: that of routines whose definition names none.
    """
    try:
        (queued,) = reader.fields(job_id, "queued")
        waiting = _queues(store, reader, job_id, default_queue) if int(queued or 0) else set()
        missing = sorted(waiting - _served(store)) if waiting else []
    except FlowForgeError:
        # The timeout itself is what has to be told.
        return ""
    if not missing:
        return ""
    names = ", ".join(repr(name) for name in missing)
    return (
        f"; no worker reports that it serves the queue {names}: start one, flowforge worker -Q "
        f"{','.join(missing)}"
    )


def _queues(store: Store, reader: Reader, job_id: str, default_queue: str) -> set[str]:
    """The queues of some of the outstanding invocations."""
    key = store.keys.of("invocations", job_id)
    _, pairs = store.link.call("HSCAN", key, 0, "COUNT", _SAMPLE)
    routines = reader.definition(job_id).routines
    found = {int(tag.split(b".")[1]) for tag in pairs[::2]}
    return {routines[index].queue or default_queue for index in found}


def _served(store: Store) -> set[str]:
    """The queues of workers that have reported lately."""
    now = int(store.link.call("TIME")[0])
    served: set[str] = set()
    for record in store.link.call("HGETALL", store.keys.of("workers"))[1::2]:
        seconds, facts = unpack_record(record, "a worker's report", 2)
        if now - seconds <= STALE:
            served.update(facts.get("queues", ()))
    return served
