"""Jobs that wait for something, on a server that may lose its latest writes, and what must be left.

They wait for places of limits, turns of fair keys, answers, ends of jobs of a key, further calls,
and times; some run out of time. Whatever of that a server has lost, each job that it still has must
end, and nothing of what they waited for may be left.
"""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

from flowforge import Debounce, Flow
from flowforge.engine.submission.job_keys import JobKeys
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import FlowForgeError
from flowforge.model.times.deadlines import deadlines_of
from flowforge.model.times.start import Start
from tests.chaos.harness import answering, keyed, limiting, timed
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.limiting import LimitedTree
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

#: The modules that workers import for these jobs.
IMPORTS = (limiting.__name__, timed.MODULE, answering.__name__, keyed.__name__)

_LIMITED = LimitedTree(16, micros=10_000)
_SMALL = Tree(6, micros=2000)

#: Fair keys, and jobs of one at a time; steps of a job with deadlines.
_TENANTS, _JOBS, _STEPS = 3, 3, 4

#: Seconds that questions are open; those that are open for long are answered in the end.
_WITHIN = (0.3, 1.0, 600.0)

#: Seconds until all have ended, and until nothing is left behind the last one.
_LIMIT, _LEFT_LIMIT = 90.0, 30.0

#: Keys that are there only while something waits.
_GONE = (
    "limit_places", "limit_waiters", "limit_promises", "single", "debounce", "attempt_ends",
    "fair_waiting", "fair_entered", "assigned", "assignees",
)  # fmt: skip


class WaitingJobs:
    """Such jobs of a site."""

    def __init__(self, site: Site, rng: Random) -> None:
        self._site, self._engine, self._rng = site, site.engine, rng
        self._jobs: set[str] = set()
        self._asking: set[str] = set()
        self._engine.limits.declare([limiting.RUNNING, limiting.RATE])

    def submit(self) -> None:
        """Some of each kind."""
        rng = self._rng
        self._submit(JobTemplate(_LIMITED.flow, _LIMITED.entry), _LIMITED.params)
        for _ in range(_JOBS):
            tenant = f"tenant-{rng.randrange(_TENANTS)}"
            self._submit(JobTemplate(_SMALL.flow, _SMALL.entry, fair_key=tenant), _SMALL.params)
        self._submit(
            JobTemplate(_SMALL.flow, _SMALL.entry), _SMALL.params, Start("+", rng.randrange(1500))
        )
        deadlines = deadlines_of(None, rng.uniform(0.3, 2.0))
        self._submit(
            JobTemplate(timed.FLOW, "source", deadlines=deadlines), timed.steps_of(rng, _STEPS)
        )
        for when in ("queue", "replace", "skip"):
            keys = JobKeys(single=when, when_running=when)
            self._submit_keyed(keyed.TURN, "turn", {"left": 1}, keys)
        rule = Debounce("digest", keyed.WAIT_MS / 1000, keyed.AT_MOST_MS / 1000, "all")
        self._submit_keyed(keyed.DIGEST, "digest", {"n": 1}, JobKeys(rule))
        asking = JobTemplate(answering.ask_flow(), "ask")
        job_id = self._submit(asking, {"within": rng.choice(_WITHIN)})
        self._asking.add(job_id)
        self._answer(job_id, "early", share=0.5)

    def verify(self, arena: Arena) -> None:
        """Each job that the server still has ends, as it may, and nothing is left behind them."""
        link, keys = self._engine.store.link, self._engine.store.keys
        known = {one for one in self._jobs if link.call("EXISTS", keys.of("job", one))}
        arena.figures["jobs that waited"] = len(known)
        eventually(lambda: not self._not_ended(known), _LIMIT, "the end of all that waits")
        for job_id in known:
            problem = self._engine.inspector.error(job_id) or {}
            failed = self._engine.inspector.status(job_id) == "failed"
            if failed and problem.get("type") != "NotFinishedInTime":
                arena.violate(f"I3 job {job_id} has failed: {problem}")
        try:
            eventually(lambda: not self._left(), _LEFT_LIMIT)
        except AssertionError:
            arena.violate(f"I3 keys of what waits are left: {self._left()}")

    def _submit(
        self, template: JobTemplate, params: dict[str, Any], start: Start | None = None
    ) -> str:
        job_id = self._engine.submit(template, params, start=start)
        self._jobs.add(job_id)
        return job_id

    def _submit_keyed(self, flow: Flow, entry: str, params: dict[str, Any], keys: JobKeys) -> None:
        found = self._engine.submit_one(JobTemplate(flow, entry), params, keys=keys)
        self._jobs.add(found.job_id)

    def _answer(self, job_id: str, when: str, share: float = 1.0) -> None:
        """Answer that share of its questions; those that are answered or over are refused."""
        for question in range(answering.QUESTIONS):
            if self._rng.random() < share:
                with contextlib.suppress(FlowForgeError):
                    self._engine.expectations.deliver(
                        job_id, "ask", "decided", {"n": question, "by": "kim"}, "kim",
                        f"{when}-{question}", answering.keys_of(question)[0],
                    )  # fmt: skip

    def _not_ended(self, known: set[str]) -> list[str]:
        left = [one for one in known if not self._site.ended(one)]
        for job_id in self._asking & {*left}:
            self._answer(job_id, "late")
        return left

    def _left(self) -> list[str]:
        link, keys = self._engine.store.link, self._engine.store.keys
        found: list[bytes] = []
        cursor, patterns = b"0", [keys.of(name, "*") for name in _GONE]
        for pattern in patterns:
            while True:
                cursor, some = link.call("SCAN", cursor, "MATCH", pattern, "COUNT", 10_000)
                found += some
                if cursor == b"0":
                    break
        return sorted({key.decode() for key in found})
