"""How long the attempts of a routine usually take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.model.status import AttemptOutcome, JobStatus
from flowforge.store.reading import whole
from flowforge.store.store import Store

#: Outcomes of attempts that took time.
TIMED = (
    AttemptOutcome.COMPLETED, AttemptOutcome.FAILED, AttemptOutcome.RETRIED,
    AttemptOutcome.ERROR_CONTINUED, AttemptOutcome.SKIPPED,
)  # fmt: skip

#: The newest completed jobs that are looked at for one of the same definition.
_NEWEST = 100


def mean_seconds(state: Mapping[str, Any]) -> float | None:
    """Mean time of an attempt of a routine, by its state; None before the first has ended."""
    ended = sum(state[name] for name in TIMED)
    return state["total_seconds"] / ended if ended else None


class UsualTimes:
    """Reads mean times, and remembers them."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._known: dict[tuple[str, int], float | None] = {}

    def seconds(self, job_id: str, routine: int) -> float | None:
        """The mean of the job's own attempts of this routine; before the first has ended, that of a
        job of the same definition that completed lately. None when there is none.
        """
        own = self._mean(job_id, routine)
        return own if own is not None else self._of_others(job_id, routine)

    def _mean(self, job_id: str, routine: int) -> float | None:
        fields = [f"{routine}.{name}" for name in ("micros", *TIMED)]
        micros, *counts = self._link.call("HMGET", self._keys.of("routines", job_id), *fields)
        try:
            ended = sum(whole(count or 0) for count in counts)
            return whole(micros or 0) / ended / 1e6 if ended else None
        except ValueError:
            # A damaged counter of one job says nothing of how long others take.
            return None

    def _of_others(self, job_id: str, routine: int) -> float | None:
        definition = self._link.call("HGET", self._keys.of("job", job_id), "def")
        place = ((definition or b"").decode(errors="backslashreplace"), routine)
        if place not in self._known:
            self._known[place] = self._find_other(definition, routine)
        return self._known[place]

    def _find_other(self, definition: bytes | None, routine: int) -> float | None:
        index = self._keys.of("status", JobStatus.COMPLETED)
        newest = self._link.call("ZRANGE", index, 0, _NEWEST - 1, "REV")
        jobs = [raw.decode(errors="backslashreplace") for raw in newest]
        if not jobs:
            return None
        rows = self._link.many([("HGET", self._keys.of("job", one), "def") for one in jobs])
        for one, found in zip(jobs, rows, strict=True):
            if found == definition and (mean := self._mean(one, routine)) is not None:
                return mean
        return None
