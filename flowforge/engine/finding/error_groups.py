"""Failures by their cause, of all servers together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.errors import FlowForgeError, InvalidValueError, StoreUnavailableError
from flowforge.model.jobs.error_group import ErrorGroup, group_id
from flowforge.store.fleet_reads.error_groups import CountedErrors, Identity

#: Jobs that are told of a group.
_JOBS = 10


def error_groups(
    engines: Sequence[Engine],
    flow_id: str | None = None,
    since: datetime | timedelta | None = None,
    limit: int | None = None,
    left_out: list[FlowForgeError] | None = None,
) -> list[ErrorGroup]:
    """As ``JobState.error_groups``.

    ``left_out`` gets a CorruptRecordError of each group that cannot be read, and the
    StoreUnavailableError of each server that does not answer, which is raised without it.
    """
    parts: dict[Identity, list[CountedErrors]] = defaultdict(list)
    for engine in engines:
        try:
            read = engine.error_groups.read(_bound(engine, since), left_out)
        except StoreUnavailableError as error:
            if left_out is None:
                raise
            left_out.append(error)
            continue
        for counted in read:
            if flow_id is None or counted.identity.flow_id == flow_id:
                parts[counted.identity].append(counted)
    groups = [_merged(identity, its) for identity, its in parts.items()]
    groups.sort(key=lambda group: (group.count, group.last_at), reverse=True)
    return groups[:limit]


def _bound(engine: Engine, since: datetime | timedelta | None) -> int:
    """Milliseconds of the server's clock."""
    if since is None:
        return 0
    if isinstance(since, timedelta):
        return engine.overview.now() - int(since / timedelta(milliseconds=1))
    if since.tzinfo is None:
        raise InvalidValueError(
            f"since is an aware datetime, or a timedelta before now, not {shown(since)}"
        )
    return int((since - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def _merged(identity: Identity, parts: Sequence[CountedErrors]) -> ErrorGroup:
    """A group has a part on each server, and of failures by a script one for each definition."""
    latest = max(parts, key=lambda part: part.last_at)
    jobs = {job_id: at for part in parts for job_id, at in part.jobs.items()}
    return ErrorGroup(
        group_id(*identity), *identity, latest.message, sum(part.count for part in parts),
        min(part.first_at for part in parts), latest.last_at,
        tuple(sorted(jobs, key=lambda one: jobs[one], reverse=True)[:_JOBS]),
    )  # fmt: skip


def place_of(group: ErrorGroup) -> str:
    """Flow and routine."""
    return ".".join(filter(None, (group.flow_id, group.routine_id)))
