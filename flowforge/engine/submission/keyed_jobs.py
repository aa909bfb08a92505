"""Jobs for which an earlier one may stand: what can be debounced, and what became of each call."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.engine.submission.entry import KEPT_PARAMS, First
from flowforge.engine.submission.job_items import Item, Submitted
from flowforge.engine.submission.job_keys import JobKeys, keyed_job
from flowforge.errors import InvalidValueError, NewerRecordError, SingleQueueFullError
from flowforge.model.definition import Definition
from flowforge.model.names import listing
from flowforge.store.server.link import Argument
from flowforge.store.store import Store
from flowforge.store.transitions.keyed_submission import MOST_WAITING, FullKey, NewerJob, Placed
from flowforge.store.transitions.submission import NewJob, Submission

#: What a job costs the script, in jobs without such a key, about 15 us of the server's time each:
#: one that is created or takes a call, one to which params are added, one that replaces another.
_KEYED, _ADDED_TO, _REPLACES = 13, 25, 50


def weight(keys: JobKeys | None) -> int:
    """How many jobs without keys of the call a job counts as."""
    if keys is None:
        return 1
    if keys.single is not None and keys.when_running == "replace":
        return _REPLACES
    all_kept = keys.debounce is not None and keys.debounce.keep == "all"
    return _ADDED_TO if all_kept else _KEYED


def submit_keyed(
    store: Store,
    common: Submission,
    definition: Definition,
    chunk: Sequence[tuple[Item, First, NewJob]],
    fields: dict[str, Argument] | None,
) -> list[Submitted] | None:
    """Create those jobs for which no earlier one stands; None asks for the definition.

    SingleQueueFullError when too many jobs wait for the key of one; then none is created.
    """
    for item, _, _ in chunk:
        _check_debounce(item, definition, common)
    jobs = [
        keyed_job(item.keys, common.flow_id, common.entry, job, first.size)
        for item, first, job in chunk
    ]
    found = store.keyed_submissions.submit(common, jobs, KEPT_PARAMS, fields)
    if found is None:
        return None
    if isinstance(found, NewerJob):
        raise NewerRecordError(
            f"job {found.job_id} has the key, and a newer FlowForge keeps it; upgrade this process"
        )
    if isinstance(found, FullKey):
        item = chunk[found.place][0]
        single = "" if item.keys is None else item.keys.single
        raise SingleQueueFullError(
            f"{MOST_WAITING} jobs wait for the key {single!r} of flow {common.flow_id!r}, and no "
            "more may; wait until some have run, or cancel some"
        )
    return [_submitted(one, job) for one, (_, _, job) in zip(found, chunk, strict=True)]


def _submitted(one: Placed, job: NewJob) -> Submitted:
    return Submitted(one.job_id, one.job_id == job.job_id, one.how)


def _check_debounce(item: Item, definition: Definition, common: Submission) -> None:
    """InvalidValueError for an entry whose calls cannot be one job."""
    debounce = None if item.keys is None else item.keys.debounce
    if debounce is None:
        return
    place = (common.routine, common.slot)
    if definition.join(*place) is not None:
        raise InvalidValueError(
            f"{common.entry} is a join, which has one item of a job: debounce an entry that takes "
            "params"
        )
    secret = definition.secret(*place)
    if secret and debounce.keep == "all":
        raise InvalidValueError(
            f"{common.entry} has secret params ({listing(secret)}), which a list of all calls "
            "would show: use keep='last' or keep='first'"
        )
