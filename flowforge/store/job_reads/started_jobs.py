"""The jobs that the handlers of a job have started, and which of them it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.model.invocation_id import InvocationName
from flowforge.store.reading import reading
from flowforge.store.store import Store

#: Child jobs that are waited for, among which those without a place in the list are looked for.
_LOOK = 200


class StartedJobs:
    """Reads those of the jobs of one server. ``Finder`` finds them, the newest first."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def count(self, job_id: str) -> int:
        """How many the list has: at most the latest 10,000, with those that are gone."""
        found: int = self._link.call("ZCARD", self._keys.of("started_jobs", job_id))
        return found

    def waits(self, job_id: str, started: Sequence[str]) -> dict[str, int]:
        """Which of them the job waits for, and the number of the invocation that does."""
        if not started:
            return {}
        found = self._link.call("HMGET", self._keys.of("children", job_id), *started)
        with reading(f"the child jobs of job {job_id}"):
            return {
                child: InvocationName.parse(waiter.decode()).number
                for child, waiter in zip(started, found, strict=True)
                if waiter is not None
            }

    def unlisted(self, job_id: str) -> list[str]:
        """Child jobs that the job waits for and that its list lacks: a former release has started
        them. Some of them where there are more than 200.
        """
        key = self._keys.of("children", job_id)
        sample = self._link.call("HRANDFIELD", key, _LOOK) or []
        if not sample:
            return []
        scores = self._link.call("ZMSCORE", self._keys.of("started_jobs", job_id), *sample)
        return sorted(
            child.decode(errors="backslashreplace")
            for child, score in zip(sample, scores, strict=True)
            if score is None
        )
