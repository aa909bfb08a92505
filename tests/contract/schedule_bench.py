"""Schedules of a bench: saved without a flow, looked at by the leader's duty."""

from __future__ import annotations

from typing import Any, Literal

from flowforge.model.times.schedule import time_text
from flowforge.model.times.schedule_info import ScheduleEvent, ScheduleInfo
from flowforge.model.times.timing import Timing
from flowforge.store.fleet_reads.schedules import ScheduleReader
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.schedules import NewSchedule
from flowforge.store.transitions.submission import COMMON_NAMES
from flowforge.worker.upkeep.schedules import Schedules
from tests.contract.bench import Bench

HOUR = 3600

HOURLY = Timing("", HOUR)


class ScheduleBench:
    """One schedule, ``s``, whose jobs are those of ``Bench.submission``."""

    name = "s"

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.scripts = bench.store.schedules
        self.reader = ScheduleReader(bench.store)

    def save(
        self,
        timing: Timing = HOURLY,
        *,
        source: Literal["code", "api"] = "api",
        mark: str = "m",
        definition: str = "def",
        **policy: Any,
    ) -> Answer:
        """Store it; ``policy``: overlap, missed, catch_up, pause_on_failure, times."""
        request = self.bench.submission(definition=definition, retention_ms=7 * 86_400_000)
        common = request.common
        fields: dict[str, Argument] = {
            **dict(zip(COMMON_NAMES, common.arguments(), strict=True)),
            "mode": "", "record": request.job.record, "params": "same", "labels": "tenant=acme",
            "key": "4:flow/schedule/s/", **timing.fields(), "timing": "/".join(map(str, timing)),
            "overlap": "skip", "missed": "latest", "catch_up": 86_400, "pause_on_failure": 0,
            "times": "", "place": "shop.flows" if source == "code" else "", **policy,
        }  # fmt: skip
        following = timing.after(self.now)
        starts = None if following is None else timing.starts_at(self.name, following)
        new = NewSchedule(self.name, source, mark, fields, following, starts)
        answer = self.scripts.save(new, "anna", None)
        if answer is Answer.DEFINITION:
            answer = self.scripts.save(new, "anna", self.bench.fields())
        return answer

    @property
    def now(self) -> int:
        """Seconds of the server's clock."""
        return self.bench.now() // 1000

    def info(self) -> ScheduleInfo:
        """What is kept of it."""
        found = self.reader.find(self.name)
        assert found is not None
        return found

    def next_time(self) -> int:
        """Its next time, in seconds."""
        at = self.info().next_at
        assert at is not None
        return int(at.timestamp())

    def history(self) -> list[ScheduleEvent]:
        """The newest first."""
        return self.reader.history(self.name, 1000)

    def events(self, kind: str) -> list[ScheduleEvent]:
        """Those of a kind, the oldest first."""
        return [one for one in reversed(self.history()) if one.kind == kind]

    def jobs(self) -> list[str]:
        """The jobs that it has started, the oldest first."""
        return [one.job_id or "" for one in self.events("started")]

    def skips(self) -> list[tuple[str, int]]:
        """Why and how many times were skipped."""
        return [(one.why or "", one.count) for one in self.events("skipped")]

    def look(self) -> int:
        """Let a leader look at once."""
        return Schedules(self.bench.store).run_once()

    def finish(self, job_id: str) -> None:
        """Complete a job."""
        self.bench.start(job_id)
        self.bench.commit(job_id)

    def key_of(self, time: int) -> str:
        """The idempotency key of a time."""
        return f"4:flow/schedule/s/{time_text(time)}"
