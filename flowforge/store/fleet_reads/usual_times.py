"""How long the attempts of a routine usually take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.errors import RecordError
from flowforge.store.definitions import stored_definition
from flowforge.store.fleet_reads.totals import TIMED, Totals
from flowforge.store.reading import whole
from flowforge.store.store import Store


def mean_seconds(state: Mapping[str, Any]) -> float | None:
    """Mean time of an attempt of a routine, by its state; None before the first has ended."""
    ended = sum(state[name] for name in TIMED)
    return state["total_seconds"] / ended if ended else None


class UsualTimes:
    """Reads mean times, and remembers those of the fleet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._totals = Totals(store)
        self._known: dict[tuple[str, int], float | None] = {}

    def seconds(self, job_id: str, routine: int) -> float | None:
        """The mean of the job's own attempts of this routine; before the first has ended, that of
        all attempts that the fleet has made of it. None when there is none.
        """
        own = self._mean(job_id, routine)
        return own if own is not None else self._of_fleet(job_id, routine)

    def _mean(self, job_id: str, routine: int) -> float | None:
        fields = [f"{routine}.{name}" for name in ("micros", *TIMED)]
        micros, *counts = self._link.call("HMGET", self._keys.of("routines", job_id), *fields)
        try:
            ended = sum(whole(count or 0) for count in counts)
            return whole(micros or 0) / ended / 1e6 if ended else None
        except ValueError:
            # A damaged counter of one job says nothing of how long others take.
            return None

    def _of_fleet(self, job_id: str, routine: int) -> float | None:
        definition = self._link.call("HGET", self._keys.of("job", job_id), "def")
        place = ((definition or b"").decode(errors="backslashreplace"), routine)
        if place not in self._known:
            self._known[place] = self._mean_of_fleet(*place)
        return self._known[place]

    def _mean_of_fleet(self, definition_hash: str, routine: int) -> float | None:
        try:
            definition = stored_definition(self._store, definition_hash)
            if definition is None:
                return None
            routine_id = definition.routine(routine).id
        except RecordError:
            return None
        run = self._totals.of_routine(definition.flow_id, routine_id).run
        return run.seconds / run.count if run.count else None
