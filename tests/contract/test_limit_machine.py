"""Any sequence of transitions at limits: the scripts on a real server against a model in Python."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

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
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench
from tests.contract.limit_work import at, declare
from tests.contract.reference.limits import LIVE, Limits, Line

KEYS = ("a", "b", "c")
JOBS = 12

#: Slots to which all deliveries count at the same keys, which the definition has.
FIXED = {("a",): (0, 1), ("a", "b"): (1, 1)}

ANY_KEYS = st.sets(st.sampled_from(KEYS), min_size=1).map(sorted)


def _delivery(slot: tuple[int, int], keys: list[str], fixed: bool) -> tuple[int, int, str]:
    """Routine, slot and mode of a delivery that counts at these keys: of a slot that has them for
    all, if there is one and it is to be, else with the delivery.
    """
    if fixed and (found := FIXED.get(tuple(keys))):
        return *found, ""
    return *slot, at(*keys)


class Places(RuleBasedStateMachine):
    """Runs each transition on both sides."""

    link: ClassVar[ServerLink]

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.link, None, f"t{secrets.token_hex(6)}")
        self.model = Limits()
        self.tokens = 0
        self.held: dict[str, str] = {}
        for key in KEYS:
            declare(self.bench, key, running=1)
            self.model.lines[key] = Line()

    # --- transitions -------------------------------------------------------------------

    @precondition(lambda self: len(self.model.status) < JOBS)
    @rule(keys=ANY_KEYS, number=st.integers(1, 3), fixed=st.booleans())
    def submit(self, keys: list[str], number: int, fixed: bool) -> None:
        routine, slot, mode = _delivery((0, 0), keys, fixed)
        for _ in range(number):
            job_id = f"j{len(self.model.status)}"
            request = self.bench.submission(
                job_id=job_id, routine=routine, slot=slot, mode=mode, entry=f"r{routine}.s{slot}"
            )
            self.model.submit(request.job_id, f"1.{routine}.{slot}", keys)
            fixed_keys = {f"l{r}.{s}": "\n".join(keys) for keys, (r, s) in FIXED.items()}
            assert self.bench.send(request, {**self.bench.fields(), **fixed_keys, "uses": "l"})

    @precondition(lambda self: self.model.unclaimed)
    @rule(data=st.data(), times=st.integers(1, 3))
    def claim(self, data: st.DataObject, times: int) -> None:
        while times and self.model.unclaimed:
            times -= 1
            name = data.draw(st.sampled_from(self.model.unclaimed), "message")
            self.tokens += 1
            token, (job, invocation) = f"t{self.tokens}", name.split("/")
            expected, answer = self.model.claim(name), None
            for _ in range(2):
                answer = self.bench.claim(job, invocation, token)
                if expected != "granted":
                    break
            if expected == "granted":
                self.held[name] = token
                assert not isinstance(answer, str), answer
            else:
                assert answer == {"limited": Answer.LIMITED}.get(expected, expected)

    @precondition(lambda self: self.model.leases)
    @rule(data=st.data(), how=st.sampled_from(["commit", "commit", "retry", "fail", "lose"]))
    def end(self, data: st.DataObject, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.leases)), "lease")
        (job, invocation), token = name.split("/"), self.held.pop(name)
        if how == "commit":
            self._commit(data, name, job, invocation, token)
        elif how == "retry":
            expected = self.model.retry_at_once(name)
            assert self.bench.retry_later(job, invocation, token) == expected
            self.bench.store.upkeep.release_due(10)
        elif how == "fail":
            assert self.model.fail(name) == self.bench.fail(job, invocation, token)
        else:
            self.model.lose(name)
            leases = self.bench.key("leases")
            self.link.call("ZADD", leases, 1, f"{name}/{token}")
            self.bench.reclaim(100, 10)

    def _commit(
        self, data: st.DataObject, name: str, job: str, invocation: str, token: str
    ) -> None:
        emitted: list[Any] = []
        last = int(self.bench.row(job)["last"])
        model = []
        for number in range(data.draw(st.integers(0, 2), "emissions")):
            keys = data.draw(ANY_KEYS, "keys")
            routine, slot, mode = _delivery((1, 0), keys, data.draw(st.booleans(), "fixed"))
            emitted.append((routine, slot, mode))
            model.append((f"{last + number + 1}.{routine}.{slot}", keys))
        expected = self.model.commit(name, model)
        assert self.bench.commit(job, invocation, token, emitted=emitted) == expected

    @precondition(lambda self: self.jobs(*LIVE))
    @rule(data=st.data(), how=st.sampled_from(["pause", "pause", "cancel"]))
    def halt(self, data: st.DataObject, how: str) -> None:
        job = data.draw(st.sampled_from(self.jobs(*LIVE)), "job")
        if how == "pause":
            self.model.pause(job)
            self.bench.pause(job)
        else:
            self.model.cancel(job)
            self.bench.store.control.cancel(job, "")

    @precondition(lambda self: self.jobs("paused", "failed"))
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.jobs("paused", "failed")), "job")
        resume = self.model.status[job] == "paused"
        self.model.go_on(job)
        (self.bench.store.control.resume if resume else self.bench.store.control.retry)(job)

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        """A person ends an invocation that waits."""
        name = data.draw(st.sampled_from(self.waiting()), "waiter")
        self.model.skip(name)
        job, invocation = name.split("/")
        assert self.bench.skip(job, invocation) == "ok"

    @rule(key=st.sampled_from(KEYS), most=st.integers(0, 3))
    def set(self, key: str, most: int) -> None:
        self.model.set(key, most)
        self.bench.store.limits.set(key, LimitSettings(running=most))
        self.bench.store.limits.let_in([key])

    @rule()
    def look(self) -> None:
        """The upkeep looks at all keys."""
        keys = list(self.bench.members("limit_keys"))
        for key in keys:
            self.link.call("ZADD", self.bench.key("limit_keys"), 0, key)
        self.model.look(sorted(keys))
        self.bench.store.limits.look(100, 300_000)

    def jobs(self, *statuses: str) -> list[str]:
        return [job for job, status in self.model.status.items() if status in statuses]

    def waiting(self) -> list[str]:
        found = {name for line in self.model.lines.values() for name in line.waiting}
        live = (*LIVE, "paused")
        return sorted(name for name in found if self.model.status[name.partition("/")[0]] in live)

    # --- what must hold ----------------------------------------------------------------

    @invariant()
    def both_are_alike(self) -> None:
        """Places, lines, and for what places are kept; each invocation is in one place."""
        leases = {member.rpartition("/")[0] for member in self.bench.members("leases")}
        assert leases == self.model.leases
        kept = self.bench.hash("limit_promises")
        for key, line in self.model.lines.items():
            scores = self.bench.members("limit_places", key)
            running = {name for name, score in scores.items() if score > 0}
            assert {name.rpartition("/")[0] for name in running} == line.running
            assert running <= set(self.bench.members("leases")), "a place that is no lease"
            assert {name for name, score in scores.items() if score < 0} == line.messages
            waiting = sorted(line.waiting, key=line.waiting.__getitem__)
            assert list(self.bench.members("limit_waiters", key)) == waiting
            found = kept[key].decode().split(" ")[1:] if key in kept else None
            assert found == (None if line.kept is None else list(line.kept[1:]))
        for job, status in self.model.status.items():
            self._compare_job(job, status)

    def _compare_job(self, job: str, status: str) -> None:
        row = self.bench.row(job)
        assert row["status"] == status
        lines = self.model.lines.values()
        waiting = [name for line in lines for name in line.waiting if name.startswith(f"{job}/")]
        if status in ("completed", "cancelled"):
            return
        assert int(row["at_limits"]) == len(waiting)
        own = [name for name in self.model.work if name.startswith(f"{job}/")]
        numbered = {name.split("/")[1] for name in own if self.model.work[name].number is not None}
        stored = self.bench.hash("limited", job)
        assert {field[1:] for field in stored if field.startswith("n")} == numbered
        # The keys are read beside the number.
        assert all(stored[name].decode() for name in numbered)
        for name in own:
            places = [
                name in self.model.unclaimed, name in self.model.leases, name in waiting,
                name in self.model.parked[job],
            ]  # fmt: skip
            assert sum(places) == 1, (name, places)

    def teardown(self) -> None:
        """With room for all, all that may go on ends, and nothing is left at any key."""
        for job in self.jobs("paused", "failed"):
            resume = self.model.status[job] == "paused"
            self.model.go_on(job)
            (self.bench.store.control.resume if resume else self.bench.store.control.retry)(job)
        for key in KEYS:
            self.set(key, 1)
        for _ in range(1000):
            if not self.model.unclaimed and not self.model.leases:
                break
            for name in list(self.model.leases):
                job, invocation = name.split("/")
                expected = self.model.commit(name, [])
                assert self.bench.commit(job, invocation, self.held.pop(name)) == expected
            for name in self.model.unclaimed[:1]:
                self.tokens += 1
                token, (job, invocation) = f"t{self.tokens}", name.split("/")
                if self.model.claim(name) == "granted":
                    self.held[name] = token
                self.bench.claim(job, invocation, token)
        self.both_are_alike()
        assert all(status not in LIVE for status in self.model.status.values())
        for line in self.model.lines.values():
            assert not line.messages
            assert not line.running
            assert not line.waiting


@pytest.mark.timeout(300)
def test_any_sequence_of_transitions_at_limits(real: ServerLink) -> None:
    """Scripts and model agree on who has a place, who waits where, and in which order."""
    Places.link = real
    run_state_machine_as_test(
        Places,
        settings=settings(
            max_examples=100, stateful_step_count=40, deadline=None, derandomize=True,
            print_blob=True, report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
