"""The part of the state machine that controls jobs and does the upkeep."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.model.jobs.bulk import refusal_text
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.bulks import Bulks
from flowforge.store.fleet_reads.finding import Finder, Query
from flowforge.store.transitions.bulks import NewBulk
from flowforge.store.transitions.log_lines import Line
from tests.contract.bench import LONG
from tests.contract.choices import Choices
from tests.contract.reference.flow import JOINING, PLAIN
from tests.contract.reference.jobs import Job
from tests.contract.reference.model import MOST

NUMBERS = st.sampled_from([0, 0, 1, 2, 3])
CONTROL = ["pause", "resume", "retry", "cancel"]


def some_unclaimed(machine: Choices) -> bool:
    return any(machine.model.unclaimed)


class Controls(Choices):
    """Makes these transitions on both sides."""

    def __init__(self) -> None:
        super().__init__()
        #: What is stored of ended jobs, which must not change.
        self.frozen: dict[str, tuple[Any, ...]] = {}
        #: The latest batch of log lines.
        self.batch = 0
        #: The latest bulk operation.
        self.operations = 0

    def frozen_name(self, job: Job) -> str:
        """An ended job that is undone changes once more with each of these."""
        more = (job.history[kind] for kind in ("undo", "undo_ended", "completed"))
        return "/".join(map(str, (job.id, job.retries, *more)))

    def thaw(self, job: Job) -> None:
        """What is stored of an ended job changes with the next transition."""
        self.frozen.pop(self.frozen_name(job), None)

    @precondition(lambda self: not self.reply_is_lost)
    @rule()
    def lose_the_next_reply(self) -> None:
        """The link sends the same frame again when it does not hear of the first."""
        self.reply_is_lost = True

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def keep_a_line(self, data: st.DataObject) -> None:
        """Of a handler of some job, whatever has become of it."""
        job = self.model.jobs[data.draw(st.sampled_from(sorted(self.model.jobs)), "job")]
        job.lines += 1
        self.batch += 1
        lines = [Line(job.id, "1.0.0", b"line")]
        with self.sending() as frames:
            kept = self.bench.store.log_lines.keep("w", self.batch, 1000, lines)
        assert kept == (1 if frames == 1 else 0)

    # --- control -------------------------------------------------------------------------

    @precondition(lambda self: self.jobs("pending", "running"))
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        self._control("pause", self.some_job(data, "pending", "running"))

    @precondition(lambda self: self.jobs("paused"))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self._control("resume", self.some_job(data, "paused"))

    @precondition(lambda self: self.worth_a_retry())
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.worth_a_retry()), "job")
        self._control("retry", self.model.jobs[job_id])

    def worth_a_retry(self) -> list[str]:
        """Failed jobs that would not fail again at once, for a join that nothing can fill.

        One of which the last compensation was skipped goes on with those that are left.
        """
        failed = [self.model.jobs[job_id] for job_id in self.jobs("failed")]
        return [job.id for job in failed if (job.uncommitted or job.compensations) and not job.undo]

    @precondition(lambda self: self.broken_lineages())
    @rule(data=st.data(), between=st.booleans())
    def retry_a_family(self, data: st.DataObject, between: bool) -> None:
        """All of it, in any order; ``between``: the upkeep comes between two."""
        eldest = data.draw(st.sampled_from(self.broken_lineages()), "lineage")
        members = [job.id for job in self.model.jobs.values() if eldest in self.line_of(job)]
        for job_id in data.draw(st.permutations(members), "order"):
            self._control("retry", self.model.jobs[job_id])
            if between:
                self.release_due()

    def line_of(self, job: Job) -> list[str]:
        """The job and its ancestors."""
        line = [job.id]
        while job.parent is not None:
            job = self.model.jobs[job.parent[0]]
            line.append(job.id)
        return line

    def broken_lineages(self) -> list[str]:
        """Failed jobs without an ancestor, with children that have failed."""
        children = [job for job in self.model.jobs.values() if job.parent is not None]
        eldest = {self.line_of(job)[-1] for job in children if job.status == "failed"}
        return [job_id for job_id in self.jobs("failed") if job_id in eldest]

    @precondition(lambda self: self.parents())
    @rule(data=st.data(), verb=st.sampled_from(["pause", "pause", *CONTROL]))
    def control_a_parent(self, data: st.DataObject, verb: str) -> None:
        """What happens to a job reaches those that it has started."""
        job = self.model.jobs[data.draw(st.sampled_from(self.parents()), "parent")]
        self._control(verb, job)

    def parents(self) -> list[str]:
        return [job.id for job in self.model.jobs.values() if job.children]

    def _control(self, verb: str, job: Job) -> None:
        expected = getattr(self.model, verb)(job)
        # One that is sent again is known by its number: it is made once.
        with self.sending():
            if verb == "pause":
                answer = self.bench.pause(job.id)
            elif verb == "cancel":
                answer = self.bench.store.control.cancel(job.id, "")
            else:
                answer = getattr(self.bench.store.control, verb)(job.id)
        assert answer == expected
        if (verb, answer) == ("retry", "ok"):
            self.thaw(job)

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), verb=st.sampled_from(CONTROL))
    def control_many(self, data: st.DataObject, verb: str) -> None:
        """A bulk operation on jobs in any order: each takes it or is refused, as by itself."""
        known = sorted(self.model.jobs)
        jobs = data.draw(st.lists(st.sampled_from(known), unique=True, min_size=1), "jobs")
        if verb == "retry":
            worth = self.worth_a_retry()
            jobs = [one for one in jobs if self.model.jobs[one].status != "failed" or one in worth]
        expected = [self._expect(verb, self.model.jobs[job_id]) for job_id in jobs]
        self.operations += 1
        bulk_id, bulks = f"b{self.operations}", self.bench.store.bulks
        with self.sending():
            # The last one is acted on first.
            assert bulks.collect(bulk_id, 0, jobs[::-1]) == len(jobs)
        with self.sending():
            new = NewBulk(verb, "kim", "look", None, "", {})
            assert bulks.start(bulk_id, len(jobs), new) == "ok"
        left = len(jobs)
        while left:
            with self.sending():
                left = bulks.step(bulk_id).left
        found = Bulks(self.bench.store).find(bulk_id)
        assert found is not None
        assert (found.progress.status, found.progress.left) == ("done", 0)
        refused = Counter(refusal_text(answer) for answer in expected if answer != "ok")
        assert Counter({r.reason: r.count for r in found.progress.refusals}) == refused

    def _expect(self, verb: str, job: Job) -> str:
        """What the model answers; a job that is paused is not paused again by many."""
        if (verb, job.status) == ("pause", "paused"):
            return "paused"
        answer: str = getattr(self.model, verb)(job)
        if (verb, answer) == ("retry", "ok"):
            self.thaw(job)
        return answer

    @precondition(lambda self: self.jobs("pending", "running", "paused"))
    @rule(data=st.data())
    def delete_what_goes_on(self, data: st.DataObject) -> None:
        """It is refused."""
        job = self.some_job(data, "pending", "running", "paused")
        assert self.bench.store.control.delete(job.id) == job.status

    @rule(data=st.data(), name=st.sampled_from("ab"), value=st.sampled_from(["", "1", "2"]))
    def label(self, data: st.DataObject, name: str, value: str) -> None:
        """Also a job that has ended."""
        job = self.some_job(data)
        self.model.label(job, name, value)
        with self.sending():
            assert self.bench.store.control.label(job.id, {name: value}) == "ok"

    @rule(
        status=st.none() | st.sampled_from(list(JobStatus)),
        flow=st.none() | st.sampled_from([PLAIN, JOINING]),
        labels=st.sampled_from([{}, {"a": "1"}, {"a": "1", "b": "2"}]),
    )
    def find(self, status: str | None, flow: str | None, labels: dict[str, str]) -> None:
        """Jobs are found by what they are."""
        found = Finder(self.bench.store).find(Query(flow, status, labels), 2)
        assert {one.job_id for one in found} == {
            job.id
            for job in self.model.jobs.values()
            if status in (None, job.status)
            and flow in (None, job.flow)
            and labels.items() <= job.labels.items()
        }

    # --- upkeep --------------------------------------------------------------------------

    @precondition(lambda self: self.patient())
    @rule(data=st.data())
    def be_late(self, data: st.DataObject) -> None:
        """The time of an open join passes."""
        timer = data.draw(st.sampled_from(self.patient()), "timer")
        self.bench.continued_long_ago(job.id for job in self.model.pass_time(timer))

    def patient(self) -> list[tuple[str, ...]]:
        """Timers of joins that are not due; those of collections that have fired as well."""
        return [t for t, due in self.model.timers.items() if t[1] == "join" and not due]

    @precondition(lambda self: self.put_off())
    @rule(data=st.data())
    def come_due(self, data: st.DataObject) -> None:
        """The time passes of an invocation that was put off, or rescheduled."""
        timer = data.draw(st.sampled_from(self.put_off()), "timer")
        # Behind those that are due already.
        del self.model.timers[timer]
        self.model.timers[timer] = True
        self._set_timer(timer, self.bench.now() + self.moment(True))

    def put_off(self) -> list[tuple[str, ...]]:
        """Timers of invocations that are not due."""
        return [t for t, due in self.model.timers.items() if "." in t[1] and not due]

    @precondition(lambda self: any(self.model.timers.values()))
    @rule()
    def release_due(self) -> None:
        for timer, due in self.model.timers.items():
            if "." not in timer[1] and not due:
                self._set_timer(timer, self.bench.now() + LONG)
        for timer in self.model.due_in_order():
            if timer[1] == "expect":
                # What is delivered then may change a job that has failed.
                job = self.model.jobs[timer[0]]
                self.thaw(job)
        for place, timer in enumerate(self.model.due_in_order(), start=1):
            if "." not in timer[1]:
                self._set_timer(timer, place)
        assert self.bench.store.upkeep.release_due(1000) == self.model.release_due()

    def _set_timer(self, timer: tuple[str, ...], moment: int) -> None:
        self.bench.link.call("ZADD", self.bench.key("timers"), "XX", moment, "/".join(timer))

    @precondition(lambda self: any(lease.expired for lease in self.model.leases.values()))
    @rule()
    def reclaim(self) -> None:
        assert self.bench.reclaim(MOST, 1000) == self.model.reclaim()

    @precondition(some_unclaimed)
    @rule(data=st.data(), outdated=st.sampled_from([False, False, True]))
    def resend(self, data: st.DataObject, outdated: bool) -> None:
        """With the push numbers of now, or with those of an earlier look."""
        number = next(n for n, places in enumerate(self.model.unclaimed) if places)
        known = sorted(self.model.unclaimed[number].items())
        lost = data.draw(st.lists(st.sampled_from(known), unique=True, min_size=1), "lost")
        lost = [(member, push - outdated) for member, push in lost]
        expected = self.model.resend(number, lost)
        members = [("/".join(member).encode(), push) for member, push in lost]
        assert self.bench.store.upkeep.resend(self.lists[number], members).counts == expected

    @precondition(lambda self: any(self.model.lists))
    @rule(number=NUMBERS)
    def pop(self, number: int) -> None:
        self.model.pop(number)
        self.bench.link.call("RPOP", self.lists[number])

    def pop_all(self, number: int) -> None:
        while self.model.lists[number]:
            self.pop(number)
