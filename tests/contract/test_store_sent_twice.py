"""Requests that are sent again, as a reply was lost, are answered as before and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.limit import LimitSettings
from flowforge.model.times.start import Start
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench, record
from tests.contract.keyed import call
from tests.contract.limit_work import declare, submit
from tests.contract.schedule_bench import HOUR, ScheduleBench

KIM = pack_record("kim", "why")


def send_twice(bench: Bench) -> None:
    """From now on each request is sent twice; the second time changes nothing."""
    run = bench.store.scripts.run

    def twice(script: str, *arguments: Argument) -> Any:
        answer = run(script, *arguments)
        before = bench.snapshot(), bench.hash("job_totals")
        assert run(script, *arguments) == answer
        assert (bench.snapshot(), bench.hash("job_totals")) == before
        return answer

    bench.store.scripts.run = twice  # type: ignore[method-assign]


def skipped(bench: Bench) -> None:
    """A call while the job of its key runs."""
    call(bench, single="k")
    send_twice(bench)
    assert call(bench, single="k").how == "single"


def debounced(bench: Bench) -> None:
    """A further call."""
    call(bench, debounce="k")
    send_twice(bench)
    assert call(bench, debounce="k").how == "debounce"


def queued(bench: Bench) -> None:
    """A call whose job waits for its turn."""
    call(bench, single="k", when_running="queue")
    send_twice(bench)
    assert call(bench, single="k", when_running="queue").how == "created"


def replaced(bench: Bench) -> None:
    """A call whose job takes the place of another."""
    call(bench, single="k", when_running="replace")
    send_twice(bench)
    assert call(bench, single="k", when_running="replace").how == "created"


def put_off(bench: Bench) -> None:
    """A job that starts later."""
    send_twice(bench)
    bench.submit(mode="+60000 :")


def moved(bench: Bench) -> None:
    """A job that starts at another time."""
    job = bench.submit(mode="+60000 :")
    send_twice(bench)
    assert bench.store.mending.reschedule(job, "", Start("+", 90_000), KIM) == "ok"


def started_now(bench: Bench) -> None:
    """A job that was put off starts."""
    job = bench.submit(mode="+60000 :")
    send_twice(bench)
    assert bench.store.mending.run_now(job, "", KIM) == "ok"


def schedule_saved(bench: Bench) -> None:
    """A schedule is stored."""
    made = ScheduleBench(bench)
    made.save()
    send_twice(bench)
    assert made.save(mark="m2") is Answer.OK


def schedule_held(bench: Bench) -> None:
    """A schedule is paused."""
    made = ScheduleBench(bench)
    made.save()
    send_twice(bench)
    assert made.scripts.pause("s", "kim", "why") is Answer.OK


def schedule_resumed(bench: Bench) -> None:
    """A schedule is resumed."""
    made = ScheduleBench(bench)
    made.save()
    made.scripts.pause("s", "kim", "why")
    send_twice(bench)
    assert made.scripts.resume("s", "kim", "why") is Answer.OK


def schedule_removed(bench: Bench) -> None:
    """A schedule is forgotten."""
    made = ScheduleBench(bench)
    made.save()
    send_twice(bench)
    assert made.scripts.remove("s") is Answer.OK


def backfilled(bench: Bench) -> None:
    """Times that have passed wait for their jobs; one of them waited before."""
    made = ScheduleBench(bench)
    made.save()
    first = made.next_time() - 3 * HOUR
    made.scripts.backfill("s", "", "kim", [(first, "b0")])
    send_twice(bench)
    times = [(first, "b1"), (first + HOUR, "b2")]
    assert made.scripts.backfill("s", "", "kim", times) == (Answer.OK, (0, 1, 1))


def triggered(bench: Bench) -> None:
    """A job of a schedule starts."""
    made = ScheduleBench(bench)
    made.save()
    send_twice(bench)
    assert made.scripts.trigger("s", "j", "", "kim") == (Answer.OK, "j")


def triggered_later(bench: Bench) -> None:
    """A job of a schedule waits for the end of another."""
    made = ScheduleBench(bench)
    made.save()
    made.scripts.trigger("s", "j", "", "kim")
    send_twice(bench)
    assert made.scripts.trigger("s", "j2", "queue", "kim") == (Answer.WAITS, "j2")


def queue_held(bench: Bench) -> None:
    """A queue is paused."""
    bench.submit()
    send_twice(bench)
    assert bench.store.queue_pauses.pause("q", [bench.list], "kim", "why")


def queue_resumed(bench: Bench) -> None:
    """A queue is resumed."""
    bench.submit()
    bench.store.queue_pauses.pause("q", [bench.list], "kim", "why")
    send_twice(bench)
    assert bench.store.queue_pauses.resume("q", [bench.list])


def limit_set(bench: Bench) -> None:
    """A limit has another bound."""
    declare(bench, running=1)
    send_twice(bench)
    bench.store.limits.set("api", LimitSettings(running=2))


def limit_forgotten(bench: Bench) -> None:
    """What was set for a limit counts no more."""
    bench.store.limits.set("api", LimitSettings(running=2))
    send_twice(bench)
    assert bench.store.limits.remove("api", declared=True)


def limited(bench: Bench) -> None:
    """A claim without a place."""
    declare(bench, running=1)
    first = submit(bench)
    bench.start(first)
    second = submit(bench)
    send_twice(bench)
    assert bench.claim(second, "1.0.0") in (Answer.TAKEN, Answer.LIMITED)


def cancelled_with_undo(bench: Bench) -> None:
    """A job is cancelled, and what it did is compensated."""
    job = bench.submit()
    send_twice(bench)
    assert bench.store.control.cancel(job, "why", "kim", True) is Answer.OK


def answered(bench: Bench) -> None:
    """An early answer, which is kept."""
    job = bench.submit()
    send_twice(bench)
    found = bench.store.expectations.deliver(
        job, (0, 1), "", None, "", record(0), "kim", "", pack_record("kim", {})
    )
    assert found.answer is Answer.KEPT


REQUESTS: list[Callable[[Bench], None]] = [
    answered, backfilled, cancelled_with_undo, debounced, limit_forgotten, limit_set, limited,
    moved, put_off, queue_held, queue_resumed, queued, replaced, schedule_held,
    schedule_removed, schedule_resumed, schedule_saved, skipped, started_now, triggered,
    triggered_later,
]  # fmt: skip


@pytest.mark.parametrize("request_twice", REQUESTS, ids=lambda one: one.__name__)
def test_a_request_that_is_sent_again_is_answered_as_before(
    timed_bench: Bench, request_twice: Callable[[Bench], None]
) -> None:
    """The link sends the same bytes again; nothing is counted or written twice."""
    request_twice(timed_bench)


def test_an_attempt_that_comes_later_gives_its_lease_up_once(timed_bench: Bench) -> None:
    """Sent again it changes nothing: its lease is gone."""
    declare(timed_bench, running=1)
    job = submit(timed_bench)
    timed_bench.start(job)
    rest = timed_bench.store.invocations.rest
    assert rest(job, "1.0.0", "t", 30_000, 5, KIM, "") is Answer.OK
    before = timed_bench.snapshot()
    assert rest(job, "1.0.0", "t", 30_000, 5, KIM, "") is Answer.STALE
    assert timed_bench.snapshot() == before


def test_a_schedule_that_another_has_resumed_is_not_paused_again(timed_bench: Bench) -> None:
    """The reply of the pause was lost meanwhile."""
    made = ScheduleBench(timed_bench)
    made.save()
    pause = ("hold_schedule", "s", "pause", "kim", "why", "request-1")
    assert timed_bench.store.scripts.run(*pause) == b"ok"
    made.scripts.resume("s", "ann", "done")
    assert timed_bench.store.scripts.run(*pause) == b"ok"
    assert made.info().status == "active"


def test_a_request_is_remembered_for_a_minute(timed_bench: Bench) -> None:
    """Longer than a client tries; then nothing is left of it."""
    made = ScheduleBench(timed_bench)
    made.save()
    pause = ("hold_schedule", "s", "pause", "kim", "why", "request-1")
    assert timed_bench.store.scripts.run(*pause) == b"ok"
    left = timed_bench.link.call("PTTL", timed_bench.key("met", "request-1"))
    assert 50_000 < left <= 60_000
