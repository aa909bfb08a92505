"""Mending by hand: invocations that are parked or on a timer are edited, skipped, made to run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowforge.codec.binary import pack_record
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.mending import Edit
from tests.contract.bench import LONG, Bench, record

NEW = record(0, n="new")

#: Mends invocation 1.0.0, whatever the job is.
ACTIONS: dict[str, Callable[[Bench, str, str], str]] = {
    "edit": lambda bench, job, invocation: bench.edit(job, invocation, NEW),
    "skip": lambda bench, job, invocation: bench.skip(job, invocation),
    "run_now": lambda bench, job, invocation: bench.run_now(job, invocation),
}


def failed(bench: Bench, **changes: object) -> str:
    """A failed job, whose only invocation is parked."""
    job = bench.submit(**changes)  # type: ignore[arg-type]
    bench.start(job)
    bench.fail(job)
    return job


def on_timer(bench: Bench, **changes: object) -> str:
    """A running job whose only invocation is on a timer."""
    job = bench.submit(**changes)  # type: ignore[arg-type]
    bench.start(job)
    bench.retry_later(job, delay=LONG)
    return job


@pytest.mark.parametrize("make", [failed, on_timer])
def test_an_edit_replaces_the_record(bench: Bench, make: Callable[[Bench], str]) -> None:
    """The next attempt gets the new one; the history says so."""
    job = make(bench)
    assert bench.edit(job, "1.0.0", NEW) == "ok"
    assert bench.history(job)[-1] == ("edited", "1.0.0")
    assert bench.run_now(job, "1.0.0") == ("failed" if make is failed else "ok")
    if make is failed:
        assert bench.store.control.retry(job) == "ok"
    assert bench.start(job).record == NEW


def test_several_are_edited_or_none(bench: Bench) -> None:
    """One that cannot be edited keeps the others as they are."""
    job = bench.submit()
    bench.start(job)
    bench.pause(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    before = bench.hash("invocations", job)
    details = pack_record("anna", [])
    edits = [Edit(name, before[name], NEW, details) for name in ("2.1.0", "3.1.1")]
    stored = bench.snapshot()
    late = [edits[0], edits[1]._replace(before=b"other")]
    assert bench.store.mending.edit(job, late) == ("changed", "3.1.1")
    assert bench.snapshot() == stored
    assert bench.store.mending.edit(job, edits) == ("ok", None)
    assert set(bench.hash("invocations", job).values()) == {NEW}


def test_of_two_edits_one_wins(bench: Bench) -> None:
    """The second one has looked at params that are not there any more."""
    job = on_timer(bench)
    before = bench.hash("invocations", job)["1.0.0"]
    assert bench.edit(job, "1.0.0", NEW, before) == "ok"
    assert bench.edit(job, "1.0.0", record(0, n="other"), before) == "changed"
    assert bench.hash("invocations", job)["1.0.0"] == NEW


@pytest.mark.parametrize(("slot", "mode", "field"), [(0, "m", "0.0.1"), (1, "o", "0.1.last")])
def test_an_edit_reaches_what_the_slot_keeps(
    bench: Bench, slot: int, mode: str, field: str
) -> None:
    """The log of a slot that merges, and the latest delivery of one that does not."""
    job = bench.submit(slot=slot, mode=mode)
    invocation = f"1.0.{slot}" + (".1" if mode == "m" else "")
    bench.start(job, invocation)
    bench.retry_later(job, invocation, delay=LONG)
    assert bench.edit(job, invocation, NEW) == "ok"
    assert bench.hash("merges", job)[field] == NEW


def test_an_edit_leaves_a_later_delivery_alone(bench: Bench) -> None:
    """What a slot remembers is its latest delivery, edited or not."""
    job = bench.submit(slot=1, mode="o")
    bench.pause(job)
    bench.claim(job, "1.0.1")
    latest = record(0, n="latest")
    bench.link.call("HSET", bench.key("merges", job), "0.1.last", latest)
    assert bench.edit(job, "1.0.1", NEW) == "ok"
    assert bench.hash("merges", job)["0.1.last"] == latest


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_is_queued_runs_or_is_done_is_refused(bench: Bench, action: str) -> None:
    """Nothing is changed; the answer says where it is."""
    job, act = bench.submit(), ACTIONS[action]
    for place in ("queued", "claimed", "done"):
        before = bench.snapshot()
        assert act(bench, job, "1.0.0") == place
        assert bench.snapshot() == before
        if place == "queued":
            bench.start(job)
        elif place == "claimed":
            bench.commit(job, emitted=[(1, 0, "")])


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_job_that_is_not_there_or_has_ended_is_refused(bench: Bench, action: str) -> None:
    """As by any control."""
    assert ACTIONS[action](bench, "none", "1.0.0") == "gone"
    job = bench.submit()
    bench.store.control.cancel(job, "")
    before = bench.snapshot()
    assert ACTIONS[action](bench, job, "1.0.0") == "cancelled"
    bench.link.call("HSET", bench.key("job", job), "v", 99)
    assert ACTIONS[action](bench, job, "1.0.0") == "newer"
    bench.link.call("HSET", bench.key("job", job), "v", 1)
    assert bench.snapshot() == before


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_waits_for_a_child_job_is_refused(bench: Bench, action: str) -> None:
    """Also when the failure of that job is what failed this one."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, jobs=[bench.child()])
    (waiter,) = bench.invocations(job)
    assert ACTIONS[action](bench, job, waiter) == "waits"
    bench.start("child")
    bench.fail("child")
    bench.start(job, waiter)
    bench.fail(job, waiter)
    assert ACTIONS[action](bench, job, waiter) == ("failed" if action == "run_now" else "waits")


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_request_that_is_sent_twice_is_met_once(bench: Bench, action: str) -> None:
    """The second answer is that of the first."""
    job, run = on_timer(bench), bench.store.scripts.run

    def twice(*arguments: object) -> object:
        run(*arguments)  # type: ignore[arg-type]
        return run(*arguments)  # type: ignore[arg-type]

    bench.store.scripts.run = twice  # type: ignore[method-assign, assignment]
    assert ACTIONS[action](bench, job, "1.0.0") == "ok"
    kinds = [kind for kind, _ in bench.history(job)]
    name = {"edit": "edited", "skip": "skipped_by_hand", "run_now": "run_now"}[action]
    assert kinds.count(name) == 1


def test_a_skip_is_a_commit(bench: Bench) -> None:
    """The invocation ends; its emissions and outputs are the job's; the job completes."""
    job = on_timer(bench)
    assert bench.skip(job, "1.0.0", [(1, 0, "")], [b"out"]) == "ok"
    assert bench.invocations(job) == {"2.1.0"}
    assert bench.counters(job) == (1, 0, 0, 0)
    assert (bench.outputs(job), bench.hash("claims", job)) == ([b"out"], {})
    assert bench.members("timers") == {}
    assert bench.history(job)[-1] == ("skipped_by_hand", "1.0.0")
    assert bench.hash("routines", job)["0.status"] == b"skipped"
    bench.start(job, "2.1.0")
    assert bench.commit(job, "2.1.0") == "ok"
    assert bench.status(job) == "completed"


def test_a_skip_of_the_last_invocation_completes_the_job(bench: Bench) -> None:
    """Nothing is left."""
    job = on_timer(bench)
    assert bench.skip(job, "1.0.0") == "ok"
    assert bench.status(job) == "completed"


def test_a_failed_job_stays_failed_until_its_retry(bench: Bench) -> None:
    """What was emitted is parked, as long as the job; the retry lets it go."""
    job = failed(bench)
    assert bench.skip(job, "1.0.0", [(1, 0, "m"), (1, 1, "o")], [b"out"]) == "ok"
    assert (bench.status(job), bench.counters(job)) == ("failed", (0, 0, 2, 0))
    for key in bench.every_key():
        if f":{job}" in key:
            assert bench.link.call("PTTL", key) > 0, key
    assert bench.store.control.retry(job) == "ok"
    assert bench.counters(job) == (2, 0, 0, 0)


def test_a_retry_whose_edit_another_has_replaced_is_none(bench: Bench) -> None:
    """Sent again after a lost reply it is the same request, whatever has been edited since."""
    job = failed(bench)
    own, other = record(0, n="own"), record(0, n="other")
    bench.edit(job, "1.0.0", own)
    bench.edit(job, "1.0.0", other)
    retry = bench.store.control.retry
    before = bench.snapshot()
    assert retry(job, edited={"1.0.0": own}) is Answer.CHANGED
    assert bench.snapshot() == before
    assert retry(job, edited={"1.0.0": other}) == "ok"
    assert bench.start(job).record == other
    assert retry(job, edited={"1.0.0": own}) == "running"


def test_a_failed_job_without_work_completes_with_its_retry(bench: Bench) -> None:
    """Its only invocation was skipped."""
    job = failed(bench)
    assert bench.skip(job, "1.0.0") == "ok"
    assert bench.status(job) == "failed"
    assert bench.store.control.retry(job) == "ok"
    assert bench.status(job) == "completed"


def test_a_skip_while_paused_is_parked(bench: Bench) -> None:
    """Its emissions start with the resume."""
    job = on_timer(bench)
    bench.pause(job)
    assert bench.skip(job, "1.0.0", [(1, 0, "")]) == "ok"
    assert bench.counters(job) == (0, 0, 1, 0)
    assert bench.store.control.resume(job) == "ok"
    assert bench.counters(job) == (1, 0, 0, 0)


@pytest.mark.parametrize("by_retry", [False, True])
def test_a_skip_lets_a_join_of_all_fire(bench: Bench, by_retry: bool) -> None:
    """Its emission is among the items."""
    job = bench.submit("1.0 all 0 fail 0")
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (1, 0, "j0:"), (0, 1, "")])
    bench.start(job, "2.0.0")
    bench.commit(job, "2.0.0", emitted=[(1, 0, "j0:")])
    bench.start(job, "4.0.1")
    if by_retry:
        bench.fail(job, "4.0.1")
    else:
        bench.retry_later(job, "4.0.1", delay=LONG)
    assert bench.skip(job, "4.0.1", [(1, 0, "j0:")]) == "ok"
    assert bench.hash("joins", job) == {}
    if by_retry:
        assert bench.parked(job) == ["3.1.0"]
        bench.store.control.retry(job)
    assert bench.start(job, "3.1.0").record == b"J3 "
    assert bench.commit(job, "3.1.0", resets=[("", 3)]) == "ok"
    assert bench.status(job) == "completed"


def test_a_skip_fills_a_count(bench: Bench) -> None:
    """The item that was missing comes from the operator."""
    job = bench.submit("1.0 count 0 fail 0")
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "j2:"), (0, 0, "")])
    bench.start(job, "3.0.0")
    bench.retry_later(job, "3.0.0", delay=LONG)
    assert bench.skip(job, "3.0.0", [(1, 0, "j2:")]) == "ok"
    assert bench.start(job, "2.1.0").record == b"J2 "


def test_a_join_is_skipped_with_its_items(bench: Bench) -> None:
    """It is not edited: it has no params of its own."""
    job = bench.submit("1.0 count 0 fail 0")
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "j2:")] * 2)
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    assert bench.edit(job, "2.1.0", NEW) == "join"
    assert bench.skip(job, "2.1.0") == "ok"
    assert bench.hash("collected", job) == {}
    bench.store.control.retry(job)
    assert bench.status(job) == "completed"


def test_a_skip_ends_what_a_merging_slot_keeps_for_it(bench: Bench) -> None:
    """As a commit does: the log can be trimmed when it has been consumed."""
    job = bench.submit(slot=0, mode="m")
    bench.start(job, "1.0.0.1")
    bench.store.invocations.view(job, "1.0.0.1", "t", 10)
    bench.retry_later(job, "1.0.0.1", delay=LONG)
    assert bench.hash("merges", job)["0.0.f1"] == b"0"
    bench.pause(job)
    assert bench.skip(job, "1.0.0.1") == "ok"
    assert "0.0.f1" not in bench.hash("merges", job)


def test_lanes_are_counted(bench: Bench) -> None:
    """A job on several queues: what is taken from a lane makes no room that is not there."""
    request = bench.submission()
    bench.send(request, {**bench.fields(), "queues": 2})
    job = request.job_id
    bench.start(job)
    bench.pause(job)
    bench.commit(job, emitted=[(1, 0, ""), (2, 0, ""), (2, 1, "")])
    assert bench.counters(job) == (0, 0, 3, 0)
    assert bench.edit(job, "3.2.0", NEW) == "ok"
    assert bench.skip(job, "3.2.0", [(1, 1, "")]) == "ok"
    assert bench.hash("lanes", job)[f"w{bench.other_list}"] == b"1"
    assert bench.counters(job) == (0, 0, 3, 0)
    bench.store.control.resume(job)
    assert bench.counters(job) == (3, 0, 0, 0)
    assert sorted(bench.unclaimed()) == [f"{job}/2.1.0", f"{job}/5.1.1"]
    assert list(bench.unclaimed(bench.other_list)) == [f"{job}/4.2.1"]


def test_a_skip_beside_staged_work(bench: Bench) -> None:
    """What is staged is released in its turn, and an all-join waits for it."""
    job = bench.submit("1.0 all 0 fail 0", max_in_flight=1)
    bench.start(job)
    bench.stage(job, [(0, 0, "")] * 2 + [(1, 0, "j0:")])
    bench.commit(job, staged={0: 2, 1: 1})
    bench.start(job, "2.0.0")
    bench.retry_later(job, "2.0.0", delay=LONG)
    assert bench.skip(job, "2.0.0", [(1, 0, "j0:")]) == "ok"
    while unclaimed := bench.unclaimed():
        invocation = next(iter(unclaimed)).partition("/")[2]
        claim = bench.start(job, invocation)
        bench.commit(job, invocation, resets=[("", 2)] if claim.record[:1] == b"J" else [])
    assert bench.status(job) == "completed"


def test_a_skip_of_a_definition_without_the_slot_changes_nothing(server_bench: Bench) -> None:
    """It is checked before anything is written."""
    bench = server_bench
    job = on_timer(bench)
    before = bench.snapshot()
    with pytest.raises(Exception, match="FFDEFINITION"):
        bench.skip(job, "1.0.0", [(7, 0, "")])
    assert bench.snapshot() == before


def test_what_is_made_to_run_is_queued(bench: Bench) -> None:
    """Its attempts go on to count."""
    job = on_timer(bench)
    assert bench.run_now(job, "1.0.0") == "ok"
    assert bench.counters(job) == (1, 0, 0, 0)
    assert bench.members("timers") == {}
    assert bench.history(job)[-1] == ("run_now", "1.0.0")
    assert bench.start(job).claims == 2


def test_what_is_parked_is_not_made_to_run(bench: Bench) -> None:
    """It waits for room, not for a time; a paused or failed job is to go on first."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    assert bench.run_now(job, "3.1.1") == "parked"
    bench.pause(job)
    assert bench.run_now(job, "3.1.1") == "paused"
    assert bench.run_now(failed(bench), "1.0.0") == "failed"


def test_the_history_says_who_retried(bench: Bench) -> None:
    """And why."""
    job = failed(bench)
    assert bench.store.control.retry(job, "anna", "fix 312") == "ok"
    (entry,) = bench.link.call("XREVRANGE", bench.key("history", job), "+", "-", "COUNT", 1)
    assert pack_record("anna", "fix 312") in entry[1]
