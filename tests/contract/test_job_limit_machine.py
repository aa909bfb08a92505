"""Any sequence of transitions of jobs with limits of their flows, against a model in Python."""

from __future__ import annotations

import secrets
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flowforge.model.limit import LimitSettings
from flowforge.store.server.link import ServerLink
from tests.contract.bench import Bench
from tests.contract.limit_work import declare, submit_whole
from tests.contract.reference.job_limits import JobLimits
from tests.contract.reference.limits import LIVE

KEYS = ("a", "b", "c")
JOBS = 10


class JobPlaces(RuleBasedStateMachine):
    """Runs each transition on both sides."""

    link: ClassVar[ServerLink]

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.link, None, f"t{secrets.token_hex(6)}")
        self.model = JobLimits(KEYS)
        self.tokens = 0
        #: job/invocation -> token of its lease.
        self.leases: dict[str, str] = {}
        for key in KEYS:
            declare(self.bench, key, running=1)

    # --- transitions -------------------------------------------------------------------

    @precondition(lambda self: len(self.model.jobs) < JOBS)
    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1).map(sorted), number=st.integers(1, 3))
    def submit(self, keys: list[str], number: int) -> None:
        for _ in range(number):
            job = f"j{len(self.model.jobs)}"
            self.model.submit(job, keys)
            submit_whole(self.bench, *keys, job_id=job)

    @precondition(lambda self: self.unclaimed())
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.unclaimed()), "message")
        job, invocation = name.split("/")
        if self.model.jobs[job].status not in LIVE:
            return
        self.tokens += 1
        self.leases[name] = f"t{self.tokens}"
        self.model.start(job)
        self.bench.start(job, invocation, f"t{self.tokens}")

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), how=st.sampled_from(["end", "end", "go on", "fail"]))
    def end(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.leases)), "lease")
        (job, invocation), token = name.split("/"), self.leases.pop(name)
        if how == "fail":
            assert self.model.fail(job) == self.bench.fail(job, invocation, token)
            return
        emitted = [(1, 0, "")] * (how == "go on")
        expected = self.model.commit(job, len(emitted))
        assert self.bench.commit(job, invocation, token, emitted=emitted) == expected

    @precondition(lambda self: self.having(*LIVE))
    @rule(data=st.data(), how=st.sampled_from(["pause", "pause", "cancel"]))
    def halt(self, data: st.DataObject, how: str) -> None:
        job = data.draw(st.sampled_from(self.having(*LIVE)), "job")
        if how == "pause":
            self.model.pause(job)
            self.bench.pause(job)
        else:
            self.model.cancel(job)
            self.bench.store.control.cancel(job, "")

    @precondition(lambda self: self.having("paused", "failed"))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.having("paused", "failed")), "job")
        control = self.bench.store.control
        resume = self.model.jobs[job].status == "paused"
        self.model.go_on(job)
        assert (control.resume if resume else control.retry)(job) == "ok"

    @rule(key=st.sampled_from(KEYS), most=st.integers(0, 3))
    def set(self, key: str, most: int) -> None:
        self.model.set(key, most)
        self.bench.store.limits.set(key, LimitSettings(running=most))
        self.bench.store.limits.let_in([key])

    @rule()
    def look(self) -> None:
        """The upkeep looks at all keys: nothing is lost; and at jobs that were let in."""
        keys = list(self.bench.members("limit_keys"))
        for key in keys:
            self.link.call("ZADD", self.bench.key("limit_keys"), 0, key)
        self.model.hand_on(sorted(keys))
        _, lost = self.bench.store.limits.look(100, 300_000)
        assert lost == 0
        self.bench.store.upkeep.release_due(100)

    def having(self, *statuses: str) -> list[str]:
        return [name for name, job in self.model.jobs.items() if job.status in statuses]

    def unclaimed(self) -> list[str]:
        found = sorted(self.bench.unclaimed(self.bench.list))
        return [name for name in found if self.model.jobs[name.partition("/")[0]].status in LIVE]

    # --- what must hold ----------------------------------------------------------------

    @invariant()
    def both_are_alike(self) -> None:
        """Who has places, who waits where and in which order, and who is held."""
        kept = self.bench.hash("limit_promises")
        for key, line in self.model.lines.items():
            having = {f"{job}/0.0.0/" for job in line.having}
            assert set(self.bench.members("limit_places", key)) == having
            waiting = sorted(line.waiting, key=line.waiting.__getitem__)
            found = list(self.bench.members("limit_waiters", key))
            assert found == [f"{job}/0.0.0" for job in waiting]
            promise = kept[key].decode().split(" ")[1:] if key in kept else None
            wanted = None if line.kept is None else [f"{line.kept[1]}/0.0.0", line.kept[2]]
            assert promise == wanted
        for name, job in self.model.jobs.items():
            row = self.bench.row(name)
            assert (row["status"], "held" in row) == (job.status, job.held), name
            if job.held:
                assert row["queued"] == "0"
                waits = any(name in line.waiting for line in self.model.lines.values())
                assert int(row["at_limits"]) == waits

    def teardown(self) -> None:
        """With room for all, all that may go on ends, and nothing is left at any key."""
        for job in self.having("paused", "failed"):
            control = self.bench.store.control
            resume = self.model.jobs[job].status == "paused"
            self.model.go_on(job)
            (control.resume if resume else control.retry)(job)
        for key in KEYS:
            self.set(key, 1)
        for _ in range(200):
            self.bench.store.upkeep.release_due(100)
            for name, token in list(self.leases.items()):
                job, invocation = name.split("/")
                del self.leases[name]
                expected = self.model.commit(job, 0)
                assert self.bench.commit(job, invocation, token) == expected
            if not self.unclaimed():
                break
            name = self.unclaimed()[0]
            job, invocation = name.split("/")
            self.tokens += 1
            self.leases[name] = f"t{self.tokens}"
            self.model.start(job)
            self.bench.start(job, invocation, f"t{self.tokens}")
        self.both_are_alike()
        assert self.having(*LIVE) == []
        assert not any(line.having or line.waiting for line in self.model.lines.values())


@pytest.mark.timeout(300)
def test_any_sequence_of_transitions_of_jobs_with_limits(real: ServerLink) -> None:
    """Scripts and model agree on who has a place, who waits where, and in which order."""
    JobPlaces.link = real
    run_state_machine_as_test(
        JobPlaces,
        settings=settings(
            max_examples=40, stateful_step_count=40, deadline=None, derandomize=True,
            print_blob=True, report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
