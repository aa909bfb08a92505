"""Trees whose nodes can be undone, and what must hold of how they were."""

from __future__ import annotations

import time

from flowforge import Flow
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.slot import UNDO_SLOT
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Noting
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually


class Step(Noting):
    """A node of a tree as ``Node`` has it; the last one fails its job if it is to."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.do, undo=self.undo)
        self.define_event("child", ["i", "size", "micros", "fails"])

    def do(self, i: int, size: int, micros: int, fails: bool) -> None:
        self.enter()
        time.sleep(micros / 1e6)
        if fails and i == size - 1:
            raise ValueError("the last one fails")
        self.undo_with(done=i)
        for child in (2 * i + 1, 2 * i + 2):
            if child < size:
                self.emit("child", i=child, size=size, micros=micros, fails=fails)
        self.leave()

    def undo(self, done: int, micros: int) -> None:
        self.enter()
        time.sleep(micros / 1e6)
        self.leave()


def undo_flow() -> Flow:
    flow = Flow("chaos-undo")
    flow.add_routine(Step(), "step")
    flow.connect("step", "child", "step", "input")
    return flow


def is_undone(engine: Engine, job_id: str) -> bool:
    """Whether the job has ended and all is undone."""
    undo = engine.inspector.undo(job_id)
    return undo is not None and undo.status in ("done", "nothing")


def wrongly_undone(engine: Engine, job_id: str) -> list[str]:
    """What does not hold: each committed node is undone once, the latest first."""
    inspector = engine.inspector
    committed = _committed(list(inspector.history(job_id)), "i")
    undo = inspector.undo(job_id)
    if undo is None or (undo.job_id is None and committed):
        return [f"{len(committed)} nodes of job {job_id} are not undone"]
    if undo.job_id is None:
        return []
    undone = _committed(list(inspector.history(undo.job_id)), "done")
    if undone == committed[::-1]:
        return []
    return [f"job {job_id} has committed {committed} and undone {undone}"]


def _committed(entries: list[HistoryEntry], name: str) -> list[int]:
    return [one.details["params"][name] for one in entries if one.kind == "completed"]


def compensations(engine: Engine, job_id: str) -> int:
    """Compensations that were committed for a job."""
    undo = engine.inspector.undo(job_id)
    if undo is None or undo.job_id is None:
        return 0
    entries = list(engine.inspector.history(undo.job_id))
    return sum(one.kind == "completed" and UNDO_SLOT in str(one.slot) for one in entries)


class UndoneJobs:
    """Jobs of a site that fail, or are cancelled, and are undone."""

    #: Nodes of a tree, and the sleep of each handler.
    _SIZE, _MICROS = 40, 2000

    def __init__(self, site: Site) -> None:
        self._site = site
        self._jobs: list[str] = []

    def submit(self, count: int, *, cancel: bool = False) -> None:
        """So many that fail by themselves; ``cancel``: and one that is cancelled as it begins."""
        for place in range(count + cancel):
            fails = place < count
            params = {"i": 0, "size": self._SIZE, "micros": self._MICROS, "fails": fails}
            self._jobs.append(self._site.engine.submit(JobTemplate(undo_flow(), "step"), params))
        if cancel:
            self._site.engine.cancel(self._jobs[-1], "the round", undo=True)

    def verify(self, arena: Arena, limit: float = 60.0) -> None:
        """Each that the server still knows has ended, and is undone as it should be."""
        engine = self._site.engine
        link, keys = engine.store.link, engine.store.keys
        known = [one for one in self._jobs if link.call("EXISTS", keys.of("job", one))]
        eventually(lambda: all(self._is_settled(one) for one in known), limit)
        undone = [one for one in known if engine.inspector.status(one) != "completed"]
        for job_id in undone:
            for what in wrongly_undone(engine, job_id):
                arena.violate(f"I2 {what}")
        arena.figures["jobs undone"] = len(undone)

    def _is_settled(self, job_id: str) -> bool:
        # The cancel may have been lost with the log.
        completed = self._site.engine.inspector.status(job_id) == "completed"
        return completed or is_undone(self._site.engine, job_id)
