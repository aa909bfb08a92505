"""Upkeep: leases are renewed or taken back, lost messages sent again, one leader at a time."""

from __future__ import annotations

import hashlib

import pytest

from flowforge.store.lease_tokens import _Process, name_worker, next_token
from flowforge.worker.upkeep.reclaimer import Reclaimer
from tests.contract.bench import DEFINITION, LONG, Bench

# --- heartbeat -----------------------------------------------------------------------------


def test_a_heartbeat_renews(bench: Bench) -> None:
    """A renewed lease is not taken back."""
    job = bench.submit()
    bench.start(job, lease=-1)
    lease = f"{job}/1.0.0/t"
    before = bench.members("leases")[lease]
    assert bench.store.invocations.heartbeat(LONG, [lease]) == ["ok"]
    assert bench.members("leases")[lease] > before
    assert bench.reclaim(9, 10) == (0, 0, 0)


def test_a_heartbeat_tells_what_is_lost(bench: Bench) -> None:
    """Each lease gets its answer: held, lost, or of a job that has ended."""
    held, ended, failed = bench.submit(), bench.submit(), bench.submit()
    for job in (held, ended, failed):
        bench.start(job)
    bench.store.control.cancel(ended, "")
    bench.commit(failed, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(failed, "2.1.0")
    bench.start(failed, "3.1.1")
    bench.fail(failed, "2.1.0")
    leases = [
        f"{held}/1.0.0/t", f"{held}/1.0.0/other", f"{ended}/1.0.0/t", f"{failed}/3.1.1/t",
        "nosuchjob/1.0.0/t",
    ]  # fmt: skip
    answers = bench.store.invocations.heartbeat(LONG, leases)
    assert answers == ["ok", "lost", "cancelled", "failed", "lost"]
    assert bench.store.invocations.heartbeat(LONG, []) == []


def test_a_heartbeat_brings_no_lease_back(bench: Bench) -> None:
    """Once it was taken back a lease stays lost, although the invocation is queued again."""
    job = bench.submit()
    bench.start(job, lease=-1)
    bench.reclaim(9, 10)
    assert bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.0/t"]) == ["lost"]
    assert bench.members("leases") == {}


# --- reclaim -------------------------------------------------------------------------------


def test_an_expired_lease_is_taken_back(bench: Bench) -> None:
    """The invocation of a dead worker is queued again, and the loss is recorded."""
    job = bench.submit()
    bench.start(job, token="t1", lease=-1)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    assert bench.counters(job) == (1, 0, 0, 0)
    assert bench.history(job)[-1] == ("lost", "1.0.0")
    assert bench.hash("routines", job)["0.lost"] == b"1"
    bench.start(job, token="t2")
    assert bench.commit(job, token="t2") == "ok"


def test_what_is_taken_back_is_told_with_its_worker(server_bench: Bench) -> None:
    """Tokens begin with a mark of their worker's name, which reports under it."""
    bench = server_bench
    mark = hashlib.sha1(b"celery@here").hexdigest()[:6]
    bench.link.call("HSET", bench.key("workers"), "celery@here", "report", "celery@there", "report")
    tokens = {f"{mark}{'0' * 12}-7": "celery@here", f"{'0' * 18}-1": "", "t": ""}
    jobs = {}
    for token, worker in tokens.items():
        jobs[bench.submit()] = worker
        bench.start([*jobs][-1], token=token, lease=-1)
    found = bench.store.upkeep.reclaim(9, 10)
    assert found.counts == (3, 0, 0)
    assert {one.job_id: one.worker for one in found.lost} == jobs
    assert {one[1:3] + one[4:] for one in found.lost} == {("1.0.0", DEFINITION, 1)}
    for job, worker in jobs.items():
        ((_, entry),) = bench.link.call("XRANGE", bench.key("history", job), "-", "+")
        assert entry == [b"k", b"lost", b"t", b"1.0.0", b"p", worker.encode()]


def test_the_log_tells_whose_work_was_taken_back(
    server_bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Routine, job and worker; and what becomes of the invocation. Of very many only how many."""
    bench = server_bench
    for name in ("mark", "part"):
        monkeypatch.setattr(_Process, name, getattr(_Process, name))
    name_worker("celery@here")
    bench.link.call("HSET", bench.key("workers"), "celery@here", "report")
    reclaimer = Reclaimer(
        bench.store, 2, lambda definition, invocation: f"{definition}:{invocation}"
    )
    job = bench.submit()
    told = f"reclaimed invocation {job}-1 (def1:1.0.0) from worker celery@here"
    for outcome in ("queued again, loss 1 of 2", "quarantined after 2 losses"):
        bench.start(job, token=next_token(), lease=-1)
        caplog.clear()
        assert reclaimer.run_once() == 1
        assert caplog.messages == [f"{told}, which was lost or cut off: {outcome}"]
    for _ in range(130):
        bench.start(bench.submit(), token="t", lease=-1)
    caplog.clear()
    assert reclaimer.run_once() == 130
    assert "from a worker that reports no more" in caplog.messages[0]
    assert caplog.messages[20:] == ["reclaimed 110 more invocations from lost workers"]


def test_a_valid_lease_is_left_alone(bench: Bench) -> None:
    """Only what has expired is taken back, and once."""
    jobs = [bench.submit(), bench.submit()]
    bench.start(jobs[0], lease=LONG)
    bench.start(jobs[1], lease=-1)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    assert bench.reclaim(9, 10) == (0, 0, 0)
    assert bench.counters(jobs[0]) == (0, 1, 0, 0)


def test_what_keeps_losing_workers_is_quarantined(bench: Bench) -> None:
    """After N lost deliveries the job fails and says which invocation it was."""
    job = bench.submit()
    for number in range(3):
        bench.start(job, token=f"t{number}", lease=-1)
        answer = bench.reclaim(3, 10)
        assert answer == ((1, 0, 0) if number < 2 else (0, 1, 0))
    row = bench.row(job)
    assert (row["status"], row["reason"]) == ("failed", "quarantined")
    assert bench.hash("job", job)["error"] == b"quarantined 3 1.0.0"
    routine = bench.hash("routines", job)
    assert (routine["0.status"], routine["0.lost"]) == (b"failed", b"3")
    bench.store.control.retry(job)
    claim = bench.start(job, token="again", lease=-1)
    assert (claim.claims, claim.lost) == (1, 0)
    assert bench.reclaim(3, 10) == (1, 0, 0)


def test_a_paused_job_parks_what_is_taken_back(bench: Bench) -> None:
    """A dead worker's invocation does not start while its job is paused."""
    job = bench.submit()
    bench.start(job, lease=-1)
    bench.pause(job)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    assert bench.counters(job) == (0, 0, 1, 0)
    assert bench.parked(job) == ["1.0.0"]


def test_leases_of_ended_jobs_are_dropped(bench: Bench) -> None:
    """What ran for a cancelled, failed or forgotten job does not run again by itself."""
    cancelled, failed, forgotten = bench.submit(), bench.submit(), bench.submit()
    bench.start(failed)
    bench.commit(failed, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(failed, "2.1.0", lease=-1)
    bench.start(failed, "3.1.1")
    bench.fail(failed, "3.1.1")
    for job in (cancelled, forgotten):
        bench.start(job, lease=-1)
    bench.store.control.cancel(cancelled, "")
    bench.link.call("DEL", bench.key("job", forgotten))
    assert bench.reclaim(9, 10) == (0, 0, 3)
    assert bench.members("leases") == {}
    assert bench.parked(failed) == ["3.1.1", "2.1.0"]
    bench.store.control.retry(failed)
    assert bench.counters(failed) == (2, 0, 0, 0)


def test_leases_are_taken_back_in_batches(bench: Bench) -> None:
    """One call handles at most as many as it is allowed; several of one job add up."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 5)
    for number in range(2, 7):
        bench.start(job, f"{number}.1.0", lease=-1)
    assert bench.reclaim(9, 3) == (3, 0, 0)
    assert bench.counters(job) == (3, 2, 0, 0)
    assert bench.reclaim(9, 3) == (2, 0, 0)
    assert bench.counters(job) == (5, 0, 0, 0)


def test_a_lost_lease_without_its_definition_fails_the_job(bench: Bench) -> None:
    """What can never be queued again ends its job."""
    job = bench.submit()
    bench.start(job, lease=-1)
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    bench.reclaim(9, 10)
    assert bench.status(job) == "failed"
    assert bench.members("leases") == {}


# --- resend --------------------------------------------------------------------------------


def test_a_lost_message_is_pushed_again(bench: Bench) -> None:
    """It gets a new push number, so that it is not taken for lost at once."""
    job = bench.submit()
    bench.forget_broker()
    lost = bench.number(job)
    found = bench.store.upkeep.resend(bench.list, [(f"{job}/1.0.0".encode(), lost)])
    assert found.counts == (1, 0, 0)
    assert bench.sent() == [(job, "1.0.0")]
    assert bench.number(job) > lost
    assert bench.counters(job) == (1, 0, 0, 0)


def test_what_was_claimed_meanwhile_is_not_lost(bench: Bench) -> None:
    """A claim or another push since the caller looked makes the call do nothing."""
    claimed, pushed = bench.submit(), bench.submit()
    lost = [(f"{one}/1.0.0".encode(), bench.number(one)) for one in (claimed, pushed)]
    bench.start(claimed)
    bench.store.upkeep.resend(bench.list, lost[1:])
    before = bench.snapshot()
    assert bench.store.upkeep.resend(bench.list, lost).counts == (0, 0, 0)
    assert bench.snapshot() == before


def test_lost_messages_of_jobs_that_do_not_run(bench: Bench) -> None:
    """A paused or failed job parks them; those of cancelled and forgotten jobs are dropped."""
    paused, failed, cancelled, forgotten = (bench.submit() for _ in range(4))
    bench.pause(paused)
    bench.start(failed)
    bench.commit(failed, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(failed, "2.1.0")
    bench.fail(failed, "2.1.0")
    bench.store.control.cancel(cancelled, "")
    bench.link.call("DEL", bench.key("job", forgotten))
    lost = [(member.encode(), number) for member, number in bench.unclaimed().items()]
    pushed = bench.sent()
    assert bench.store.upkeep.resend(bench.list, lost).counts == (0, 2, 2)
    assert bench.sent() == pushed
    assert bench.unclaimed() == {}
    assert bench.parked(paused) == ["1.0.0"]
    assert bench.parked(failed) == ["2.1.0", "3.1.1"]
    assert bench.counters(paused) == (0, 0, 1, 0)


def test_a_lost_message_without_its_definition_fails_the_job(bench: Bench) -> None:
    """A job whose definition is gone ends instead of keeping its waiters for ever."""
    job = bench.submit()
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    bench.store.upkeep.resend(bench.list, [(f"{job}/1.0.0".encode(), bench.number(job))])
    assert bench.status(job) == "failed"


# --- the lead ------------------------------------------------------------------------------


def test_one_candidate_leads(bench: Bench) -> None:
    """The first candidate leads and keeps the lead; others get it when it lapses."""
    run = bench.store.scripts.run
    assert run("lead", "a", LONG) == 1
    assert run("lead", "b", LONG) == 0
    assert run("lead", "a", LONG) == 1
    bench.link.call("DEL", bench.key("leader"))
    assert run("lead", "b", LONG) == 1
    assert run("lead", "a", LONG) == 0


def test_the_lead_lapses_by_itself(bench: Bench) -> None:
    """A dead leader does not lead for ever."""
    bench.store.upkeep.lead("a", LONG)
    assert 0 < bench.link.call("PTTL", bench.key("leader")) <= LONG


def test_a_leader_gives_the_lead_up(bench: Bench) -> None:
    """Another worker can take it at once."""
    run = bench.store.scripts.run
    run("lead", "a", LONG)
    assert run("resign", "a") == 1
    assert run("resign", "a") == 0
    assert run("lead", "b", LONG) == 1


def test_a_leader_that_was_replaced_does_not_remove_its_successor(bench: Bench) -> None:
    """Its lead has lapsed, so there is nothing that it could give up."""
    run = bench.store.scripts.run
    run("lead", "a", LONG)
    bench.link.call("DEL", bench.key("leader"))
    run("lead", "b", LONG)
    assert run("resign", "a") == 0
    assert run("lead", "a", LONG) == 0
    assert run("lead", "b", LONG) == 1


def test_a_leader_of_a_release_with_an_earlier_layout_is_replaced(bench: Bench) -> None:
    """It leaves timers and leases of later rows to others; one of a later layout keeps the lead."""
    bench.link.call("SET", bench.key("leader"), "a", "PX", LONG)
    assert bench.store.upkeep.lead("b", LONG)
    assert not bench.store.upkeep.resign("a")
    assert bench.store.upkeep.lead("b", LONG)
    assert not bench.store.upkeep.lead("c", LONG)
    bench.link.call("SET", bench.key("leader"), "99/d", "PX", LONG)
    assert not bench.store.upkeep.lead("b", LONG)


def test_a_damaged_lead_is_not_given_up(bench: Bench) -> None:
    """A key of another type is no candidate's."""
    bench.link.call("LPUSH", bench.key("leader"), "a")
    assert bench.store.upkeep.resign("a") == 0


# --- scripts -------------------------------------------------------------------------------


def test_a_server_that_forgot_the_scripts_is_taught(bench: Bench) -> None:
    """A restart empties the script cache; the next call goes through all the same."""
    job = bench.submit()
    bench.link.call("SCRIPT", "FLUSH")
    assert bench.start(job).claims == 1
    bench.link.call("SCRIPT", "FLUSH")
    assert bench.commit(job) == "ok"


def test_one_call_does_a_bounded_amount_of_work(bench: Bench) -> None:
    """What is due beyond it waits for the next one, and nothing is forgotten."""
    jobs = [bench.submit("1.0 all 0 fail 0\n") for _ in range(12)]
    for job in jobs:
        bench.start(job)
        bench.stage(job, [(1, 0, "j0:")] * 1000)
        bench.pause(job)
        bench.commit(job, staged={1: 1000})
        bench.store.control.resume(job)
    staged = sum(int(bench.row(job)["staged"]) for job in jobs)
    assert len(bench.members("timers")) == len(jobs)
    released = bench.store.upkeep.release_due(100)
    assert 0 < released < len(jobs)
    left = sum(int(bench.row(job)["staged"]) for job in jobs)
    assert 0 < staged - left < 1500
    while bench.store.upkeep.release_due(100):
        pass
    assert [bench.row(job)["staged"] for job in jobs] == ["0"] * len(jobs)


def test_large_staged_items_count_by_their_bytes(bench: Bench) -> None:
    """The server copies what it releases."""
    job = bench.submit("1.0 all 0 fail 0\n")
    bench.start(job)
    items = [(1, 0, "j0:", b"x" * 500_000)] * 40
    bench.store.invocations.stage(job, "1.0.0", "t", items, 0)
    bench.commit(job, staged={1: 40})
    assert 0 < int(bench.row(job)["staged"]) < 40
    while bench.store.upkeep.release_due(100):
        pass
    assert bench.row(job)["staged"] == "0"
    assert bench.invocations(job) == {"2.1.0"}
