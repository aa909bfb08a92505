"""Debounced jobs: calls of one key that come one after another make one job, once and in time."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import TRACED_VERSION, pack_record, read_kept, traced_record
from flowforge.model.times.start import Start
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.keyed_submission import MOST_CALL_BYTES, MOST_CALLS, NewerJob
from tests.contract.bench import Bench, record
from tests.contract.keyed import call, keyed, messages, params_of, run
from tests.support.virtual_clock import VirtualClock

BY = pack_record("anna")


def debounced(bench: Bench, n: int = 0, **changes: Any) -> Any:
    return call(bench, **{"debounce": "k", "params": {"n": n}, **changes})


def test_calls_of_one_key_are_one_job(timed_bench: Bench, clock: VirtualClock) -> None:
    """It starts when for its whole time no call came, with the params of the last one."""
    first = debounced(timed_bench, 1)
    assert (first.how, first.calls) == ("created", 1)
    for n in (2, 3):
        clock.advance(seconds=4)
        assert debounced(timed_bench, n) == (first.job_id, "debounce", n)
    clock.advance(seconds=4)
    assert messages(timed_bench) == []
    clock.advance(seconds=1)
    assert messages(timed_bench) == [first.job_id]
    assert params_of(timed_bench, first.job_id) == {"n": 3}
    assert Inspector(timed_bench.store).calls(first.job_id) == 3
    run(timed_bench, first.job_id)


def test_a_call_behind_the_start_makes_a_new_job(timed_bench: Bench, clock: VirtualClock) -> None:
    """From the moment on at which the first one is due, though it runs still."""
    first = debounced(timed_bench, 1)
    clock.advance(seconds=5)
    second = debounced(timed_bench, 2)
    assert second.how == "created"
    assert second.job_id != first.job_id
    assert params_of(timed_bench, first.job_id) == {"n": 1}
    run(timed_bench, first.job_id)
    # The end of the first one leaves the key to the second.
    assert debounced(timed_bench, 3)[:2] == (second.job_id, "debounce")


def test_at_most_counts_from_the_first_call(timed_bench: Bench, clock: VirtualClock) -> None:
    """However many follow, and whatever they say of it themselves."""
    first = debounced(timed_bench, 0, at_most_ms=12_000)
    for n in (1, 2):
        clock.advance(seconds=4)
        assert debounced(timed_bench, n, at_most_ms=60_000).job_id == first.job_id
    row = timed_bench.row(first.job_id)
    assert int(row["due"]) == int(row["created"]) + 12_000
    clock.advance(seconds=4)
    assert messages(timed_bench) == [first.job_id]


def test_the_first_params_can_be_kept(timed_bench: Bench) -> None:
    """The others are counted alone; how a job keeps them is what its first call says."""
    first = debounced(timed_bench, 1, keep="first")
    assert debounced(timed_bench, 2, keep="last").calls == 2
    assert params_of(timed_bench, first.job_id) == {"n": 1}


def test_all_params_can_be_kept(timed_bench: Bench) -> None:
    """As a list in the order of the calls, which the job's own entry params are too."""
    first = debounced(timed_bench, 0, keep="all")
    assert params_of(timed_bench, first.job_id) == {"items": [{"n": 0}]}
    for n in range(1, 300):
        assert debounced(timed_bench, n).calls == n + 1
    expected = {"items": [{"n": n} for n in range(300)]}
    assert params_of(timed_bench, first.job_id) == expected
    assert Inspector(timed_bench.store).params(first.job_id) == expected


def test_kept_params_follow_the_last_call(timed_bench: Bench) -> None:
    """What a rerun of the job begins with."""
    first = debounced(timed_bench, 1)
    debounced(timed_bench, 2)
    assert Inspector(timed_bench.store).params(first.job_id) == {"n": 2}
    call(timed_bench, debounce="k")
    assert Inspector(timed_bench.store).params(first.job_id) == {}


def test_a_trace_stays_behind_the_list(timed_bench: Bench) -> None:
    """All calls are in the trace of the first one."""
    one = keyed(timed_bench, debounce="k", keep="all", params={"n": 0})
    traced = traced_record(one.job.job.record, pack_record("trace"))
    job = one.job._replace(job=one.job.job._replace(record=traced))
    found = type(one)(one.common, job).send(timed_bench)
    assert isinstance(found, list)
    debounced(timed_bench, 1)
    record = timed_bench.hash("invocations", found[0].job_id)["1.0.0"]
    assert record[1] == TRACED_VERSION
    assert read_kept(record, "") == {"items": [{"n": 0}, {"n": 1}]}
    assert record.endswith(pack_record("trace"))


@pytest.mark.parametrize("size", [0, MOST_CALL_BYTES // 4])
def test_a_full_job_starts_and_another_waits(
    timed_bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """By the number of its calls, and by their bytes."""
    monkeypatch.setattr(
        "flowforge.store.transitions.keyed_submission.MOST_CALLS", 3 if not size else MOST_CALLS
    )
    params = {"data": b"x" * size}
    first = call(timed_bench, debounce="k", keep="all", params=params)
    for _ in range(2):
        assert call(timed_bench, debounce="k", params=params).job_id == first.job_id
    second = call(timed_bench, debounce="k", keep="all", params=params)
    assert (second.how, second.calls) == ("created", 1)
    assert messages(timed_bench) == [first.job_id]
    assert len(params_of(timed_bench, first.job_id)["items"]) == 3
    assert call(timed_bench, debounce="k", params=params).job_id == second.job_id


def test_a_call_that_is_sent_twice_counts_once(timed_bench: Bench) -> None:
    """The reply was lost; also when the job has begun meanwhile."""
    first = keyed(timed_bench, debounce="k", keep="all", params={"n": 1})
    second = keyed(timed_bench, debounce="k", params={"n": 2})
    job_id = first.job.job.job_id
    for one in (first, first, second, second, first):
        found = one.send(timed_bench)
        assert isinstance(found, list)
        assert found[0].job_id == job_id
    assert params_of(timed_bench, job_id) == {"items": [{"n": 1}, {"n": 2}]}
    assert timed_bench.store.mending.run_now(job_id, "", BY) is Answer.OK
    found = second.send(timed_bench)
    assert found == [(job_id, "debounce", 2)]


def test_an_idempotency_key_counts_once(timed_bench: Bench) -> None:
    """A call with a key that is known finds its job, and changes nothing."""
    first = debounced(timed_bench, 1, idempotency_key="a")
    second = debounced(timed_bench, 2, idempotency_key="b")
    assert second == (first.job_id, "debounce", 2)
    for key in ("a", "b"):
        assert debounced(timed_bench, 9, idempotency_key=key) == (first.job_id, "key", 2)
    assert params_of(timed_bench, first.job_id) == {"n": 2}


def test_the_keys_of_further_calls_live_as_long_as_the_job(timed_bench: Bench) -> None:
    """Its retention counts for them, a retry keeps them, and its deletion frees them."""
    first = debounced(timed_bench, 1)
    debounced(timed_bench, 2, idempotency_key="b")
    key = timed_bench.key("idempotency", "b")
    timed_bench.store.mending.run_now(first.job_id, "", BY)
    timed_bench.start(first.job_id)
    assert timed_bench.link.call("PTTL", key) == -1
    timed_bench.fail(first.job_id)
    assert timed_bench.link.call("PTTL", key) > 0
    assert timed_bench.store.control.retry(first.job_id) is Answer.OK
    assert timed_bench.link.call("PTTL", key) == -1
    run(timed_bench, first.job_id)
    assert timed_bench.store.control.delete(first.job_id) is Answer.OK
    assert timed_bench.link.call("KEYS", f"{timed_bench.keys.root}*idem*") == []
    assert timed_bench.link.call("KEYS", f"{timed_bench.keys.root}*keys*") == []


def test_the_keys_of_further_calls_outlive_the_wait_for_an_undo(timed_bench: Bench) -> None:
    """As the job does: a call with one of them must not make another job meanwhile."""
    first = debounced(timed_bench, 1)
    debounced(timed_bench, 2, idempotency_key="b")
    names = (("idempotency", "b"), ("further_keys", first.job_id))

    def times() -> list[int]:
        return [timed_bench.link.call("PTTL", timed_bench.key(*name)) for name in names]

    timed_bench.store.mending.run_now(first.job_id, "", BY)
    timed_bench.start(first.job_id)
    timed_bench.commit(first.job_id, emitted=[(0, 0, "")], undo=record(1, charge="c1"))
    timed_bench.start(first.job_id, "2.0.0", "t2")
    assert timed_bench.store.control.cancel(first.job_id, "", "", True) is Answer.OK
    assert timed_bench.row(first.job_id)["undo"] == "waits"
    assert times() == [-1, -1]
    assert timed_bench.fail(first.job_id, "2.0.0", "t2") == "dropped"
    assert min(times()) > 0


@pytest.mark.parametrize("ends", ["start_now", "cancel", "skip", "fail"])
def test_whatever_ends_the_waiting_frees_the_key(timed_bench: Bench, ends: str) -> None:
    """The next call makes a new job."""
    first = debounced(timed_bench, 1)
    if ends == "start_now":
        assert timed_bench.store.mending.run_now(first.job_id, "", BY) is Answer.OK
    elif ends == "cancel":
        assert timed_bench.store.control.cancel(first.job_id, "") is Answer.OK
    elif ends == "skip":
        assert timed_bench.skip(first.job_id, "1.0.0") is Answer.OK
    else:
        timed_bench.store.mending.run_now(first.job_id, "", BY)
        timed_bench.start(first.job_id)
        timed_bench.fail(first.job_id)
    assert debounced(timed_bench, 2).how == "created"


def test_the_end_of_the_job_removes_the_key(timed_bench: Bench, clock: VirtualClock) -> None:
    """Nothing is left of it."""
    first = debounced(timed_bench, 1)
    clock.advance(seconds=5)
    run(timed_bench, first.job_id)
    assert timed_bench.hash("debounce", "k") == {}


def test_a_job_that_is_gone_is_not_waited_for(timed_bench: Bench) -> None:
    """Its row was deleted by hand; the key has a time to live besides."""
    first = debounced(timed_bench, 1)
    timed_bench.link.call("DEL", timed_bench.key("job", first.job_id))
    assert timed_bench.link.call("PTTL", timed_bench.key("debounce", "k")) > 0
    assert debounced(timed_bench, 2).how == "created"


def test_a_paused_job_takes_calls_until_it_is_due(timed_bench: Bench, clock: VirtualClock) -> None:
    """Then it is parked, and the next call makes another one."""
    first = debounced(timed_bench, 1)
    timed_bench.pause(first.job_id)
    assert debounced(timed_bench, 2).job_id == first.job_id
    clock.advance(seconds=5)
    assert debounced(timed_bench, 3).how == "created"
    timed_bench.store.control.resume(first.job_id)
    assert messages(timed_bench) == [first.job_id]
    assert params_of(timed_bench, first.job_id) == {"n": 2}


def test_a_time_that_a_person_has_set_stays(timed_bench: Bench, clock: VirtualClock) -> None:
    """Further calls count, and move nothing; the key lives until then."""
    first = debounced(timed_bench, 1)
    day = 86_400_000
    for days in (1, 300):
        start = Start("+", days * day)
        assert timed_bench.store.mending.reschedule(first.job_id, "", start, BY) is Answer.OK
    clock.advance(days=200)
    assert debounced(timed_bench, 2).job_id == first.job_id
    clock.advance(days=99)
    assert messages(timed_bench) == []
    clock.advance(days=1)
    assert messages(timed_bench) == [first.job_id]


def test_params_that_an_operator_has_changed_start_as_they_are(timed_bench: Bench) -> None:
    """A list that is not as calls have made it takes no more of them."""
    first = debounced(timed_bench, 1, keep="all")
    edited = keyed(timed_bench, params={"items": []}).job.job.record
    assert timed_bench.edit(first.job_id, "1.0.0", edited) is Answer.OK
    assert debounced(timed_bench, 2).how == "created"
    assert messages(timed_bench) == [first.job_id]
    assert params_of(timed_bench, first.job_id) == {"items": []}


@pytest.mark.parametrize("mode", ["m", "o"])
def test_a_slot_that_keeps_its_deliveries_gets_one(
    timed_bench: Bench, clock: VirtualClock, mode: str
) -> None:
    """When the job is due."""
    first = debounced(timed_bench, 1, mode=mode)
    debounced(timed_bench, 2, mode=mode)
    clock.advance(seconds=5)
    invocation = "1.0.0.1" if mode == "m" else "1.0.0"
    assert params_of(timed_bench, first.job_id, invocation) == {"n": 2}
    timed_bench.start(first.job_id, invocation)
    timed_bench.commit(first.job_id, invocation)
    assert timed_bench.row(first.job_id)["status"] == "completed"


def test_many_calls_are_taken_in_one_script(timed_bench: Bench) -> None:
    """Those of one key are one job, in their order; others are jobs of their own."""
    ones = [keyed(timed_bench, debounce="k", keep="all", params={"n": n}) for n in range(3)]
    ones += [keyed(timed_bench, debounce="other"), keyed(timed_bench)]
    common, jobs = ones[0].common, [one.job for one in ones]
    submit = timed_bench.store.keyed_submissions.submit
    assert submit(common, jobs, 8192, None) is None
    found = submit(common, jobs, 8192, timed_bench.fields())
    assert isinstance(found, list)
    first = jobs[0].job.job_id
    assert found[:3] == [(first, "created", 1), (first, "debounce", 2), (first, "debounce", 3)]
    assert [one.how for one in found[3:]] == ["created", "created"]
    assert params_of(timed_bench, first) == {"items": [{"n": n} for n in range(3)]}
    assert timed_bench.hash("definition", common.definition)["active"] == b"3"


def test_a_definition_that_no_job_needs_is_not_kept(timed_bench: Bench) -> None:
    """A waiting job keeps the one that it has; that of a further call is gone again."""
    first = debounced(timed_bench, 1)
    one = keyed(timed_bench, debounce="k", params={"n": 2}, definition="later")
    assert one.send(timed_bench) == [(first.job_id, "debounce", 2)]
    assert timed_bench.hash("definition", "later") == {}
    assert params_of(timed_bench, first.job_id) == {"n": 2}


@pytest.mark.parametrize("params", [b"masked", b"large"])
def test_params_that_may_be_secret_stay_with_their_definition(
    timed_bench: Bench, params: bytes
) -> None:
    """A job of another version of the flow would show them: it starts, and a new one takes them."""
    first = debounced(timed_bench, 1, keep="all")
    again = keyed(timed_bench, debounce="k", params={"n": 2})
    job = again.job._replace(job=again.job.job._replace(params=params))
    assert type(again)(again.common, job).send(timed_bench) == [(first.job_id, "debounce", 2)]
    other = keyed(timed_bench, debounce="k", params={"n": 3}, definition="later")
    job = other.job._replace(job=other.job.job._replace(params=params))
    found = type(other)(other.common, job).send(timed_bench)
    assert found == [(job.job.job_id, "created", 1)]
    assert messages(timed_bench) == [first.job_id]
    assert params_of(timed_bench, first.job_id) == {"items": [{"n": 1}, {"n": 2}]}


def test_a_job_of_a_later_release_is_left_alone(timed_bench: Bench) -> None:
    """The call is refused: two jobs would wait for the key."""
    first = debounced(timed_bench, 1)
    timed_bench.link.call("HSET", timed_bench.key("job", first.job_id), "v", 99)
    assert keyed(timed_bench, debounce="k").send(timed_bench) == NewerJob(first.job_id)


def test_jobs_with_keys_say_so_in_their_version(timed_bench: Bench) -> None:
    """Earlier releases leave them to others; jobs without such a key are as before."""
    assert timed_bench.row(debounced(timed_bench).job_id)["v"] == "5"
    assert timed_bench.row(debounced(timed_bench, debounce="m", mode="m").job_id)["v"] == "7"
    assert timed_bench.row(timed_bench.submit())["v"] == "1"
