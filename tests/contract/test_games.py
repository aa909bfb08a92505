"""Games of the state machine played by hand, of which random ones find few."""

from __future__ import annotations

from typing import Any, cast

import pytest

from flowforge.store.server.link import ServerLink
from tests.contract.bench import UNDO, WAITING_SLOT
from tests.contract.finale import Finale
from tests.contract.machine import Transitions
from tests.contract.reference.flow import JOINING, PLAIN
from tests.contract.reference.jobs import Job
from tests.contract.reference.model import Done


@pytest.fixture
def machine(real: ServerLink, monkeypatch: pytest.MonkeyPatch) -> Finale:
    """A game that has not begun."""
    monkeypatch.setattr(Transitions, "link", real, raising=False)
    return Finale()


def begun(machine: Finale) -> Job:
    """A job with joins, of which one invocation is committed and two wait."""
    machine.first_job((JOINING, (0, 0, ""), 100, 0, "", False, False, "", True))
    (job,) = machine.model.jobs.values()
    assert machine._claim(job, "1.0.0", "t1", False)
    machine._commit(job, "1.0.0", "t1", Done(emitted=machine.items([(0, 0, "")] * 2)))
    return job


class Drawn:
    """What is drawn, one after the other."""

    def __init__(self, *values: object) -> None:
        self._values = [*values]

    def draw(self, *_: object) -> object:
        return self._values.pop(0)


def ended(machine: Finale) -> None:
    """All that was begun ends, and is as the model says."""
    machine.what_is_stored_is_what_the_model_says()
    machine.teardown()


def test_a_compensation_emits_nothing(machine: Finale) -> None:
    """Not even into a join: its worker refuses it, so that the machine does not commit it."""
    job = begun(machine)
    machine._cancel_with_undo(job, 1)
    undoing, compensation = machine.model.jobs[job.undo], f"1.0.{UNDO}"
    assert machine._claim(undoing, compensation, "t2", False)
    machine._commit(undoing, compensation, "t2", Done(emitted=machine.items([(3, 0, "j0:a")])))
    ended(machine)
    assert undoing.status == "completed"


def test_a_late_commit_of_a_failed_job_with_joins_is_undone(machine: Finale) -> None:
    """Nothing fires any more of what its joins have collected."""
    job = begun(machine)
    for number in (2, 3):
        assert machine._claim(job, f"{number}.0.0", f"t{number}", False)
    machine._commit(job, "2.0.0", "t2", Done(emitted=machine.items([(3, 0, "j0:a"), (0, 0, "")])))
    assert machine._claim(job, "5.0.0", "t5", False)
    machine._fail(job, "5.0.0", "t5", "stop", True)
    assert job.undo == "waits"
    machine._commit(job, "3.0.0", "t3", Done(emitted=machine.items([(3, 0, "j0:a")])))
    ended(machine)
    assert len(machine.compensated[job.undo]) == 3


def test_a_compensation_that_failed_is_skipped_and_the_rest_is_undone(
    machine: Finale,
) -> None:
    """The undoing job has nothing outstanding then, and goes on when it is retried."""
    job = begun(machine)
    assert machine._claim(job, "2.0.0", "t2", False)
    machine._commit(job, "2.0.0", "t2", Done())
    machine._cancel_with_undo(job, 1)
    undoing, first = machine.model.jobs[job.undo], f"1.0.{UNDO}"
    assert machine._claim(undoing, first, "t3", False)
    machine._fail(undoing, first, "t3", "stop", True)
    machine._mend(cast(Any, Drawn(0)), "skip", undoing, first)
    ended(machine)
    assert undoing.status == "completed"
    assert len(machine.compensated[undoing.id]) == 2


def test_an_attempt_of_an_undone_job_runs_too_long(machine: Finale) -> None:
    """The upkeep takes its lease, and the undo waits for it no longer."""
    job = begun(machine)
    assert machine._claim(job, "2.0.0", "t2", False)
    machine._commit(job, "2.0.0", "t2", Done(emitted=machine.items([(2, 0, "")])))
    assert machine._claim(job, "4.2.0", "t4", False)
    machine._cancel_with_undo(job, 1)
    assert job.undo == "waits"
    machine.run_too_long()
    assert len(machine.model.jobs[job.undo].compensations) == 1
    ended(machine)


def test_a_compensation_stages_nothing(machine: Finale) -> None:
    """So there is nothing that the server could lose of it."""
    job = begun(machine)
    machine._cancel_with_undo(job, 1)
    compensation = f"1.0.{UNDO}"
    assert machine._claim(machine.model.jobs[job.undo], compensation, "t2", False)
    machine.stage_from_threads(data=cast(Any, Drawn((job.undo, compensation))), longer_first=True)
    assert not machine.model.parts
    ended(machine)


def test_a_commit_that_does_not_count_hands_out_nothing(machine: Finale) -> None:
    """The child job was retried since the attempt began: it is waited for again."""
    machine.first_job((JOINING, (0, 0, ""), 100, 0, "", False, False, "", False))
    (job,) = machine.model.jobs.values()
    assert machine._claim(job, "1.0.0", "t1", False)
    child = machine.to_start((PLAIN, (0, 0, ""), 100, 0, "", False, False, "1 a", False))
    machine._commit(job, "1.0.0", "t1", Done(jobs=child, emitted=machine.items([(1, 1, "o")])))
    started, waiter = machine.model.jobs[child[0][0].id], f"3.0.{WAITING_SLOT}"
    assert machine._claim(started, "1.0.0", "t2", False)
    machine._fail(started, "1.0.0", "t2", "stop", True)
    assert machine._claim(job, waiter, "t3", False)
    machine._control("retry", started)
    machine._commit_and_follow(job, waiter, "t3", Done(), 0, "t4", False, True)
    assert job.children == {started.id: waiter}
    ended(machine)
    assert (job.status, started.status) == ("completed", "completed")


def test_lost_messages_of_a_failed_job_are_parked_behind_what_has_its_turn(
    machine: Finale,
) -> None:
    """The broker has room for the next of the fair key when a lost message is found."""
    machine.first_job((PLAIN, (0, 0, ""), 100, 0, "", False, False, "1 a", False))
    (job,) = machine.model.jobs.values()
    assert machine._claim(job, "1.0.0", "t1", False)
    machine._commit(job, "1.0.0", "t1", Done(emitted=machine.items([(0, 0, "")] * 12)))
    assert machine._claim(job, "2.0.0", "t2", False)
    machine._fail(job, "2.0.0", "t2", "stop", True)
    assert machine.model.turns[0].all_waiting
    lost = sorted(machine.model.unclaimed[0].items())
    machine.resend(data=cast(Any, Drawn(lost)), outdated=False)
    assert len(job.parked) == 12
    ended(machine)


def test_a_time_that_clears_another_ends_alone(machine: Finale) -> None:
    """Both are due in one call: the first fails the job, and the other one is not looked at."""
    machine.first_job((PLAIN, (0, 0, ""), 1, 0, "", False, False, "", False))
    (job,) = machine.model.jobs.values()
    drawn = Drawn((job.id, "1.0.0"), ["0.0/", "0.0/a"], True, True, False)
    machine.expect(data=cast(Any, drawn), emits=False)
    for number, at_once in (("2", False), ("3", True)):
        timer = (job.id, "expect", number)
        machine.end_the_time(data=cast(Any, Drawn(timer)), at_once=at_once)
    assert job.late == ["expect 2"]
    assert job.status == "failed"
    ended(machine)
