"""A wide flow under fault: staged emissions, a sub-flow, every kind of join, started jobs.

spread ─ item ─▶ inner/double ─ doubled ─┬▶ parcels   (a join of every so many)
(staged)         (sub-flow)              └▶ groups ─ group ─┬▶ total    (a join of all)
                                           (a join a group) └▶ starter ─ grown ─▶ family
                                                               (a job each)      (a join of all)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowforge import Flow, Join
from tests.chaos.harness.flows import Noting

#: The module that workers import.
MODULE = __name__

#: Items of one parcel, and messages of one job in the broker: far fewer than it has items.
PARCEL = 25
WINDOW = 40


class Spread(Noting):
    """Emits more than fits into one commit."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.spread)
        self.define_event("item", ["i", "group"])
        self.define_event("seen", ["i"])

    def spread(self, size: int, groups: int) -> None:
        self.enter()
        for i in range(size):
            self.emit("item", i=i, group=i % groups)
            # To nobody: an output, staged as well.
            self.emit("seen", i=i)
        self.leave()


class Double(Noting):
    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.double)
        self.define_event("doubled", ["i", "group"])

    def double(self, i: int, group: int) -> None:
        self.enter()
        self.increment_stat("doubled")
        self.emit("doubled", i=2 * i, group=group)
        self.leave()


class Parcels(Noting):
    """One parcel for every ``PARCEL`` items, whichever they are."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.pack, join=Join.count(PARCEL))
        self.define_event("packed", ["n"])

    def pack(self, items: Sequence[Any]) -> None:
        self.enter()
        self.emit("packed", n=len(list(items)))
        self.leave()


class Groups(Noting):
    """One call for each group, with all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.close, join=Join.each("group"))
        self.define_event("group", ["group", "total"])

    def close(self, group: int, items: Sequence[Any]) -> None:
        self.enter()
        self.emit("group", group=group, total=sum(item["i"] for item in items))
        self.leave()


class Total(Noting):
    """Once, when every group is there."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("groups", handler=self.add_up, join=Join.all())
        self.define_event("sum", ["total"])

    def add_up(self, items: Sequence[Any]) -> None:
        self.enter()
        self.emit("sum", total=sum(item["total"] for item in items))
        self.leave()


class Starter(Noting):
    """Starts a job for each group, and hears of its end in an invocation of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.begin)
        self.define_event("grown", ["job_id", "outputs"])

    def begin(self, group: int, total: int) -> None:
        self.enter()
        self.start(LEAF, "leaf", {"n": total}, event="grown")
        self.leave()

    def _child_ended(self, job_id: str, event: str, goes_on: bool = False) -> None:
        self.enter()
        super()._child_ended(job_id, event, goes_on)
        self.leave()


class Leaf(Noting):
    """All that a started job does."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.grow)
        self.define_event("leaf", ["n"])

    def grow(self, n: int) -> None:
        self.enter()
        self.emit("leaf", n=n)
        self.leave()


class Family(Noting):
    """Once, when every started job has completed."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("jobs", handler=self.gather, join=Join.all())
        self.define_event("leaves", ["total"])

    def gather(self, items: Sequence[Any]) -> None:
        self.enter()
        outputs = [output for item in items for output in item["outputs"]]
        self.emit("leaves", total=sum(output["params"]["n"] for output in outputs))
        self.leave()


def _leaf_flow() -> Flow:
    flow = Flow("chaos-leaf")
    flow.add_routine(Leaf(), "leaf")
    return flow


def _wide_flow() -> Flow:
    inner = Flow("chaos-inner")
    inner.add_routine(Double(), "double")
    flow = Flow("chaos-wide", max_in_flight=WINDOW)
    flow.add_routine(Spread(), "spread")
    flow.add_flow(inner, "inner")
    flow.add_routine(Parcels(), "parcels")
    flow.add_routine(Groups(), "groups")
    flow.add_routine(Total(), "total")
    flow.add_routine(Starter(), "starter")
    flow.add_routine(Family(), "family")
    flow.connect("spread", "item", "inner", "input")
    flow.connect("inner", "doubled", "parcels", "items")
    flow.connect("inner", "doubled", "groups", "items")
    flow.connect("groups", "group", "total", "groups")
    flow.connect("groups", "group", "starter", "input")
    flow.connect("starter", "grown", "family", "jobs")
    return flow


LEAF = _leaf_flow()
WIDE = _wide_flow()


@dataclass(frozen=True)
class Wide:
    """A job of `size` items, a multiple of ``PARCEL``, in `groups`, and what comes of it."""

    size: int
    groups: int

    flow = WIDE
    entry = "spread"

    @property
    def invocations(self) -> int:
        return sum(self.commits().values())

    @property
    def params(self) -> dict[str, int]:
        return {"size": self.size, "groups": self.groups}

    def commits(self) -> Counter[str]:
        """Commits by routine; a starter commits once more for each of its jobs."""
        parcels = self.size // PARCEL
        return Counter(
            {
                "spread": 1, "inner/double": self.size, "parcels": parcels, "groups": self.groups,
                "total": 1, "starter": 2 * self.groups, "family": 1,
            }
        )  # fmt: skip

    def outputs(self) -> Counter[tuple[str, int]]:
        """Outputs by routine and value."""
        total = self.size * (self.size - 1)
        seen = {("spread", i): 1 for i in range(self.size)}
        return Counter(
            {
                ("parcels", PARCEL): self.size // PARCEL, ("total", total): 1,
                ("family", total): 1, **seen,
            }
        )  # fmt: skip

    def stats(self) -> dict[tuple[str, str], int]:
        """Stats by routine and name."""
        return {("inner/double", "doubled"): self.size}
