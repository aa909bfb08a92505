"""The routines that run under fault. Each is deterministic, so that what must have run is known."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from flowforge import Flow, Routine
from flowforge.execution.attempt import Attempt
from tests.chaos.harness.ledger import note

#: The module that workers import.
MODULE = __name__

#: Every so manyth node also reports to the gatherer.
NOTED = 8


class Noting(Routine):
    """Writes start and end of its handler to the ledger."""

    def enter(self) -> None:
        self._note("start")

    def leave(self) -> None:
        self._note("end")

    def _note(self, kind: Any) -> None:
        running = self._invocation
        assert isinstance(running, Attempt), "a handler runs"
        note(kind, running.job_id, running.number, running.attempt_number, running.routine.id)


class Node(Noting):
    """One node of a tree in heap order: node i has the children branch*i+1 ... branch*i+branch.

    Its commit leaves evidence of four kinds: history, children, an output and a stat.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.grow)
        self.define_event("child", ["i", "size", "branch", "micros"])
        self.define_event("noted", ["i"])
        self.define_event("done", ["i"])

    def grow(self, i: int, size: int, branch: int, micros: int) -> None:
        self.enter()
        if micros:
            time.sleep(micros / 1e6)
        first = branch * i + 1
        for k in range(first, min(first + branch, size)):
            self.emit("child", i=k, size=size, branch=branch, micros=micros)
        if i % NOTED == 0:
            self.emit("noted", i=i)
        self.increment_stat("grown")
        self.emit("done", i=i)
        self.leave()


class Gather(Noting):
    """Collects notes in a merging slot: its handlers see the lengths 1 to N, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.gather, merge_strategy="append")
        self.define_event("length", ["n"])

    def gather(self, i: list[int]) -> None:
        self.enter()
        self.emit("length", n=len(i))
        self.leave()


class Shape(Protocol):
    """What a job is like, and what must be found after it."""

    @property
    def flow(self) -> Flow: ...

    @property
    def entry(self) -> str: ...

    @property
    def params(self) -> dict[str, int]: ...

    @property
    def invocations(self) -> int: ...

    def commits(self) -> Counter[str]: ...

    def outputs(self) -> Counter[tuple[str, int]]: ...

    def stats(self) -> dict[tuple[str, str], int]: ...


@dataclass(frozen=True)
class Tree:
    """A job of `size` nodes and what must be found after it. ``micros``: each handler's sleep.

    A branch of 1 makes a chain.
    """

    size: int
    branch: int = 4
    micros: int = 0

    @property
    def notes(self) -> int:
        return (self.size + NOTED - 1) // NOTED

    @property
    def invocations(self) -> int:
        return self.size + self.notes

    @property
    def params(self) -> dict[str, int]:
        return {"i": 0, "size": self.size, "branch": self.branch, "micros": self.micros}

    @property
    def flow(self) -> Flow:
        return TREE

    @property
    def entry(self) -> str:
        return "node"

    def commits(self) -> Counter[str]:
        """Commits by routine."""
        return Counter({"node": self.size, "gather": self.notes})

    def outputs(self) -> Counter[tuple[str, int]]:
        """Outputs by routine and value."""
        nodes = {("node", i): 1 for i in range(self.size)}
        return Counter(nodes | {("gather", n + 1): 1 for n in range(self.notes)})

    def stats(self) -> dict[tuple[str, str], int]:
        """Stats by routine and name."""
        return {("node", "grown"): self.size}


def tree_flow() -> Flow:
    """The flow of :class:`Tree` jobs, the same in every process."""
    flow = Flow("chaos-tree")
    flow.add_routine(Node(), "node")
    flow.add_routine(Gather(), "gather")
    flow.connect("node", "child", "node", "input")
    flow.connect("node", "noted", "gather", "input")
    return flow


TREE = tree_flow()
