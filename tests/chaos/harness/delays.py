"""Trees whose deliveries are put off, and what must hold of when their handlers start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowforge import Flow
from flowforge.model.jobs.job_handle import HistoryEntry
from tests.chaos.harness.flows import Gather, Node, Tree
from tests.chaos.harness.ledger import Line

#: Milliseconds by which the connections of these trees put off, to nodes and to their merging slot.
NODE_MS, NOTE_MS = 300, 150

#: The ledger has nanoseconds; the store cuts its times to milliseconds.
_NS_IN_MS = 1e6
_CUT = 1


def _later_flow() -> Flow:
    flow = Flow("chaos-delays")
    flow.add_routine(Node(), "node")
    flow.add_routine(Gather(), "gather")
    flow.connect("node", "child", "node", "input", delay=NODE_MS / 1000)
    flow.connect("node", "noted", "gather", "input", delay=NOTE_MS / 1000)
    return flow


_FLOW = _later_flow()


@dataclass(frozen=True)
class LaterTree(Tree):
    """A tree in which each node comes some time after the one above it."""

    @property
    def flow(self) -> Flow:
        return _FLOW


def early_starts(
    history: Iterable[HistoryEntry], lines: Iterable[Line], tree: Tree, due_ms: float
) -> list[str]:
    """Handlers that started before their time. ``due_ms``: when the job was to start."""
    starts: dict[int, float] = {}
    for line in lines:
        if line.kind == "start":
            at = line.at / _NS_IN_MS
            starts[line.number] = min(at, starts.get(line.number, at))
    nodes, notes = {}, list[int]()
    for entry in history:
        if entry.kind != "completed" or entry.invocation is None:
            continue
        if entry.routine_id == "node":
            nodes[entry.details["params"]["i"]] = entry
        else:
            notes.append(entry.invocation)
    wrong = []
    for i, entry in nodes.items():
        assert entry.invocation is not None
        above = nodes.get((i - 1) // tree.branch) if i else None
        due = due_ms if above is None else above.at.timestamp() * 1000 + NODE_MS
        if starts[entry.invocation] < due - _CUT:
            wrong.append(f"node {i} started {due - starts[entry.invocation]:.0f} ms early")
    earliest = min(entry.at.timestamp() * 1000 for entry in nodes.values()) + NOTE_MS
    wrong += [f"gather {n} started early" for n in notes if starts[n] < earliest - _CUT]
    return wrong
