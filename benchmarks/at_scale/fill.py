"""Many jobs of several flows and statuses, and one with many invocations, made by the real scripts.

No worker runs: what one would send is sent here, so that statuses, history, counters, error groups
and indexes are those of a fleet.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from flowforge import Flow, JobState, Routine, routine
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.current import current_engine
from flowforge.execution.effects import Effects
from flowforge.model.jobs.error_group import ErrorSample, group_id
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import Claim
from flowforge.store.transitions.invocations import Invocations

FLOWS = [Flow(f"flow-{number}") for number in range(10)]

#: How many of a hundred jobs get each status; the others stay pending.
SHARES = {"completed": 30, "failed": 5, "cancelled": 3, "paused": 2, "running": 2}

#: Of so many jobs one has the label ``rare``.
RARE = 10_000

#: Causes of failures in each flow.
CAUSES = 20

#: Invocations that one commit of the large job emits.
WIDTH = 500

#: Attempts of a thousand invocations of the large job that are made: they complete, raise and go
#: on, or are put off.
ATTEMPTS = {AttemptOutcome.COMPLETED: 24, AttemptOutcome.ERROR_CONTINUED: 3, "timer": 3}

#: Invocations of the large job that run.
RUNNING = 50

_LEASE_MS = 24 * 3600 * 1000
_TOKEN = "100-abc-1"


@routine
def step(order: int) -> None:
    """It is never run."""


class Split(Routine):
    """One invocation of it emits a part of the large job."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.split)
        self.define_event("part", ["n"])
        self.define_event("item", ["n"])

    def split(self, n: int) -> None:
        """It is never run."""


class Item(Routine):
    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.charge)

    def charge(self, n: int) -> None:
        """It is never run."""


class Filled(NamedTuple):
    """``large``: the large job, ``waiting`` an invocation of it on a timer. ``failed``: a job."""

    large: JobState
    waiting: int
    failed: JobState


def fill(jobs: int, invocations: int) -> Filled:
    """So many jobs with three labels, and one job of so many invocations."""
    chooser = random.Random(7)
    failed: JobState | None = None
    for flow in FLOWS:
        flow.add_routine(step, "step")
        for job in _submitted(flow, jobs // len(FLOWS), chooser):
            status = _status(chooser)
            _bring(job, status, chooser)
            failed = job if status == "failed" else failed
    large, waiting = _large(invocations)
    assert failed is not None, "some jobs fail"
    return Filled(large, waiting, failed)


def _submitted(flow: Flow, number: int, chooser: random.Random) -> list[JobState]:
    params = [{"order": place} for place in range(number)]
    labels = [
        {
            "tenant": f"t{chooser.randrange(1000)}",
            "stage": chooser.choice(["new", "paid", "sent"]),
            "rare": "yes" if place % RARE == 0 else "no",
        }
        for place in range(number)
    ]
    return flow.execute_many("step", params, labels=labels)


def _status(chooser: random.Random) -> str:
    place = chooser.randrange(100)
    for status, share in SHARES.items():
        place -= share
        if place < 0:
            return status
    return "pending"


def _bring(job: JobState, status: str, chooser: random.Random) -> None:
    """What makes a job that was submitted one of this status."""
    store = current_engine().each[0].store
    if status == "cancelled":
        store.control.cancel(job.job_id, f"order {job.job_id} was withdrawn", "kim")
    elif status == "paused":
        store.control.pause(job.job_id, "the bank is closed", None, False, "kim")
    elif status != "pending":
        _claim(store.invocations, job.job_id, "1.0.0")
    if status == "completed":
        details = pack_record("worker", 1, 5, {}, None, None)
        store.invocations.commit(
            job.job_id, "1.0.0", _TOKEN, AttemptOutcome.COMPLETED, 5, details, Effects()
        )
    elif status == "failed":
        sample = _sample(job.flow_id, "step", chooser.randrange(CAUSES))
        error = [sample.type, sample.message, "a traceback", "shop.py:7 in step"]
        details = pack_record("worker", 1, 5, {}, None, error)
        problem = pack_record({"type": sample.type, "message": sample.message})
        reason = f"step.input: {sample.type}: {sample.message}"
        store.invocations.fail(
            job.job_id, "1.0.0", _TOKEN, 5, details, reason, problem, sample
        )  # fmt: skip


def _sample(flow_id: str, routine_id: str, cause: int) -> ErrorSample:
    kind = f"shop.Error{cause}"
    group = group_id(flow_id, routine_id, kind, "shop.step")
    return ErrorSample(group, routine_id, kind, "shop.step", f"no. {cause} broke")


def _claim(invocations: Invocations, job_id: str, name: str) -> None:
    claim = invocations.claim(job_id, name, _TOKEN, _LEASE_MS)
    assert isinstance(claim, Claim), (job_id, name, claim)


def _large(number: int) -> tuple[JobState, int]:
    """A job that fans out twice. The number of an invocation that is on a timer at the end."""
    flow = Flow("large", max_in_flight=1000)
    flow.add_routine(Split(), "split")
    flow.add_routine(Item(), "item")
    flow.connect("split", "part", "split", "input")
    flow.connect("split", "item", "item", "input")
    job = flow.execute("split", {"n": number}, labels={"large": "yes"})
    parts = number // WIDTH
    _emit(job, 1, 0, parts)
    for part in range(parts):
        _emit(job, 2 + part, 1, WIDTH)
    return job, _work(job, 2 + parts, number // 1000)


def _emit(job: JobState, number: int, routine_index: int, count: int) -> None:
    """The commit of an invocation of ``split`` that emits so many to a routine."""
    invocations = current_engine().each[0].store.invocations
    name = f"{number}.0.0"
    _claim(invocations, job.job_id, name)
    emitted = [
        (routine_index, 0, "", invocation_record(number, packb({"n": place})))
        for place in range(count)
    ]
    details = pack_record("worker", 1, 5, {}, None, None)
    invocations.commit(
        job.job_id, name, _TOKEN, AttemptOutcome.COMPLETED, 5, details, Effects(emitted=emitted)
    )


def _work(job: JobState, number: int, thousands: int) -> int:
    """Some attempts of items, from this number on."""
    invocations = current_engine().each[0].store.invocations
    for outcome, count in ATTEMPTS.items():
        for place in range(count * thousands):
            name = f"{number}.1.0"
            _claim(invocations, job.job_id, name)
            _attempt(job, name, outcome, place)
            number += 1
    waiting = number - 1
    for _ in range(RUNNING):
        _claim(invocations, job.job_id, f"{number}.1.0")
        number += 1
    return waiting


def _attempt(job: JobState, name: str, outcome: AttemptOutcome | str, place: int) -> None:
    invocations = current_engine().each[0].store.invocations
    if outcome is AttemptOutcome.COMPLETED:
        details = pack_record("worker", 1, 5, {}, None, None)
        answer, _ = invocations.commit(job.job_id, name, _TOKEN, outcome, 5, details, Effects())
        assert answer is Answer.OK, answer
        return
    sample = _sample("large", "item", place % CAUSES)
    error = [sample.type, sample.message, "a traceback", "shop.py:7 in item"]
    details = pack_record("worker", 1, 5, {}, None, error)
    if isinstance(outcome, AttemptOutcome):
        invocations.commit(
            job.job_id, name, _TOKEN, outcome, 5, details, Effects(), sample=sample
        )  # fmt: skip
    else:
        delay = 24 * 3600 * 1000
        invocations.retry_later(job.job_id, name, _TOKEN, delay, 5, details, sample)
