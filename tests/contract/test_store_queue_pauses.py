"""Paused queues: nothing of them is claimed or pushed, and a resume puts all back in its order."""

from __future__ import annotations

import pytest

from flowforge.store.transitions.claims import Claim, NextClaim
from flowforge.store.transitions.queue_pauses import PAUSED
from tests.contract.bench import LONG, Bench

AT_ONCE = 8


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowforge.store.transitions.queue_pauses.AT_ONCE", AT_ONCE)


def pause(bench: Bench, reason: str = "") -> bool:
    return bench.store.queue_pauses.pause("q", [bench.list], "kim", reason)


def resume(bench: Bench) -> bool:
    return bench.store.queue_pauses.resume("q", [bench.list])


def pop(bench: Bench) -> str:
    """The message that a worker takes, and what its claim answers."""
    (job, invocation), *_ = bench.sent()
    bench.link.call("RPOP", bench.list)
    answer = bench.claim(job, invocation, f"t{job}")
    return job if isinstance(answer, Claim) else f"{answer} {job}"


def ran(bench: Bench) -> list[str]:
    """The jobs in the order in which a worker gets them."""
    found = []
    while bench.sent():
        found.append(pop(bench))
    return found


def test_nothing_of_a_paused_queue_is_claimed(bench: Bench) -> None:
    """What is unclaimed stays queued, and its job running; another queue goes on."""
    first, second = bench.submit(), bench.submit()
    other = bench.submit(routine=2)
    assert pause(bench)
    assert pop(bench) == f"paused {first}"
    assert bench.claim(second, "1.0.0") == "paused"
    assert bench.counters(first) == (1, 0, 0, 0)
    assert bench.status(first) == "pending"
    assert isinstance(bench.claim(other, "1.2.0"), Claim)
    assert bench.claim(first, "9.0.0") == "taken"


def test_what_runs_may_commit(bench: Bench) -> None:
    """What it emits is put aside, and a commit hands out nothing of the queue."""
    job, waits = bench.submit(), bench.submit()
    bench.start(job)
    pause(bench)
    then = NextClaim("t2", LONG, [bench.list], True)
    assert bench.commit_then(then, job, emitted=[(0, 0, "")]) == ("ok", None)
    assert bench.status(job) == "running"
    assert bench.claim(waits, "1.0.0") == "paused"
    assert not bench.unclaimed()
    resume(bench)
    assert ran(bench) == [waits, job]


def test_pushes_do_not_travel_while_it_is_paused(bench: Bench) -> None:
    """One by one or in a batch; with the resume they come in their order."""
    pause(bench)
    one = bench.submit()
    many = [bench.submission() for _ in range(3)]
    bench.store.submissions.submit(many[0].common, [each.job for each in many], None)
    assert bench.sent() == []
    assert bench.claim(one, "1.0.0") == "paused"
    assert resume(bench)
    assert ran(bench) == [one, *(each.job_id for each in many)]
    assert bench.claim(one, "1.0.0") == "taken"


def test_what_had_been_popped_comes_first(bench: Bench) -> None:
    """Before what is on the list, which comes before what was pushed since."""
    jobs = [bench.submit() for _ in range(6)]
    pause(bench)
    assert [pop(bench) for _ in range(3)] == [f"paused {job}" for job in jobs[:3]]
    jobs += [bench.submit() for _ in range(2)]
    resume(bench)
    jobs.append(bench.submit())
    assert ran(bench) == jobs


def test_an_empty_list_gets_all_back_in_order(bench: Bench) -> None:
    """Also where it takes several calls, between which workers claim and producers push."""
    jobs = [bench.submit() for _ in range(AT_ONCE + 4)]
    pause(bench)
    assert len(ran(bench)) == len(jobs)
    put_back = bench.store.queue_pauses.put_back
    assert put_back("q", [bench.list]) == "more"
    assert [pop(bench) for _ in range(3)] == jobs[:3]
    jobs.append(bench.submit())
    assert put_back("q", [bench.list]) == "ok"
    assert put_back("q", [bench.list]) == "none"
    jobs.append(bench.submit())
    assert ran(bench) == jobs[3:]


def test_many_popped_come_before_the_rest_of_the_list(bench: Bench) -> None:
    """More than one call puts back; nothing is claimed in between."""
    jobs = [bench.submit() for _ in range(AT_ONCE + 6)]
    pause(bench)
    for _ in range(AT_ONCE + 4):
        pop(bench)
    assert bench.store.queue_pauses.put_back("q", [bench.list]) == "more"
    assert bench.claim(jobs[0], "1.0.0") == "paused"
    resume(bench)
    assert ran(bench) == jobs


def test_other_tasks_of_the_queue_are_left_alone(bench: Bench) -> None:
    """They stay on the list, also at its tail."""
    bench.link.call("LPUSH", bench.list, '{"a": "task"}')
    jobs = [bench.submit() for _ in range(2)]
    pause(bench)
    assert bench.link.call("RPOP", bench.list) == b'{"a": "task"}'
    pop(bench)
    resume(bench)
    assert ran(bench) == jobs


def test_a_queue_is_paused_once(bench: Bench) -> None:
    """The second pause changes nothing; a resume of what is not paused does nothing."""
    assert not resume(bench)
    assert pause(bench, "a fault")
    assert not pause(bench, "another")
    (found,) = bench.store.queue_pauses.all()
    assert (found.queue, found.by, found.reason, found.resuming) == ("q", "kim", "a fault", False)
    assert found.lists == (bench.list,)
    assert resume(bench)
    assert bench.store.queue_pauses.all() == []


def test_a_pause_in_the_middle_of_a_resume(bench: Bench) -> None:
    """It is a pause of its own: all that is not claimed is put aside again, and nothing is lost."""
    jobs = {bench.submit() for _ in range(AT_ONCE + 4)}
    pause(bench)
    ran(bench)
    bench.store.queue_pauses.put_back("q", [bench.list])
    assert bench.store.queue_pauses.all()[0].resuming
    started = pop(bench)
    assert pause(bench, "once more")
    assert {answer.partition(" ")[0] for answer in ran(bench)} == {"paused"}
    resume(bench)
    assert set(ran(bench)) == jobs - {started}


def test_numbers_go_on_behind_those_of_the_pause(bench: Bench) -> None:
    """They are times again, and higher than all before."""
    first = bench.submit()
    before = bench.number(first)
    pause(bench)
    bench.submit()
    assert int(bench.hash("sequences")[bench.list]) >= PAUSED
    resume(bench)
    last = bench.submit()
    assert before < bench.number(last) < PAUSED
    assert not {key for key in bench.every_key() if "pu:" in key or "pp:" in key}


def test_what_a_former_release_pushes_is_put_aside(bench: Bench) -> None:
    """It knows of no pause: its message travels, and the claim puts it aside."""
    pause(bench)
    job = bench.submit()
    aside = bench.key("paused_pushes", bench.list)
    ((member, number),) = bench.members("paused_pushes", bench.list).items()
    bench.link.call("DEL", aside)
    bench.link.call("ZADD", bench.key("unclaimed", bench.list), number + PAUSED, member)
    assert bench.claim(job, "1.0.0") == "paused"
    assert not bench.unclaimed()
    bench.link.call("ZADD", bench.key("unclaimed", bench.list), number + PAUSED, "j/1.0.0")
    bench.store.queue_pauses.uphold(bench.store.queue_pauses.all()[0])
    assert not bench.unclaimed()
    resume(bench)
    assert ran(bench)[0] == job


def test_a_cancelled_job_leaves_nothing(bench: Bench) -> None:
    """What was put aside of it is dropped when it comes back."""
    job, gone, stays = bench.submit(), bench.submit(), bench.submit()
    pause(bench)
    ran(bench)
    bench.store.control.cancel(job, "")
    bench.link.call("DEL", bench.key("job", gone))
    resume(bench)
    assert ran(bench) == [f"dropped {job}", stays]
    assert not bench.unclaimed()


def test_a_paused_queue_stays_so_without_jobs(bench: Bench) -> None:
    """Though push numbers go with the last job."""
    pause(bench)
    bench.store.upkeep.prune(100)
    job = bench.submit()
    assert bench.claim(job, "1.0.0") == "paused"
