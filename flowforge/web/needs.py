"""The list of what needs a person, each with the page that mends it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from flowforge.doctor.attention import Attention, AttentionKind, attention
from flowforge.engine.engine import Engine

#: Rows of the list, and jobs that a row names.
_ROWS, NAMED = 50, 3

#: Jobs that a button names one by one; of more it says what they are found by.
_BY_ID = 20

#: Seconds between two looks for the pages that are open.
_REST = 10.0

#: What mends jobs: the name of an action, of one job and of many.
WORDS = {
    AttentionKind.FAILED: "retry",
    AttentionKind.QUARANTINED: "retry",
    AttentionKind.PAUSED: "resume",
    AttentionKind.BREAKPOINT: "continue",
}


class NeedsRow(NamedTuple):
    """``address``: of the page that asks; empty where no action mends it. ``jobs``: of these jobs.

    ``asks``: the question is about one job, so that it fits into a dialog.
    """

    one: Attention
    word: str
    address: str
    asks: bool
    jobs: str


class Needs:
    """What needs a person, as the pages that are open show it: it takes hundreds of commands."""

    def __init__(self) -> None:
        self._found: list[Attention] = []
        self._looked = float("-inf")

    def rows(self, engines: Sequence[Engine], *, again: bool) -> list[NeedsRow]:
        """The most urgent ones. ``again``: for a page that is open, which is read every second."""
        if not again or time.monotonic() - self._looked >= _REST:
            self._found = attention(engines)
            self._looked = time.monotonic()
        return rows(self._found)


def rows(found: list[Attention]) -> list[NeedsRow]:
    """The most urgent ones."""
    return [_row(one) for one in found[:_ROWS]]


def _row(one: Attention) -> NeedsRow:
    if one.kind is AttentionKind.ANSWER:
        return _answer_row(one)
    if one.schedule:
        return _schedule_row(one)
    word = WORDS.get(one.kind, "")
    if len(one.job_ids) == 1 and not one.more:
        (job_id,) = one.job_ids
        own = f"/jobs/{quote(job_id, safe='')}"
        address = f"{own}/{word}" if word else own
        return NeedsRow(one, word or "explain", address, bool(word), own)
    if not one.job_ids:
        return NeedsRow(one, "", "", False, "/workers")
    jobs = f"/jobs?{urlencode(_search(one))}"
    if not word:
        return NeedsRow(one, "", "", False, jobs)
    if not one.more and len(one.job_ids) <= _BY_ID:
        chosen = [("job", job_id) for job_id in one.job_ids]
    else:
        chosen = [("which", "all"), *_search(one).items()]
    return NeedsRow(one, word, f"/bulk/new/{word}?{urlencode(chosen)}", False, jobs)


def _answer_row(one: Attention) -> NeedsRow:
    """Leads to the form of the only answer, or to the list of those of its flow."""
    listed = f"/answers?{urlencode({'flow': one.flow_id})}"
    if one.invocation is None:
        return NeedsRow(one, "answer", listed, False, listed)
    form = f"/jobs/{quote(one.job_ids[0], safe='')}/answers/{one.invocation}"
    return NeedsRow(one, "answer", form, False, listed)


def _schedule_row(one: Attention) -> NeedsRow:
    """Leads to what mends it, and to the page of the schedule."""
    name = urlencode({"name": one.schedule})
    own = f"/schedules/one?{name}"
    if one.kind is AttentionKind.MISSED:
        return NeedsRow(one, "backfill", f"/schedules/backfill?{name}", False, own)
    if one.job_ids:
        return NeedsRow(one, "resume", f"/schedules/resume?{name}", True, own)
    return NeedsRow(one, "explain", own, False, own)


def _search(one: Attention) -> dict[str, str]:
    """What finds these jobs, and others of the flow where they have no cause in common."""
    status = "paused" if one.kind is AttentionKind.PAUSED else "failed"
    found = {"flow": one.flow_id, "status": status}
    return {**found, "text": one.cause} if one.cause else found
