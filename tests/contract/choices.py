"""What the state machine chooses from, and how it says it to the store."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from flowforge.codec.binary import pack_record
from flowforge.execution.effects import AS_OUTPUTS, Effects
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.server.link import Argument, Link
from flowforge.store.transitions.claims import Claim, NextClaim
from tests.contract.bench import (
    DETAILS,
    LONG,
    Bench,
    Fields,
    Request,
    passed_over,
    record,
    started,
)
from tests.contract.reference.ending import OUTPUT_LIMIT
from tests.contract.reference.flow import JOINING, PLAIN, Emitted, emitted_by, fields
from tests.contract.reference.jobs import Expected, Item, Job, Plan
from tests.contract.reference.model import Done, Model
from tests.contract.reference.places import AHEAD

#: Milliseconds between two leases or timers that are due already: more than a test takes, so that
#: the order in which they are handled is the order in which they were made.
APART = 1_000_000

#: What kombu appends to the lists of the lower priority.
SUFFIX = "\x06\x163"

#: The last one is a join that can never be filled: such a job ends when it is submitted.
_ENTRIES: dict[str, list[Emitted]] = {
    PLAIN: [(0, 0, ""), (1, 0, "m")],
    JOINING: [*[(0, 0, "")] * 5, *[(1, 0, "m")] * 2, (5, 0, "j0:"), (3, 0, "j0:"), (4, 1, "j2:")],
}
PLANS = st.sampled_from([PLAIN, JOINING, JOINING]).flatmap(
    lambda flow: st.tuples(
        st.just(flow),
        st.sampled_from(_ENTRIES[flow]),
        st.sampled_from([1, 2, 3, 4, 100, 100]),
        st.sampled_from([0, 0, 1]),
        st.sampled_from(["", "", "a=1", "a=1\nb=2"]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([False, False, True]),
        st.sampled_from(["", "", "1 a", "2 b"]),
        st.sampled_from([False, False, True]),
    )
)


def expected_arguments(one: Expected) -> tuple[Argument, ...]:
    """What a commit is given of an answer that it expects."""
    place, _, key = one.field.partition("/")
    within = LONG if one.timed else 0
    return (
        int(place.split(".")[1]), key, within, 0, one.first, one.last, int(bool(one.otherwise)),
        one.otherwise, one.mode, "", "", "", "", "r", "r.s", pack_record({"key": key}), b"",
    )  # fmt: skip


class Choices(RuleBasedStateMachine):
    """The two sides, and draws from what there is."""

    link: ClassVar[Link]
    #: Whether all jobs can be undone.
    all_undoable: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.link, None, f"m{secrets.token_hex(6)}")
        self.lists = [
            name + suffix
            for suffix in ("", SUFFIX)
            for name in (self.bench.list, self.bench.other_list)
        ]
        for name in self.lists:
            self.link.call("HSET", self.bench.key("sequences"), name, AHEAD)
        self.model = Model()
        #: Whether what is stored was found to be what the model says, last time.
        self.agrees = False
        self.reply_is_lost = False
        self._frames = 1
        scripts = self.bench.store.scripts
        self._send_once = scripts.run
        scripts.run = self._send  # type: ignore[method-assign]
        self.tokens = 0
        self.moments = 0
        self.records = 0

    # --- sending -------------------------------------------------------------------------

    @contextmanager
    def sending(self) -> Iterator[int]:
        """How often each frame is sent meanwhile; the last reply is the one that arrives."""
        self._frames = 2 if self.reply_is_lost else 1
        self.reply_is_lost = False
        try:
            yield self._frames
        finally:
            self._frames = 1

    def _send(self, script: str, *arguments: Argument) -> Any:
        for _ in range(self._frames - 1):
            self._send_once(script, *arguments)
        return self._send_once(script, *arguments)

    # --- making --------------------------------------------------------------------------

    def moment(self, past: bool) -> int:
        """Milliseconds from now: long ago, later than the last such moment, or far ahead."""
        self.moments += 1
        return (self.moments - 1000) * APART if past else LONG

    def new_token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def new_record(self) -> bytes:
        """A record that no other invocation has."""
        self.records += 1
        return record(0, n=self.records)

    def items(self, emitted: Sequence[Emitted]) -> list[Item]:
        return [Item(r, s, mode, self.new_record()) for r, s, mode in emitted]

    def plan(self, drawn: Any) -> Plan:
        flow, entry, max_in_flight, lane, labels, later, deadlines, fair, undoable = drawn
        return Plan(
            self.new_id(),
            flow,
            replace(self.items([entry])[0], later=later),
            max_in_flight,
            lane,
            labels,
            deadlines,
            fair,
            undoable or self.all_undoable,
        )

    def new_id(self) -> str:
        """Its octal digits leave the others to the jobs that undo jobs."""
        return f"j{self.model.submitted + 1:o}"

    # --- choosing ------------------------------------------------------------------------

    def jobs(self, *statuses: str) -> list[str]:
        jobs = self.model.jobs.values()
        return [job.id for job in jobs if not statuses or job.status in statuses]

    def some_job(self, data: st.DataObject, *statuses: str) -> Job:
        return self.model.jobs[data.draw(st.sampled_from(self.jobs(*statuses)), "job")]

    def all_unclaimed(self) -> list[tuple[str, str]]:
        return [member for places in self.model.unclaimed for member in sorted(places)]

    def unclaimed(self, data: st.DataObject) -> tuple[Job, str]:
        job_id, invocation = data.draw(st.sampled_from(self.all_unclaimed()), "unclaimed")
        return self.model.jobs[job_id], invocation

    def leased(self, data: st.DataObject) -> tuple[Job, str, str]:
        job_id, invocation = data.draw(st.sampled_from(sorted(self.model.leases)), "lease")
        return self.model.jobs[job_id], invocation, self.model.leases[job_id, invocation].token

    def anything(self, data: st.DataObject) -> tuple[Job, str, str]:
        """Any invocation there ever was, with any token there ever was."""
        job = self.some_job(data)
        invocation = data.draw(st.sampled_from(job.invocations or ["1.0.0"]), "invocation")
        return job, invocation, f"t{data.draw(st.integers(0, self.tokens), 'token')}"

    def emission(
        self, data: st.DataObject, job: Job, invocation: str, least: int = 0, most: int = 3
    ) -> list[Item]:
        """What an invocation may emit."""
        allowed = emitted_by(job.plan.flow, invocation)
        if not allowed:
            return []
        drawn = data.draw(st.lists(st.sampled_from(allowed), min_size=least, max_size=most), "emit")
        later = data.draw(st.sampled_from([(), (), (), (0,), (1,), (0, 1, 2)]), "put off")
        emitter = int(invocation.split(".")[1])
        return [
            replace(item, later=place in later, emitter=emitter)
            for place, item in enumerate(self.items(drawn))
        ]

    def outputs(self, number: int) -> list[Item]:
        """Emissions that go to nobody, to be staged."""
        return [Item(AS_OUTPUTS, 0, "", b"o")] * number

    # --- saying it to the store ----------------------------------------------------------

    def request(self, plan: Plan) -> Request:
        return self.bench.submission(
            job_id=plan.id, definition=plan.flow, max_in_flight=plan.max_in_flight,
            output_limit=OUTPUT_LIMIT,
            priority=3 * plan.lane, suffix=SUFFIX if plan.lane else "", routine=plan.entry.routine,
            slot=plan.entry.slot, mode=plan.entry.sent_mode, record=plan.entry.record,
            flow_id=plan.flow, labels=plan.labels,
            deadlines=f"{LONG} {LONG}" if plan.deadlines else "", fair=plan.fair,
        )  # fmt: skip

    def fields(self, plan: Plan) -> Fields:
        return fields(plan.flow, (self.bench.list, self.bench.other_list))

    def effects(self, job: Job, invocation: str, token: str, done: Done) -> Effects:
        """What a worker collects of a handler."""
        # An attempt that has failed commits nothing of what it emitted.
        parts = self.model.parts_of(job, invocation, token) if done.outcome == "completed" else []
        staged = Counter(item.routine for part in parts for item in part)
        resets = list(done.resets)
        about = job.uncommitted.get(invocation, b"")
        if about.startswith(b"J"):
            resets.append(("", int(about[1:].split(b" ")[0])))
        return Effects(
            [item.sent for item in done.emitted],
            outputs=[b"o"] * done.outputs,
            resets=resets,
            started_jobs=[
                started(self.request(plan), self.fields(plan), waiter) for plan, waiter in done.jobs
            ],
            staged=dict(staged),
            expected=[expected_arguments(one) for one in done.expected],
            undo=None if done.undo is None else (int(done.undo[0].split(".")[1]), done.undo[1]),
        )

    def send_commit(
        self,
        job: Job,
        invocation: str,
        token: str,
        done: Done,
        effects: Effects,
        then: NextClaim | None,
    ) -> Any:
        return self.bench.store.invocations.commit(
            job.id, invocation, token, AttemptOutcome(done.outcome), 5, DETAILS, effects, then,
            passed_over(done.outcome),
        )  # fmt: skip

    def compare_claim(self, job: Job, invocation: str, claim: Any) -> None:
        assert isinstance(claim, Claim), claim
        attempts = job.attempts[invocation]
        assert (claim.claims, claim.lost) == (attempts.claims, attempts.lost)
        assert claim.record == job.uncommitted[invocation]
        assert claim.definition == job.plan.flow
