"""A full server: what frees memory or keeps what is there goes on, what needs more is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import WritesRefusedError
from flowforge.model.jobs.audit import AuditRecord
from flowforge.model.limit import LimitSettings
from flowforge.model.times.start import Start
from flowforge.store.fleet_reads.audit import AuditStream
from flowforge.store.scripts import script_names
from flowforge.store.transitions.bulks import NewBulk
from flowforge.store.transitions.hooks import DeliveryEnd, NewDelivery
from flowforge.worker.upkeep.reclaimer import Reclaimer
from tests.contract.asking import expected
from tests.contract.bench import LONG, Bench, record
from tests.contract.schedule_bench import ScheduleBench
from tests.support.pages import DOCS


@pytest.fixture
def bench(own_bench: Bench) -> Iterator[Bench]:
    yield own_bench
    empty(own_bench)


def fill(bench: Bench) -> None:
    """From now on more memory is used than the server may have."""
    bench.client.config_set("maxmemory", 1)


def empty(bench: Bench) -> None:
    bench.client.config_set("maxmemory", 0)


def a_claim(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    return lambda: bench.start(job)


def a_commit(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    return lambda: bench.commit(job, emitted=[(1, 0, "")], outputs=[b"x"]) == "ok"


def an_answer(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    bench.commit(job, expected=[expected()])
    answer = (job, (0, 1), "", None, "", record(), "kim", "", pack_record("kim", {}))
    return lambda: bench.store.expectations.deliver(*answer).answer == "ok"


def a_retry_later(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    return lambda: bench.retry_later(job) == "ok"


def a_give_back(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    return lambda: bench.give_back(job) == "ok"


def a_heartbeat(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job, lease=-1)

    def renew() -> bool:
        answers = bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.0/t"])
        return answers == ["ok"] and bench.reclaim(9, 10) == (0, 0, 0)

    return renew


def an_audit_entry(bench: Bench) -> Callable[[], object]:
    stream = AuditStream(bench.store)
    stream.add(AuditRecord("kim", "dashboard", "resume"))
    assert len(list(stream.newest())) == 1

    def add() -> bool:
        stream.add(AuditRecord("kim", "dashboard", "pause"))
        return len(list(stream.newest())) == 2

    return add


def a_pause(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    return lambda: bench.pause(job, "full", {"step": 1}) == "ok" and bench.status(job) == "paused"


def a_resume(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.pause(job)
    return lambda: bench.store.control.resume(job) == "ok" and bench.status(job) == "pending"


def a_retry(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    bench.fail(job)
    return lambda: bench.store.control.retry(job) == "ok" and bench.status(job) == "running"


def a_cancel(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    return lambda: (
        bench.store.control.cancel(job, "full") == "ok" and bench.status(job) == "cancelled"
    )


def collected(bench: Bench) -> NewBulk:
    assert bench.store.bulks.collect("b1", 0, [bench.submit()]) == 1
    return NewBulk("cancel", "kim", "full", None, "", {})


def cancelling(bench: Bench) -> None:
    assert bench.store.bulks.start("b1", 1, collected(bench)) == "ok"


def a_bulk_collection(bench: Bench) -> Callable[[], object]:
    return lambda: bench.store.bulks.collect("b1", 0, ["a"]) == 1


def a_bulk_start(bench: Bench) -> Callable[[], object]:
    new = collected(bench)
    return lambda: bench.store.bulks.start("b1", 1, new) == "ok"


def a_bulk_step(bench: Bench) -> Callable[[], object]:
    cancelling(bench)
    return lambda: bench.store.bulks.step().acted == 1


def a_bulk_abort(bench: Bench) -> Callable[[], object]:
    cancelling(bench)
    return lambda: bench.store.bulks.abort("b1", "kim")


def a_look_for_schedules(bench: Bench) -> Callable[[], object]:
    made = ScheduleBench(bench)
    made.save()
    return lambda: made.scripts.due(10).wait is not None


def a_pause_of_a_schedule(bench: Bench) -> Callable[[], object]:
    made = ScheduleBench(bench)
    made.save()
    return lambda: made.scripts.pause("s", "kim", "full") == "ok"


def a_schedule_that_is_put_off(bench: Bench) -> Callable[[], object]:
    made = ScheduleBench(bench)
    made.save()
    made.scripts.put_off("s", "it fails", 1000)
    return lambda: made.scripts.put_off("s", "it fails", 1000) is None


def a_schedule_that_is_removed(bench: Bench) -> Callable[[], object]:
    made = ScheduleBench(bench)
    made.save()
    return lambda: made.scripts.remove("s") == "ok"


def on_a_timer(bench: Bench) -> str:
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=LONG)
    return job


def an_edit(bench: Bench) -> Callable[[], object]:
    job = on_a_timer(bench)
    return lambda: bench.edit(job, "1.0.0", record(0, n=1)) == "ok"


def a_skip(bench: Bench) -> Callable[[], object]:
    job = on_a_timer(bench)
    return lambda: bench.skip(job, "1.0.0", [(1, 0, "")], [b"x"]) == "ok"


def a_run_at_once(bench: Bench) -> Callable[[], object]:
    job = on_a_timer(bench)
    return lambda: bench.run_now(job, "1.0.0") == "ok"


def another_time(bench: Bench) -> Callable[[], object]:
    job = on_a_timer(bench)
    return lambda: (
        bench.store.mending.reschedule(job, "1.0.0", Start("+", LONG), pack_record("anna")) == "ok"
    )


def a_breakpoint(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    about = pack_record("anna", "")
    return lambda: (
        bench.store.breakpoints.set(job, 0, b"", about, b"") == "ok"
        and bench.claim(job, "1.0.0") == "stopped"
    )


def a_cleared_breakpoint(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.store.breakpoints.set(job, 0, b"", b"", b"")
    return lambda: bench.store.breakpoints.clear(job, 0, b"") == "ok"


def a_step(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.store.breakpoints.set(job, 0, b"", b"", b"")
    bench.claim(job, "1.0.0")
    return lambda: bench.store.breakpoints.step(job, "", b"x") == "ok"


def a_view(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m")])
    bench.start(job, "2.1.0.1", "t2")
    return lambda: bench.store.invocations.view(job, "2.1.0.1", "t2", 10) == (1, [])


def a_timer(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=-1)
    return lambda: bench.store.upkeep.release_due(10) == 1


def a_lost_lease(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job, lease=-1)
    return lambda: bench.reclaim(9, 10) == (1, 0, 0)


def more_time(bench: Bench) -> Callable[[], object]:
    job = bench.submit_timed(LONG)
    bench.start(job)
    return lambda: bench.store.invocations.extend(job, "1.0.0", "t", 2 * LONG) == "ok"


def an_attempt_whose_time_is_over(bench: Bench) -> Callable[[], object]:
    job = bench.submit_timed(1)
    bench.start(job)
    (member,) = bench.members("attempt_ends")
    bench.link.call("ZADD", bench.key("attempt_ends"), bench.now() - 1000, member)
    return lambda: len(bench.store.upkeep.take_overdue("over.t", LONG, 9)) == 1


def a_lease_of_a_newer_release(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job, lease=-1)
    bench.link.call("HSET", bench.key("job", job), "v", 99)
    return lambda: bench.reclaim(9, 10) == (0, 0, 0)


def a_lost_message(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.forget_broker()
    lost = [(f"{job}/1.0.0".encode(), bench.number(job))]
    return lambda: bench.store.upkeep.resend(bench.list, lost).counts == (1, 0, 0)


def a_prune(bench: Bench) -> Callable[[], object]:
    job = bench.submit(retention_ms=1)
    bench.store.control.cancel(job, "")
    bench.link.call("DEL", bench.key("job", job))
    bench.link.call("ZADD", bench.key("expiry"), 0, job)
    return lambda: bench.store.upkeep.prune(10) == 1


def a_deleted_job(bench: Bench) -> Callable[[], object]:
    job = bench.submit(labels="a=b")
    bench.store.control.cancel(job, "")
    return lambda: bench.store.control.delete(job) == "ok"


def a_lost_row(bench: Bench) -> Callable[[], object]:
    job = bench.submit(labels="a=b")
    bench.link.call("DEL", bench.key("job", job))
    return lambda: (
        bench.store.upkeep.forget_vanished("0", 10) == "0" and not bench.members("label", "a=b")
    )


def an_answer_of_a_lost_job(bench: Bench) -> Callable[[], object]:
    bench.link.call("ZADD", bench.key("open_expectations"), 1, "lost/2")
    upkeep = bench.store.upkeep
    return lambda: upkeep.forget_vanished_answers("", "0", 10) == ("0", 1)


def a_deletion(bench: Bench) -> Callable[[], object]:
    bench.link.call("RPUSH", bench.key("deletions"), "j 1 1 5000")
    return lambda: bench.store.upkeep.delete(10) == 1


def a_first_lead(bench: Bench) -> Callable[[], object]:
    return lambda: bench.store.upkeep.lead("me", 1000) == 1


def a_longer_lead(bench: Bench) -> Callable[[], object]:
    bench.store.upkeep.lead("me", 1000)
    return lambda: bench.store.upkeep.lead("me", 2000) == 1


def an_end_of_a_lead(bench: Bench) -> Callable[[], object]:
    bench.store.upkeep.lead("me", 1000)
    return lambda: bench.store.upkeep.resign("me") == 1


def a_worker_that_stops(bench: Bench) -> Callable[[], object]:
    bench.link.call("HSET", bench.key("workers"), "w1", "report")
    return lambda: bench.store.upkeep.forget_reports([("w1", b"report")]) == 1


def a_requeue(bench: Bench) -> Callable[[], object]:
    number = bench.store.scripts.run("bury", b"letter", 100)
    return lambda: bench.store.scripts.run("requeue", number, bench.list, b"letter") == 1


def a_damaged_member(bench: Bench) -> Callable[[], object]:
    return lambda: bench.store.upkeep.tell_damaged("seq", "x", "no number") is None


def a_late_start(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    return lambda: bench.store.invocations.may_start(job)


def a_delivery(bench: Bench, how: DeliveryEnd | None = None) -> None:
    """One that waits, or whose attempt has ended in this way."""
    hooks = bench.store.hooks
    hooks.declare("ops", b"")
    hooks.hold("ops", "h", "w1", LONG)
    hooks.make("ops", "h", 0, 1, 0, [NewDelivery("d", "c", 0, b"")])
    if how is not None:
        hooks.begin("ops", "h", "d", "c", 1, LONG)
        hooks.end("ops", "d", 1, how, 0, "no")


def a_right_to_deliver(bench: Bench) -> Callable[[], object]:
    bench.store.hooks.declare("ops", b"")
    return lambda: bench.store.hooks.hold("ops", "h", "w1", LONG)


def a_first_attempt(bench: Bench) -> Callable[[], object]:
    a_delivery(bench)
    return lambda: bench.store.hooks.begin("ops", "h", "d", "c", 1, LONG) == 0


def lines_that_become_deliveries(bench: Bench) -> Callable[[], object]:
    a_delivery(bench)
    new = NewDelivery("d2", "c2", 0, b"")
    return lambda: bench.store.hooks.make("ops", "h", 1, 2, 0, [new])


def an_attempt_that_ends(bench: Bench) -> Callable[[], object]:
    a_delivery(bench)
    bench.store.hooks.begin("ops", "h", "d", "c", 1, LONG)
    return lambda: bench.store.hooks.end("ops", "d", 1, DeliveryEnd.AGAIN, 0, "no")


def a_replay(bench: Bench) -> Callable[[], object]:
    a_delivery(bench, DeliveryEnd.DEAD)
    return lambda: bench.store.hooks.replay("ops", []) == 1


def a_dead_delivery_that_is_dropped(bench: Bench) -> Callable[[], object]:
    a_delivery(bench, DeliveryEnd.DEAD)
    return lambda: bench.store.hooks.drop("ops", []) == 1


def a_hook_that_is_forgotten(bench: Bench) -> Callable[[], object]:
    a_delivery(bench)
    return lambda: bench.store.hooks.forget("ops")


def a_paused_queue(bench: Bench) -> Callable[[], object]:
    bench.submit()
    return lambda: bench.store.queue_pauses.pause("q", [bench.list], "kim", "")


def a_resumed_queue(bench: Bench) -> Callable[[], object]:
    a_paused_queue(bench)()
    return lambda: bench.store.queue_pauses.resume("q", [bench.list])


def a_limit(bench: Bench) -> Callable[[], object]:
    def act() -> bool:
        bench.store.limits.set("api", LimitSettings(running=1))
        return bool(bench.store.limits.stored())

    return act


def a_limit_that_is_forgotten(bench: Bench) -> Callable[[], object]:
    bench.store.limits.set("api", LimitSettings(running=1))
    return lambda: bench.store.limits.remove("api", declared=True)


def _waiter(bench: Bench) -> str:
    """A job that holds the only place, and another that waits for it; the first one's lease."""
    bench.store.limits.set("api", LimitSettings(running=1))
    jobs = [bench.submission(mode="L3 api") for _ in range(2)]
    for job in jobs:
        bench.send(job, {**bench.fields(), "uses": "l"})
    bench.start(jobs[0].job_id)
    return f"{jobs[0].job_id}/1.0.0/t"


def a_key_with_room(bench: Bench) -> Callable[[], object]:
    _waiter(bench)
    bench.store.limits.set("api", LimitSettings(running=2))

    def act() -> bool:
        bench.store.limits.let_in(["api"])
        return not bench.members("limit_waiters", "api")

    return act


def a_place_without_a_lease(bench: Bench) -> Callable[[], object]:
    bench.link.call("ZREM", bench.key("leases"), _waiter(bench))
    bench.link.call("ZADD", bench.key("limit_keys"), 1, "api")
    return lambda: bench.store.limits.look(10, 300_000) == (1, 1)


def turns_of_fair_keys(bench: Bench) -> Callable[[], object]:
    for _ in range(20):
        bench.submit(fair="1 a")
    return lambda: bench.store.fair_order.let_in(bench.list, 12) is False


#: What has to work, with the script that it shows.
GOES_ON = {
    an_audit_entry: "audit",
    an_answer: "answer",
    a_claim: "claim",
    a_commit: "commit",
    a_retry_later: "fail",
    a_give_back: "give_back",
    a_heartbeat: "heartbeat",
    a_pause: "pause",
    a_resume: "resume",
    a_retry: "resume",
    a_cancel: "cancel",
    a_bulk_collection: "bulk_collect",
    a_bulk_start: "bulk_start",
    a_bulk_step: "bulk_step",
    a_bulk_abort: "bulk_abort",
    an_edit: "edit",
    a_skip: "skip",
    a_run_at_once: "run_now",
    another_time: "reschedule",
    a_breakpoint: "break_at",
    a_cleared_breakpoint: "clear_break",
    a_step: "let_go",
    a_paused_queue: "pause_queue",
    a_resumed_queue: "resume_queue",
    turns_of_fair_keys: "fair_turns",
    a_view: "view",
    a_timer: "due",
    a_lost_lease: "reclaim",
    more_time: "extend",
    an_attempt_whose_time_is_over: "overdue",
    a_lease_of_a_newer_release: "reclaim",
    a_lost_message: "resend",
    a_prune: "prune",
    a_deletion: "delete",
    a_deleted_job: "delete_job",
    a_lost_row: "vanished",
    an_answer_of_a_lost_job: "vanished_answers",
    a_first_lead: "lead",
    a_longer_lead: "lead",
    an_end_of_a_lead: "resign",
    a_worker_that_stops: "forget",
    a_requeue: "requeue",
    a_damaged_member: "damage",
    a_late_start: "may_start",
    a_right_to_deliver: "hold_hook",
    lines_that_become_deliveries: "make_deliveries",
    a_first_attempt: "begin_delivery",
    an_attempt_that_ends: "end_delivery",
    a_replay: "replay_deliveries",
    a_dead_delivery_that_is_dropped: "drop_deliveries",
    a_hook_that_is_forgotten: "forget_hook",
    a_look_for_schedules: "due_schedules",
    a_pause_of_a_schedule: "hold_schedule",
    a_schedule_that_is_put_off: "put_off_schedule",
    a_schedule_that_is_removed: "remove_schedule",
    a_limit: "set_limit",
    a_limit_that_is_forgotten: "remove_limit",
    a_key_with_room: "let_in",
    a_place_without_a_lease: "look_at_limits",
}

#: Scripts that bring in something new.
REFUSED = {
    "submit", "submit_keyed", "stage", "bury", "name", "note", "annotate", "label", "keep_lines",
    "keep_input", "fork", "declare_hook", "test_hook", "tally", "keep_minute",
    "declare_schedules", "save_schedule", "fire_schedule", "trigger_schedule", "backfill_schedule",
}  # fmt: skip


@pytest.mark.attack(what="Scripts that free memory, or keep what exists, on a full server")
@pytest.mark.parametrize("prepare", GOES_ON, ids=lambda prepare: prepare.__name__)
def test_what_frees_or_keeps_goes_on(
    bench: Bench, prepare: Callable[[Bench], Callable[[], object]]
) -> None:
    """Jobs can be completed and ended, which frees memory."""
    act = prepare(bench)
    fill(bench)
    assert act()


def test_a_new_leader_takes_lost_leases_back(bench: Bench) -> None:
    """A full server takes renewals, so the grace for them begins and ends as ever."""
    bench.start(bench.submit(), lease=-1)
    times = iter([0.0, 0.0, 5.1, 5.1, 5.1])
    reclaimer = Reclaimer(bench.store, 9, interval=2.0, grace=5.0, clock=lambda: next(times))
    fill(bench)
    assert [reclaimer.run_once(), reclaimer.run_once()] == [0, 1]


def test_new_work_is_refused_as_a_whole(bench: Bench) -> None:
    """Nothing of it is there, and the same call works when there is room."""
    job = bench.submit()
    bench.start(job)
    before = bench.snapshot()
    request = bench.submission()
    fill(bench)
    with pytest.raises(WritesRefusedError, match="is full"):
        bench.send(request, bench.fields())
    with pytest.raises(WritesRefusedError, match="is full"):
        bench.stage(job, [(1, 0, "")])
    assert bench.snapshot() == before
    empty(bench)
    assert bench.send(request, bench.fields()) == request.job_id
    assert bench.stage(job, [(1, 0, "")]) == "ok"


def test_every_script_is_of_one_kind() -> None:
    """A new script has to be shown on a full server, or to be refused there for a reason."""
    assert set(GOES_ON.values()) | REFUSED == set(script_names())
    assert not set(GOES_ON.values()) & REFUSED


def test_the_page_names_the_scripts_that_are_refused() -> None:
    """The page on internals says which scripts a full server refuses."""
    page = (DOCS / "explanation/internals.md").read_text()
    (names,) = re.findall(r"^These are all scripts except (.+)\.$", page, re.M)
    assert set(re.findall(r"`(\w+)`", names)) == REFUSED
