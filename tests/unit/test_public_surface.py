"""The public surface is frozen: a change here is a change of the contract with every user."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import flowforge
from flowforge import (
    ErrorHandler,
    ErrorStrategy,
    Flow,
    JobState,
    Output,
    Queue,
    Routine,
    Schedule,
    ScheduleState,
)
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.jobs.status import JobStatus, RoutineStatus

NAMES = {
    "Bulk",
    "Connection",
    "Debounce",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Expect",
    "Expectation",
    "Flow",
    "FlowForgeError",
    "HookEvent",
    "JobState",
    "Join",
    "Limit",
    "Limited",
    "Output",
    "Queue",
    "Routine",
    "Schedule",
    "ScheduleState",
    "Slot",
    "Ticket",
    "configure",
    "install",
    "on_event",
    "routine",
    "shutdown",
    "webhook",
}

#: Parameters as (name, default); a ``*`` where only keywords follow.
SIGNATURES: dict[Any, str] = {
    Flow: "flow_id=None, *, max_in_flight=None, keep_inputs=False, limit=None",
    Flow.add_routine: "self, routine, routine_id=None, *, queue=None",
    Flow.connect: (
        "self, source_routine_id, source_event, target_routine_id, target_slot, "
        "param_mapping=None, *, delay=None, limit=None"
    ),
    Flow.set_error_handler: "self, error_handler",
    Flow.execute: (
        "self, entry_routine_id, entry_params=None, *, idempotency_key=None, priority=None, "
        "max_in_flight=None, labels=None, delay=None, at=None, start_within=None, "
        "finish_within=None, debounce=None, single=None, when_running='skip', "
        "fair_key=None, weight=None"
    ),
    Flow.execute_many: (
        "self, entry_routine_id, entry_params, *, idempotency_keys=None, priority=None, "
        "max_in_flight=None, labels=None, delay=None, at=None, start_within=None, "
        "finish_within=None, debounce=None, single=None, when_running='skip', "
        "fair_key=None, weight=None"
    ),
    Flow.add_flow: "self, other, flow_id, *, entry=None",
    Flow.schedule: (
        "self, name, entry_routine_id, entry_params=None, *, cron=None, every=None, offset=0, "
        "timezone=None, overlap='skip', missed='latest', catch_up=86400, jitter=0, "
        "pause_on_failure=False, times=None, labels=None, priority=None, max_in_flight=None, "
        "start_within=None, finish_within=None, fair_key=None, weight=None"
    ),
    Schedule.save: "self, *, by=None",
    ScheduleState.get: "name",
    ScheduleState.all: "",
    ScheduleState.info: "self",
    ScheduleState.history: "self, limit=100",
    ScheduleState.next_times: "self, limit=10",
    ScheduleState.pause: "self, reason='', *, by=None",
    ScheduleState.resume: "self, reason='', *, by=None",
    ScheduleState.trigger: "self, *, overlap=None, by=None",
    ScheduleState.backfill: "self, start, end, *, overlap=None, by=None",
    ScheduleState.remove: "self",
    Flow.pause: "self, reason='', checkpoint=None, job_state=None",
    Flow.resume: "self, job_state=None",
    Flow.cancel: "self, reason='', job_state=None",
    Flow.serialize: "self",
    Flow.deserialize: "data",
    Routine.define_slot: (
        "self, name, handler, merge_strategy='override', *, secret=(), join=None, timeout=None, "
        "undo=None, limit=None"
    ),
    Routine.define_event: "self, name, output_params=None",
    Routine.get_slot: "self, name",
    Routine.get_event: "self, name",
    Routine.emit: "self, event, /, **params",
    Routine.emit_later: "self, event, delay, /, **params",
    Routine.expect: (
        "self, slot, within=None, otherwise=None, *, form=None, assign=(), key='', remind=None"
    ),
    Routine.expect_any: "self, answers, within=None, otherwise=None, *, remind=None",
    Routine.start: (
        "self, flow, entry_routine_id, entry_params=None, *, event=None, priority=None, "
        "max_in_flight=None, labels=None, start_within=None, finish_within=None, delay=None, "
        "detached=False, on_failure='stop'"
    ),
    Routine.set_config: "self, /, **values",
    Routine.get_config: "self, name, default=None",
    Routine.config: "self",
    Routine.set_stat: "self, name, value",
    Routine.get_stat: "self, name, default=None",
    Routine.increment_stat: "self, name, amount=1",
    Routine.stats: "self",
    Routine.reset_stats: "self",
    Routine.set_error_handler: "self, error_handler",
    Routine.set_as_critical: "self, max_retries=3, retry_delay=1.0, retry_backoff=2.0",
    Routine.set_as_optional: "self, strategy=<ErrorStrategy.CONTINUE: 'continue'>",
    Routine.slot_data: "self, name",
    Routine.reset_slot: "self, name",
    Routine.setup: "self",
    Routine.serialize: "self",
    Routine.deserialize: "data",
    ErrorHandler: (
        "strategy=<ErrorStrategy.STOP: 'stop'>, max_retries=3, retry_delay=1.0, "
        "retry_backoff=2.0, retryable_exceptions=(<class 'Exception'>,), is_critical=False, "
        "jitter=0.0, max_delay=None"
    ),
    JobState.get: "job_id",
    JobState.error_groups: "flow=None, since=None, limit=50",
    JobState.by_key: "flow_id, idempotency_key",
    JobState.find: (
        "status=None, limit=None, *, flow=None, labels=None, since=None, until=None, text=None, "
        "error=None, parent=None, cursor=None"
    ),
    JobState.label: "self, /, **changes",
    JobState.delete: "self",
    JobState.get_routine_state: "self, routine_id",
    JobState.update_routine_state: "self, routine_id, data",
    JobState.get_execution_history: "self, routine_id=None",
    JobState.logs: "self, routine_id=None, *, invocation=None, after=None",
    JobState.record_execution: "self, routine_id, event_name, data=None",
    JobState.wait: "self, timeout=None",
    JobState.result: "self, timeout=None",
    JobState.pause: "self, reason='', checkpoint=None, *, by=None",
    JobState.resume: "self, reason='', *, by=None",
    JobState.cancel: "self, reason='', *, undo=False, by=None",
    JobState.retry: (
        "self, edit=None, *, new_params=False, reason='', by=None, finish_within=None"
    ),
    JobState.edit: "self, invocation, params, *, replace=False, new_params=False, by=None",
    JobState.skip: "self, invocation, emit=(), *, new_params=False, by=None",
    JobState.run_now: "self, invocation, *, by=None",
    JobState.reschedule: "self, invocation=None, *, delay=None, at=None, by=None",
    JobState.start_now: "self, *, by=None",
    JobState.rerun: "self, params=None, *, definition='latest', new_params=False",
    JobState.deliver: ("self, routine_id, slot, params=None, *, by=None, delivery_id=None, key=''"),
    JobState.break_at: "self, routine_id, when=None, *, by=None",
    JobState.clear_break: "self, routine_id=None, *, by=None",
    JobState.step: "self, invocation=None, *, by=None",
    JobState.continue_: "self, routine_id=None, *, by=None",
    JobState.fork: "self, invocations, edit=None, *, labels=None, new_params=False, by=None",
    JobState.serialize: "self",
    JobState.deserialize: "data",
    JobState.save: "self, path",
    JobState.load: "path",
    Output: "invocation, routine_id, event, params",
    Queue: "name, engines=None",
    Queue.pause: "self, reason='', *, by=None",
    Queue.resume: "self",
    flowforge.configure: "**settings",
    flowforge.install: "app, *, exclusive=False, **settings",
    flowforge.shutdown: "",
    flowforge.on_event: "*events, flow=None, name=None, timeout=10.0",
    flowforge.webhook: ("name, url, *, secret, events=(), flow=None, timeout=10.0, insecure=False"),
}

#: Read-only attributes of the contract.
PROPERTIES = {
    JobState: {
        "flow_id", "status", "reason", "error", "routine_states", "pause_points", "created_at",
        "updated_at", "outputs", "labels", "params",
    },
    Routine: {"job", "job_id", "attempt", "checkpoint", "cancelled"},
}  # fmt: skip


def signature(found: Any) -> str:
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in inspect.signature(found).parameters.values()
    ]
    return str(inspect.Signature(parameters)).removeprefix("(").removesuffix(")")


def test_the_public_names_are_these() -> None:
    """Nothing becomes public by accident, and nothing public goes away."""
    assert set(flowforge.__all__) == NAMES
    assert len(flowforge.__all__) == len(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_exists_and_has_a_docstring(name: str) -> None:
    """What ``from flowforge import *`` gives is there and says what it is."""
    assert inspect.getdoc(getattr(flowforge, name))


def test_the_job_of_a_handler_has_all_that_a_job_state_has() -> None:
    """Its type is a protocol, since routines know no engine: what finds jobs is left out."""
    members = dict(inspect.getmembers_static(JobState))
    finders = {name for name, value in members.items() if isinstance(value, classmethod)}
    shown = {"job_id", *(name for name in members if not name.startswith("_"))} - finders
    assert {name for name in vars(JobHandle) if not name.startswith("_")} == shown
    for name in shown:
        if inspect.isfunction(promised := vars(JobHandle)[name]):
            assert signature(promised) == signature(getattr(JobState, name))


@pytest.mark.parametrize(
    ("found", "expected"),
    [pytest.param(k, v, id=k.__qualname__) for k, v in SIGNATURES.items()],
)
def test_a_signature_of_the_contract_is_as_written(found: Any, expected: str) -> None:
    """Parameters, their order, their defaults and which are keyword-only do not change."""
    assert signature(found) == expected


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        pytest.param(c, n, id=f"{c.__name__}.{n}")
        for c, ns in PROPERTIES.items()
        for n in sorted(ns)
    ],
)
def test_a_property_of_the_contract_is_one(cls: type, name: str) -> None:
    """State is read as attributes, and cannot be assigned."""
    found = inspect.getattr_static(cls, name)
    assert isinstance(found, property)
    assert found.fset is None


def test_the_strategies_are_these() -> None:
    """Strategies are given by enum or by these names."""
    assert {s.name: s.value for s in ErrorStrategy} == {
        "STOP": "stop",
        "CONTINUE": "continue",
        "RETRY": "retry",
        "SKIP": "skip",
    }
    assert ErrorHandler(strategy="RETRY").strategy is ErrorStrategy.RETRY


def test_a_jobs_and_a_routines_statuses_are_these() -> None:
    """Producers compare with these words."""
    assert list(RoutineStatus) == [
        "pending", "running", "completed", "failed", "error_continued", "skipped",
    ]  # fmt: skip
    assert set(JobStatus) == {
        "pending", "running", "paused", "completed", "failed", "cancelled",
    }  # fmt: skip


def test_a_handle_has_its_id_as_a_plain_attribute() -> None:
    """``job_id`` needs no store."""
    assert "job_id" in inspect.signature(JobState).parameters
