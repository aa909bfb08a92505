"""The state machine: each transition is made on the server and in the model."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from flowforge.model.jobs.labels import INHERITED
from flowforge.store.transitions.claims import NextClaim
from flowforge.store.transitions.invocations import OUTPUTS
from tests.contract.choices import PLANS
from tests.contract.comparison import compare, ends_of
from tests.contract.controls import CONTROL, NUMBERS, some_unclaimed
from tests.contract.mends import ALL_JOBS
from tests.contract.passing import end_everything
from tests.contract.reference.jobs import ENDED, Job, Plan
from tests.contract.reference.model import MOST, Done
from tests.contract.reference.places import merging
from tests.contract.undoes import Undoes, is_compensation

JOBS = 3

OUTCOMES = st.sampled_from(["completed", "completed", "error_continued", "skipped"])
#: A job for a commit to start, more often none.
STARTED = st.none() | st.none() | PLANS
TIMES = st.integers(1, 4)
REPEATED = [
    "claim", "commit", "fail", "give_back", "claim", "commit", "fail", "stage", "submit", *CONTROL,
]  # fmt: skip


def some_leased(machine: Transitions) -> bool:
    return bool(machine.model.leases)


class Transitions(Undoes):
    """Runs each transition on both sides."""

    # --- transitions -------------------------------------------------------------------

    @initialize(drawn=PLANS)
    def first_job(self, drawn: Any) -> None:
        self.bench.store.hooks.declare("ops", b"")
        self.submit(drawn)

    @precondition(lambda self: self.model.submitted < JOBS)
    @rule(drawn=PLANS)
    def submit(self, drawn: Any) -> None:
        plan = self.plan(drawn)
        self.model.submit(plan)
        self.submission = self.request(plan)
        assert self.bench.send(self.submission, self.fields(plan)) == plan.id

    @precondition(some_unclaimed)
    @rule(data=st.data(), lost=st.sampled_from([False, False, True]), times=TIMES)
    def claim(self, data: st.DataObject, lost: bool, times: int) -> None:
        while times and some_unclaimed(self):
            self._claim(*self.unclaimed(data), self.new_token(), lost)
            times -= 1

    def _claim(self, job: Job, invocation: str, token: str, lost: bool) -> bool:
        with self.sending() as frames:
            for _ in range(frames):
                expected = self.model.claim(job, invocation, token, lost)
            answer = self.send_claim(job, invocation, token, self.moment(lost))
        if expected == "granted":
            self.compare_claim(job, invocation, answer)
        else:
            assert answer == expected
        return expected == "granted"

    @precondition(some_leased)
    @rule(data=st.data(), outcome=OUTCOMES, outputs=st.integers(0, 3))
    def commit(self, data: st.DataObject, outcome: str, outputs: int) -> None:
        job, invocation, token = self.leased(data)
        emission = self.emission(data, job, invocation)
        # In its own slot a handler consumes the deliveries up to its own.
        resets = (
            [merging(invocation)[1:]]
            if invocation.count(".") == 3 and data.draw(st.booleans())
            else []
        )
        self._commit(job, invocation, token, Done(outcome, emission, outputs, resets=resets))

    @precondition(lambda self: some_unclaimed(self) and self.model.submitted < ALL_JOBS)
    @rule(data=st.data(), drawn=PLANS)
    def start_a_job(self, data: st.DataObject, drawn: Any) -> None:
        """A handler starts another job, which may end at once."""
        (job, invocation), token = self.unclaimed(data), self.new_token()
        if self._claim(job, invocation, token, False):
            emitted = self.emission(data, job, invocation, most=1)
            self._commit(job, invocation, token, Done(emitted=emitted, jobs=self.to_start(drawn)))

    @precondition(some_unclaimed)
    @rule(data=st.data(), emits=st.booleans())
    def expect(self, data: st.DataObject, emits: bool) -> None:
        """A handler expects answers; what it expects already makes its job fail."""
        (job, invocation), token = self.unclaimed(data), self.new_token()
        if not self._claim(job, invocation, token, False) or job.undoes:
            return
        emitted = self.emission(data, job, invocation, most=1) if emits else []
        done = Done(emitted=emitted, expected=self.expectations(data, invocation))
        already = self.model.is_expected_already(job, [*done.expected])
        self._commit(job, invocation, token, done)
        if already and (job.id, invocation) in self.model.leases:
            self._fail(job, invocation, token, "stop", True)

    def to_start(self, drawn: Any) -> list[tuple[Plan, bytes]]:
        """Jobs for a commit to start, as far as there is room for more."""
        room = drawn is not None and self.model.submitted < ALL_JOBS
        if not room:
            return []
        plan = self.plan(drawn)
        return [(replace(plan, labels=plan.labels or INHERITED), self.new_record())]

    @precondition(lambda self: some_unclaimed(self) and self.model.submitted < ALL_JOBS)
    @rule(data=st.data(), drawn=PLANS, lost=st.booleans())
    def start_a_job_and_run_it(self, data: st.DataObject, drawn: Any, lost: bool) -> None:
        """On an idle fleet the commit that creates a job also claims its entry."""
        (job, invocation), token, then = self.unclaimed(data), self.new_token(), self.new_token()
        if not self._claim(job, invocation, token, False):
            return
        done = Done(jobs=self.to_start(drawn))
        lane = 2 * done.jobs[0][0].lane
        self.pop_all(lane)
        self._commit_and_follow(job, invocation, token, done, lane, then, lost)

    @precondition(lambda self: self.merging_leases())
    @rule(data=st.data())
    def view(self, data: st.DataObject) -> None:
        """An attempt at a delivery to a merging slot looks at the log."""
        job_id, invocation = data.draw(st.sampled_from(self.merging_leases()), "lease")
        job, token = self.model.jobs[job_id], self.model.leases[job_id, invocation].token
        assert self.bench.store.invocations.view(
            job_id, invocation, token, 1000
        ) == self.model.view(job, invocation, token)

    def merging_leases(self) -> list[tuple[str, str]]:
        return [member for member in sorted(self.model.leases) if member[1].count(".") == 3]

    def _commit(self, job: Job, invocation: str, token: str, done: Done) -> None:
        done = self.as_sent(job, invocation, done)
        effects = self.effects(job, invocation, token, done)
        with self.sending() as frames:
            expected = [self.model.commit(job, invocation, token, done) for _ in range(frames)]
            answer = self.send_commit(job, invocation, token, done, effects, None)
        assert answer == (expected[-1], None)
        self.note_commit(job, invocation, done, expected[0])

    @precondition(some_leased)
    @rule(data=st.data(), fold=st.sampled_from([1, 1, 20]), commits=st.booleans())
    def stage(self, data: st.DataObject, fold: int, commits: bool) -> None:
        """A large emission: part of it waits in the store, once however often it is sent."""
        job, invocation, token = self.leased(data)
        part = self.emission(data, job, invocation, least=1)
        part += self.items([(i.routine, i.slot, i.mode) for i in part] * (fold - 1))
        outputs = self.outputs(data.draw(st.integers(0, 3), "outputs"))
        for kind, items in (("", part), (OUTPUTS, outputs)):
            already = len(self.model.parts.get((job.id, invocation, token + kind), []))
            expected = (
                self.model.stage(job, invocation, token, items, already, kind) if items else "ok"
            )
            for _ in range(2 if items else 0):
                assert self._send_part(job, invocation, token, items, already, kind) == expected
        if commits:
            self._commit(
                job, invocation, token, Done(emitted=self.emission(data, job, invocation, most=1))
            )

    @precondition(some_leased)
    @rule(data=st.data(), longer_first=st.booleans())
    def stage_from_threads(self, data: st.DataObject, longer_first: bool) -> None:
        """Two threads of a handler stage what lies at the same place: one part is kept.

        The server takes one after the other, so that an order stands for every race. The second
        thread hears that what it goes on from is not there.
        """
        job, invocation, token = self.leased(data)
        short = self.emission(data, job, invocation, least=1)
        if not short:
            # Of a compensation, say: nothing is staged without an emission.
            return
        long = [*short, *self.items([(i.routine, i.slot, i.mode) for i in short])]
        already = len(self.model.parts.get((job.id, invocation, token), []))
        for part in (long, short) if longer_first else (short, long):
            expected = self.model.stage(job, invocation, token, part, already)
            assert self._send_part(job, invocation, token, part, already) == expected

    @precondition(lambda self: self.model.parts)
    @rule(data=st.data(), kept=st.booleans())
    def lose_staged(self, data: st.DataObject, kept: bool) -> None:
        """The server loses the last item that an attempt has staged, or has one too many."""
        attempt = data.draw(st.sampled_from(sorted(self.model.parts)), "attempt")
        key = self.bench.key("segment", "/".join(attempt))
        if attempt in self.model.damaged:
            return
        self.bench.link.call(*(("RPUSH", key, b"rubbish") if kept else ("RPOP", key)))
        self.model.damage(attempt, kept)

    def _send_part(
        self, job: Job, invocation: str, token: str, part: Any, already: int, kind: str = ""
    ) -> str:
        if kind == OUTPUTS:
            outputs = [item.record for item in part]
            return self.bench.store.invocations.stage_outputs(
                job.id, invocation, token, outputs, already
            )
        emitted = [item.sent for item in part]
        return self.bench.store.invocations.stage(job.id, invocation, token, emitted, already)

    @precondition(some_leased)
    @rule(
        data=st.data(), number=NUMBERS, lost=st.booleans(), again=st.booleans(),
        drawn=STARTED, idle=st.booleans(),
    )  # fmt: skip
    def commit_and_follow(
        self, data: st.DataObject, number: int, lost: bool, again: bool, drawn: Any, idle: bool
    ) -> None:
        """Going on with the next invocation; ``again``: the reply was lost; ``idle``: nothing
        waits but what the commit creates.
        """
        job, invocation, token = self.leased(data)
        jobs = self.to_start(drawn)
        if idle:
            self.pop_all(number)
        done = Done(emitted=self.emission(data, job, invocation), resets=[("1.0", -1)], jobs=jobs)
        self._commit_and_follow(job, invocation, token, done, number, self.new_token(), lost, again)

    def _commit_and_follow(
        self, job: Job, invocation: str, token: str, done: Done, number: int, then_token: str,
        lost: bool, again: bool = False,
    ) -> None:  # fmt: skip
        done = self.as_sent(job, invocation, done)
        effects = self.effects(job, invocation, token, done)
        # A commit of a job that has ended is taken to be undone, and hands out nothing; nor does
        # one that does not count, since the child job was retried meanwhile.
        goes_on, released = job.status not in ENDED, job.closed["released"]
        expected = self.model.commit(job, invocation, token, done)
        self.note_commit(job, invocation, done, expected)
        follows = goes_on and expected == "ok" and job.closed["released"] == released
        member = self.model.run_on(number, then_token, lost) if follows else None
        then = NextClaim(then_token, self.moment(lost), [self.lists[number]], 0.0)
        answer, granted = self.send_commit(job, invocation, token, done, effects, then)
        assert answer == expected, (answer, expected)
        assert (granted and (granted.job_id, granted.invocation)) == member
        if member is not None and granted is not None:
            self.compare_claim(self.model.jobs[member[0]], member[1], granted.claim)
        if again and follows and job.status not in ENDED:
            repeated = self.send_commit(job, invocation, token, done, effects, then)
            assert repeated == ("done", granted)

    @precondition(some_leased)
    @rule(
        data=st.data(), how=st.sampled_from(["stop", "retry", "stop", "release"]), due=st.booleans()
    )
    def fail(self, data: st.DataObject, how: str, due: bool) -> None:
        self._fail(*self.leased(data), how, due)

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), due=st.booleans())
    def fail_beside_others(self, data: st.DataObject, due: bool) -> None:
        """One handler fails its job while another one of it still runs, and then reports."""
        job = self.model.jobs[data.draw(st.sampled_from(self.busy()), "job")]
        (invocation, lease), (other, its) = [
            (member[1], lease) for member, lease in self.model.leases.items() if member[0] == job.id
        ][:2]
        self._fail(job, invocation, lease.token, "stop", due)
        how = data.draw(st.sampled_from(["commit", "retry", "stop"]), "how")
        if how == "commit":
            self._commit(job, other, its.token, Done(emitted=self.emission(data, job, other)))
        else:
            self._fail(job, other, its.token, how, due)

    def busy(self) -> list[str]:
        running = Counter(member[0] for member in self.model.leases)
        return [job_id for job_id, count in sorted(running.items()) if count > 1]

    def _fail(self, job: Job, invocation: str, token: str, how: str, due: bool) -> None:
        moment = self.moment(due)
        with self.sending() as frames:
            for _ in range(frames):
                expected = self._model_fail(job, invocation, token, how, due)
            if how == "retry":
                answer = self.bench.retry_later(job.id, invocation, token, moment)
            elif how == "release":
                answer = self.bench.release(job.id, invocation, token, moment, MOST)
            else:
                answer = self.bench.fail(job.id, invocation, token)
        assert answer == expected, (answer, expected)

    def _model_fail(self, job: Job, invocation: str, token: str, how: str, due: bool) -> str:
        if how == "stop":
            return self.model.stop(job, invocation, token)
        do = self.model.retry_later if how == "retry" else self.model.release
        return do(job, invocation, token, due)

    @precondition(some_unclaimed)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self._give_back(*self.unclaimed(data))

    def _give_back(self, job: Job, invocation: str) -> None:
        with self.sending() as frames:
            for _ in range(frames):
                expected = self.model.give_back(job, invocation, True)
            answer = self.bench.give_back(job.id, invocation, MOST, self.moment(True))
        assert answer == expected, (answer, expected)

    @rule(data=st.data(), what=st.sampled_from(REPEATED))
    def repeat(self, data: st.DataObject, what: str) -> None:
        """Something that was said before, or never: duplicates and stale tokens."""
        job, invocation, token = self.anything(data)
        if what in CONTROL:
            self._control(what, job)
        elif what == "submit":
            assert self.bench.send(self.submission, None) == self.submission.job_id
        elif what == "commit":
            self._commit(job, invocation, token, Done(emitted=self.items([(0, 0, "")]), outputs=1))
        elif what == "stage" and not is_compensation(invocation):
            part = self.items([(0, 0, "")])
            expected = self.model.stage(job, invocation, token, part, 0)
            assert self._send_part(job, invocation, token, part, 0) == expected
        elif what == "fail":
            how = data.draw(st.sampled_from(["retry", "release", "stop"]))
            self._fail(job, invocation, token, how, True)
        elif what == "give_back":
            self._give_back(job, invocation)
        else:
            self._claim(job, invocation, token, False)

    def teardown(self) -> None:
        """When all has ended and its time has passed, the server is as it was at first."""
        assert self.bench.store.hooks.forget("ops")
        left = end_everything(self.bench, self.model.jobs, self.lists)
        assert left == set(), sorted(left)

    # --- what must hold after each -------------------------------------------------------

    @invariant()
    def what_is_stored_is_what_the_model_says(self) -> None:
        self.agrees = False
        compare(self.bench, self.model, self.lists)
        self.agrees = True

    @invariant()
    def ended_jobs_stay_as_they_are(self) -> None:
        jobs = [job for job in self.model.jobs.values() if job.status in ENDED]
        for job, state in zip(jobs, ends_of(self.bench, jobs), strict=True):
            assert None not in state[:2], "no status, or no time of the end"
            assert self.frozen.setdefault(self.frozen_name(job), state) == state
