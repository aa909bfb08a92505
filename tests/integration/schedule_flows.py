"""A schedule that a module declares: workers that import it save it."""

from __future__ import annotations

from typing import Any

from flowforge import Flow, Routine


class Report(Routine):
    """Emits the time for which its job was started."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.tell)
        self.define_event("output")

    def tell(self, region: str = "eu") -> None:
        at = self.scheduled_at
        found: dict[str, Any] = {"region": region, "at": None if at is None else at.isoformat()}
        self.emit("output", **found)


def report() -> Flow:
    """A flow of its own each time."""
    flow = Flow("report")
    flow.add_routine(Report(), "report")
    return flow


nightly = report().schedule(
    "nightly", "report", {"region": "ch"}, cron="30 2 * * *", timezone="Europe/Zurich",
    labels={"tenant": "acme"},
)  # fmt: skip
