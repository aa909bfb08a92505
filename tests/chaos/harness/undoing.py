"""Trees whose nodes can be undone, and what must hold of how they were."""

from __future__ import annotations

import time

from flowforge import Flow
from flowforge.engine.engine import Engine
from flowforge.model.job_handle import HistoryEntry
from flowforge.model.slot import UNDO_SLOT
from tests.chaos.harness.flows import Noting


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
