"""Committing: everything that an invocation did becomes visible at once, and exactly once."""

from __future__ import annotations

import json

import pytest
from redis.exceptions import ResponseError

from flowforge.errors import CommandRefusedError
from tests.contract.bench import DEFINITION, Bench, record


def test_the_last_commit_completes_the_job(bench: Bench) -> None:
    """A job is complete when nothing is outstanding; what it worked with goes."""
    job = bench.submit(mode="o")
    bench.start(job)
    assert bench.commit(job) == "ok"
    assert bench.status(job) == "completed"
    assert bench.counters(job) == (0, 0, 0, 0)
    assert list(bench.members("status", "completed")) == [job]
    assert bench.members("status", "running") == {}
    for name in ("invocations", "claims", "parked", "merges"):
        assert bench.hash(name, job) == {}
    assert bench.members("leases") == {}
    assert bench.history(job)[-1] == ("completed", "1.0.0")


def test_a_second_commit_is_done(bench: Bench) -> None:
    """A commit whose reply was lost and that is sent again changes nothing and pushes nothing."""
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job, emitted=[(1, 0, "")]) == "ok"
    before = bench.snapshot()
    assert bench.commit(job, emitted=[(1, 0, "")]) == "done"
    assert bench.snapshot() == before


def test_a_stale_token_commits_nothing(bench: Bench) -> None:
    """A worker whose lease was taken back cannot commit what another one runs now."""
    job = bench.submit()
    bench.start(job, token="t1", lease=-1)
    bench.reclaim(9, 10)
    before = bench.snapshot()
    assert bench.commit(job, token="t1", emitted=[(1, 0, "")]) == "stale"
    assert bench.snapshot() == before
    bench.start(job, token="t2")
    assert bench.commit(job, token="t1") == "stale"
    assert bench.commit(job, token="t2") == "ok"
    assert bench.commit(job, token="t1") == "done"


def test_an_unclaimed_invocation_cannot_be_committed(bench: Bench) -> None:
    """Knowing the ids is not enough: only a claim gives the right to commit."""
    job = bench.submit()
    before = bench.snapshot()
    assert bench.commit(job, token="guess") == "stale"
    assert bench.snapshot() == before


def test_a_commit_of_an_unknown_job_is_gone(bench: Bench) -> None:
    """The job may have been forgotten under a very long handler."""
    assert bench.commit("nosuchjob") == "gone"
    assert bench.every_key() == set()


def test_a_commit_after_the_cancel_is_dropped(bench: Bench) -> None:
    """What ran while its job was cancelled pushes nothing, and its lease is gone."""
    job = bench.submit()
    bench.start(job)
    bench.store.control.cancel(job, "")
    pushed = bench.sent()
    assert bench.commit(job, emitted=[(1, 0, "")], outputs=[b"x"]) == "dropped"
    assert bench.sent() == pushed
    assert bench.outputs(job) == []
    assert bench.members("leases") == {}
    assert bench.status(job) == "cancelled"
    assert bench.hash("routines", job)["0.dropped"] == b"1"


def test_a_commit_after_the_failure_waits_for_the_retry(bench: Bench) -> None:
    """What ran while its job failed is not accepted; it runs again when the job is retried."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(job, "2.1.0", "t2")
    bench.start(job, "3.1.1", "t3")
    bench.fail(job, "2.1.0", "t2")
    assert bench.commit(job, "3.1.1", "t3", emitted=[(1, 0, "")]) == "dropped"
    assert bench.invocations(job) == {"2.1.0", "3.1.1"}
    assert bench.parked(job) == ["2.1.0", "3.1.1"]
    assert bench.members("leases") == {}


@pytest.mark.parametrize("outcome", ["completed", "error_continued", "skipped"])
def test_the_outcome_is_counted(bench: Bench, outcome: str) -> None:
    """How an invocation ended shows in the routine's counters, its status and the history."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, outcome=outcome)
    routine = bench.hash("routines", job)
    assert routine["0.started"] == routine[f"0.{outcome}"] == b"1"
    assert routine["0.status"] == outcome.encode()
    assert routine["0.micros"] == routine["0.latest"] == b"5"
    assert bench.history(job)[-1] == (outcome, "1.0.0")


def test_emitted_invocations_are_numbered_and_pushed(bench: Bench) -> None:
    """Each gets the next number of its job and one message on its routine's list."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (2, 1, ""), (1, 0, "")])
    assert bench.invocations(job) == {"2.1.0", "3.2.1", "4.1.0"}
    assert bench.hash("invocations", job)["3.2.1"] == record(1, r=2, s=1)
    assert bench.sent() == [(job, "1.0.0"), (job, "2.1.0"), (job, "4.1.0")]
    assert bench.sent(bench.other_list) == [(job, "3.2.1")]
    assert bench.counters(job) == (3, 0, 0, 0)
    assert bench.row(job)["last"] == "4"


def test_a_message_carries_its_own_ids(bench: Bench) -> None:
    """Task, id, routing key and delivery tag of a message belong to one push of one invocation."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(2, 1, "m")])
    (message,) = bench.messages(bench.other_list)
    assert message["headers"]["task"] == "t.R2"
    assert message["headers"]["id"] == f"{job}-2"
    assert message["headers"]["root_id"] == job
    assert message["headers"]["argsrepr"] == f"({job}, s1)"
    assert message["properties"]["correlation_id"] == f"{job}-2"
    assert message["properties"]["delivery_tag"] == f"{job}-2-{bench.number(job, '2.2.1.1')}"
    assert message["properties"]["delivery_info"]["routing_key"] == bench.other_list
    assert json.loads(message["body"])[:2] == [[job, "2.2.1.1"], {}]


def test_pushes_of_a_list_are_numbered(bench: Bench) -> None:
    """The unclaimed of a list are known by push number, whichever job they belong to."""
    first, second = bench.submit(), bench.submit()
    before = bench.number(second)
    assert bench.number(first) < before
    bench.start(first)
    bench.commit(first, emitted=[(1, 0, ""), (2, 0, "")])
    assert list(bench.unclaimed()) == [f"{second}/1.0.0", f"{first}/2.1.0"]
    assert list(bench.unclaimed(bench.other_list)) == [f"{first}/3.2.0"]
    assert before < bench.number(first, "2.1.0")
    assert bench.hash("sequences") == {
        bench.list: b"%d" % bench.number(first, "2.1.0"),
        bench.other_list: b"%d" % bench.number(first, "3.2.0"),
    }


def test_a_push_number_tells_the_time_of_the_push(bench: Bench) -> None:
    """In hundredths of a millisecond of the server's clock, a tenth of a second behind at most."""
    for push in (bench.submit, lambda: bench.submit(routine=2)):
        before = bench.now()
        job = push()
        (invocation,) = bench.hash("invocations", job)
        assert before - 100 <= bench.number(job, invocation) / 100 <= bench.now() + 1


def test_push_numbers_never_fall(bench: Bench) -> None:
    """Not when the clock was set back: what lies on a list is told from what was popped by them."""
    ahead = (bench.now() + 3_600_000) * 100
    bench.link.call("HSET", bench.key("sequences"), bench.list, ahead)
    assert bench.number(bench.submit()) == ahead + 1
    assert bench.start(bench.submit()).queued_ms == 0


def test_a_claim_tells_how_long_the_message_waited(bench: Bench) -> None:
    """By its push number; what was numbered before numbers were times tells nothing."""
    job, old = bench.submit(), bench.submit()
    past = (bench.now() - 5000) * 100
    for one, number in ((job, past), (old, 7)):
        bench.link.call("ZADD", bench.key("unclaimed", bench.list), number, f"{one}/1.0.0")
    assert 4900 <= bench.start(job).queued_ms <= 60_000
    assert bench.start(job).queued_ms == 0, "the reply was lost: it is not asked again"
    assert bench.start(old).queued_ms == 0


def test_max_in_flight_is_respected_and_what_is_parked_is_fifo(bench: Bench) -> None:
    """No more than the window is in the broker and in workers; the rest follows in order."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 5)
    assert bench.parked(job) == ["4.1.0", "5.1.0", "6.1.0"]
    order = []
    for number in range(2, 7):
        queued, running, _, _ = bench.counters(job)
        assert queued + running <= 2
        invocation = f"{number}.1.0"
        order.append(invocation)
        bench.start(job, invocation, invocation)
        assert bench.commit(job, invocation, invocation) == "ok"
    assert [invocation for _, invocation in bench.sent()] == ["1.0.0", *order]
    assert bench.status(job) == "completed"


def test_an_emitted_invocation_is_parked_behind_what_is_parked(bench: Bench) -> None:
    """What is emitted later does not overtake what waits already."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 3)
    bench.start(job, "2.1.0", "t2")
    bench.commit(job, "2.1.0", "t2", emitted=[(2, 0, "")])
    assert [invocation for _, invocation in bench.sent()] == ["1.0.0", "2.1.0", "3.1.0", "4.1.0"]
    assert bench.parked(job) == ["5.2.0"]


def test_an_emission_to_an_unknown_slot_refuses_the_whole_commit(bench: Bench) -> None:
    """Validation comes before the first write: nothing of such a commit is kept."""
    job = bench.submit()
    bench.start(job)
    before = bench.snapshot()
    with pytest.raises((ResponseError, CommandRefusedError)):
        bench.commit(job, emitted=[(1, 0, ""), (1, 9, "")], outputs=[b"x"])
    assert bench.snapshot() == before
    assert bench.commit(job, emitted=[(1, 0, "")]) == "ok"


def test_outputs_are_kept_up_to_the_limit(bench: Bench) -> None:
    """The first outputs of a job are kept, all are counted."""
    job = bench.submit(output_limit=3)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")], outputs=[b"a", b"b"])
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", outputs=[b"c", b"d"])
    assert bench.outputs(job) == [b"a", b"b", b"c"]
    assert bench.row(job)["output_count"] == "4"


def test_stats_change_in_the_order_they_were_made(bench: Bench) -> None:
    """Adding, setting and resetting apply one after the other, and to the own routine only."""
    job = bench.submit()
    bench.start(job)
    changes = [
        ("add", "0.n", "2"), ("add", "0.n", "0.5"), ("number", "0.set", "7"),
        ("add", "0.set", "1"), ("set", "0.text", b"packed"), ("number", "1.n", "1"),
        ("number", "10.n", "5"),
    ]  # fmt: skip
    bench.commit(job, emitted=[(1, 0, "")], stats=changes)
    found = bench.hash("stats", job)
    assert found == {
        "n0.n": b"2.5", "n0.set": b"8", "v0.text": b"packed", "n1.n": b"1", "n10.n": b"5",
    }  # fmt: skip
    bench.start(job, "2.1.0")
    changes = [
        ("set", "0.n", b"now text"), ("number", "0.text", "3"), ("reset", "1.", ""),
        ("add", "1.m", "1"),
    ]  # fmt: skip
    bench.commit(job, "2.1.0", stats=changes)
    found = bench.hash("stats", job)
    assert found == {
        "v0.n": b"now text", "n0.set": b"8", "n0.text": b"3", "n10.n": b"5", "n1.m": b"1",
    }  # fmt: skip


def test_a_stat_beyond_all_numbers_does_not_break_the_commit(bench: Bench) -> None:
    """A sum that cannot be represented is left as it was; the commit is accepted."""
    job = bench.submit()
    bench.start(job)
    stats = [("number", "0.n", "5"), ("add", "0.n", "1" + "0" * 6000), ("add", "0.m", "1")]
    assert bench.commit(job, stats=stats) == "ok"
    assert bench.hash("stats", job) == {"n0.n": b"5", "n0.m": b"1"}


def test_merging_slots_keep_a_log(bench: Bench) -> None:
    """Deliveries to a merging slot get the positions 1 to N, once each."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m"), (1, 1, "m"), (1, 0, "m"), (2, 0, "o")])
    assert bench.invocations(job) == {"2.1.0.1", "3.1.1.1", "4.1.0.2", "5.2.0"}
    assert bench.hash("merges", job) == {
        "1.0": b"2", "1.0.1": record(1, r=1, s=0), "1.0.2": record(1, r=1, s=0),
        "1.1": b"1", "1.1.1": record(1, r=1, s=1), "2.0.last": record(1, r=2, s=0),
    }  # fmt: skip


def test_a_reset_consumes_what_was_delivered(bench: Bench) -> None:
    """A reset up to a position only moves forward; -1 takes all so far and the latest payload."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m")] * 3 + [(2, 0, "o")])
    bench.start(job, "3.1.0.2")
    bench.commit(job, "3.1.0.2", resets=[("1.0", 2)])
    assert bench.hash("merges", job)["1.0.base"] == b"2"
    bench.start(job, "2.1.0.1")
    bench.commit(job, "2.1.0.1", resets=[("1.0", 1)])
    assert bench.hash("merges", job)["1.0.base"] == b"2"
    bench.start(job, "4.1.0.3")
    bench.commit(job, "4.1.0.3", resets=[("1.0", -1), ("2.0", -1)])
    merges = bench.hash("merges", job)
    assert merges["1.0.base"] == b"3"
    assert "2.0.last" not in merges
    assert "2.0.base" not in merges


def test_a_reset_takes_the_deliveries_of_its_own_commit(bench: Bench) -> None:
    """What a handler emits to the slot that it resets counts as delivered so far."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m")], resets=[("1.0", -1)])
    assert bench.hash("merges", job)["1.0.base"] == b"1"


def test_a_commit_without_its_definition_is_accepted(bench: Bench) -> None:
    """Without emissions a commit needs no routes; what is queued then fails at its claim."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 0, "")])
    bench.start(job, "2.1.0")
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    assert bench.commit(job, "2.1.0") == "ok"
    assert bench.claim(job, "3.1.0", "t3") == "dropped"
    assert bench.status(job) == "failed"


def test_a_large_fan_out_is_one_commit(bench: Bench) -> None:
    """Thousands of emissions fit: no limit of Lua's stack shows."""
    job = bench.submit(max_in_flight=10_000)
    bench.start(job)
    assert bench.commit(job, emitted=[(1, 0, "")] * 5000) == "ok"
    queued, _, waiting, _ = bench.counters(job)
    assert queued + waiting == 5000 == len(bench.invocations(job))
    assert len(bench.parked(job)) == waiting
