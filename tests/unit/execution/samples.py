"""A flow for tests of single attempts, and a context that stands for the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from flowforge.codec.binary import encode_payload, invocation_record, traced_record
from flowforge.errors import StoreUnavailableError
from flowforge.execution.attempt import Attempt
from flowforge.execution.effects import Emitted
from flowforge.execution.handler_context import ChildJob
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.flow import FlowGraph
from flowforge.model.invocation_id import InvocationName
from flowforge.model.plan import Plan, PlannedSlot
from flowforge.model.routine import Routine
from flowforge.model.times.deadlines import Deadlines
from flowforge.model.times.start import Start

LIMIT = 10_000


class Context:
    """Answers what a handler asks of its worker."""

    def __init__(self) -> None:
        self.staged: list[Emitted] = []
        self.outputs: list[bytes] = []
        #: Calls that take effect and are reported as failed.
        self.replies_lost = 0
        #: What attempts were given further, in milliseconds.
        self.extended: list[int] = []
        #: Whether the job still runs when it is asked for.
        self.running = True
        #: Whether the address of the dashboard is set.
        self.linked = True
        #: How often it was asked.
        self.asked = 0
        #: What the history knows of other invocations.
        self.emitted: dict[int, list[str]] = {}

    def runs(self, job_id: str) -> bool:
        self.asked += 1
        return self.running

    def scheduled_at(self, job_id: str) -> datetime | None:
        return datetime(2026, 11, 27, 1, 30, tzinfo=UTC)

    def checkpoint(self, job_id: str) -> Any:
        return {"checkpoint of": job_id}

    def slot_data(self, attempt: Attempt, slot: PlannedSlot) -> dict[str, Any]:
        return {"slot": slot.name}

    def job(self, job_id: str) -> Any:
        return f"handle of {job_id}"

    def stage(self, attempt: Attempt, emitted: Sequence[Emitted], already: int) -> None:
        self._keep(self.staged, emitted, already)

    def stage_outputs(self, attempt: Attempt, outputs: Sequence[bytes], already: int) -> None:
        self._keep(self.outputs, outputs, already)

    def _keep(self, there: list[Any], part: Sequence[Any], already: int) -> None:
        """As the store does."""
        if len(there) == already:
            there.extend(part)
        assert there[already:] == list(part), "a part that was sent again is the same"
        if self.replies_lost:
            self.replies_lost -= 1
            raise StoreUnavailableError

    def child_job(
        self,
        flow: Any,
        entry_routine_id: str,
        params: dict[str, Any] | None,
        priority: int | None,
        max_in_flight: int | None,
        labels: Mapping[str, str] | None,
        deadlines: Deadlines,
        start: Start | None,
        trace: bytes,
    ) -> ChildJob:
        options = [repr(one) for one in (priority, max_in_flight, labels)]
        options += [deadlines.text()] if any(deadlines) else []
        options += [] if start is None else [repr(start)]
        options += [repr(trace)] if trace else []
        given = [flow, entry_routine_id, repr(params), *options]
        return ChildJob("child-1", ["d1", *given], ["json", "{}"])

    def extend(self, attempt: Attempt, ms: int) -> None:
        self.extended.append(ms)

    def answer_url(self, job_id: str, token: str) -> str | None:
        return f"https://flows.example.org/answer/{job_id}/{token}" if self.linked else None

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        return [{"outputs of": job_id}]

    def emissions_of(self, job_id: str, number: int) -> list[str]:
        return self.emitted.get(number, [])


class Worker(Routine):
    """Does what each test tells its instance's class to do."""

    #: Called with the bound routine and the params.
    action: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.work)
        self.define_slot("card", self.work, secret=["number", "pin"])
        self.define_slot("merged", self.work, merge_strategy="append")
        self.define_slot("strict", self.strict)
        self.define_slot("whole", self.whole)
        self.define_event("done")
        self.define_event("split")
        self.define_event("result")

    def work(self, **params: Any) -> object:
        returned: object = type(self).action(self, params)
        return returned

    def strict(self, order_id: str, amount: int, note: str = "") -> None:
        type(self).action(self, {"order_id": order_id, "amount": amount, "note": note})

    def whole(self, data: dict[str, Any]) -> None:
        type(self).action(self, data)


class Sink(Routine):
    """Receives what a Worker emits."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("plain", self.take)
        self.define_slot("merging", self.take, merge_strategy="append")

    def take(self, **params: Any) -> None: ...


def make_plan(handler: ErrorHandler | None = None) -> Plan:
    """``worker.done -> sink.plain``; ``worker.split`` to both slots, the second one mapped."""
    flow = FlowGraph("orders")
    flow.add_routine(Worker(), "worker")
    flow.add_routine(Sink(), "sink")
    flow.connect("worker", "done", "sink", "plain")
    flow.connect("worker", "split", "sink", "plain")
    flow.connect("worker", "split", "sink", "merging", param_mapping={"id": "order_id"})
    flow.connect("worker", "split", "worker", "strict")
    flow.set_error_handler(handler)
    return Plan(flow.definition())


def make_attempt(
    slot: str = "input",
    params: dict[str, Any] | None = None,
    handler: ErrorHandler | None = None,
    *,
    attempt_number: int = 1,
    emitter: int = 2,
    plan: Plan | None = None,
    context: Context | None = None,
    asked: float | None = None,
    cls: type[Attempt] = Attempt,
    trace: bytes = b"",
) -> Attempt:
    """An attempt at one slot of the worker, as number 7 of job ``j1``; ``asked``: None for now.

    ``trace``: the packed context that its record carries.
    """
    plan = plan or make_plan(handler)
    routine = plan.routine(0)
    planned = next(s for s in routine.slots if s.name == slot)
    params = {} if params is None else params
    raw = invocation_record(emitter, encode_payload(params, 10**9, "test"))
    raw = traced_record(raw, trace)
    named = InvocationName(7, 0, planned.index, 3 if planned.merges else 0)
    return cls(
        routine, planned, "j1", str(named), named, "t1", attempt_number, params, raw, LIMIT,
        context or Context(), perf_counter() if asked is None else asked,
    )  # fmt: skip
