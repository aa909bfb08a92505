"""The arguments of ``commit.lua`` behind those of the attempt, section by section.

Before them stands what compensates the invocation, where its slot has an undo. The script reads the
sections in this order. Each begins with how many items it has; most
commits have items in `emitted` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from flowforge.execution.effects import Effects, Emitted
from flowforge.store.server.link import Argument
from flowforge.store.transitions.claims import NextClaim

#: The outcome of an attempt that has completed and expects answers.
EXPECTING = "expecting"

#: A section without items.
EMPTY = (0,)


def sections(effects: Effects, then: NextClaim | None) -> list[Argument]:
    """All sections. Only those with items are built by a call: most steps have one of them."""
    return [
        *(expected(effects.expected) if effects.expected else ()),
        *(("undo", *effects.undo) if effects.undo else ()),
        *(emitted(effects.emitted) if effects.emitted else EMPTY),
        *(staged(effects.staged) if effects.staged else EMPTY),
        *(outputs(effects.outputs) if effects.outputs else EMPTY),
        *(stats(effects.stats) if effects.stats else EMPTY),
        *(resets(effects.resets) if effects.resets else EMPTY),
        *(started_jobs(effects.started_jobs) if effects.started_jobs else EMPTY),
        *(next_message(then) if then is not None else ()),
    ]


def expected(items: Sequence[tuple[Argument, ...]]) -> list[Argument]:
    """What opens each expectation; ``include/commit/expected.lua`` has its parts.

    Only commits with the outcome ``EXPECTING`` have this section.
    """
    return _each(items)


def emitted(items: Sequence[Emitted]) -> list[Argument]:
    """Routine, slot, mode and record of each invocation to create."""
    return _each(items)


def staged(counts: Mapping[int, int]) -> list[Argument]:
    """Routine (-1: outputs), and how many this attempt has staged for it."""
    return _each(counts.items())


def outputs(records: Sequence[bytes]) -> list[Argument]:
    """The record of each output."""
    return [len(records), *records]


def stats(changes: Sequence[tuple[str, str, str | bytes]]) -> list[Argument]:
    """Op (add, number, set or reset), field and value of each change."""
    return _each(changes)


def resets(changes: Sequence[tuple[str, int]]) -> list[Argument]:
    """Slot (``r.s``) and up to which delivery it is consumed (-1: all); or no slot, and how many
    items of the join are done with.
    """
    return _each(changes)


def started_jobs(jobs: Sequence[Sequence[Argument]]) -> list[Argument]:
    """What creates each job: ``Submission.arguments``, id, mode, record, labels, kept params,
    the record of the invocation that waits for it, and its definition behind the number of its
    fields and values.
    """
    return _each(jobs)


def next_message(then: NextClaim) -> list[Argument]:
    """To go on with the next message: the token to claim it with, and where it may lie."""
    return [then.token, then.lease_ms, *then.lists]


def _each(items: Collection[Iterable[Argument]]) -> list[Argument]:
    """How many, and the parts of each."""
    found: list[Argument] = [len(items)]
    for parts in items:
        found += parts
    return found
