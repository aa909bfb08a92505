"""Schedules: each time starts a job once, waits, or is skipped and counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowforge.model.times.timing import Timing
from flowforge.store.fleet_reads.schedules import SchedulePlace
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.schedules import DECLARED_FOR, Start
from tests.contract.bench import Bench
from tests.contract.schedule_bench import HOUR, HOURLY, ScheduleBench
from tests.support.virtual_clock import VirtualClock


@pytest.fixture
def made(timed_bench: Bench) -> ScheduleBench:
    """The schedule of this test."""
    return ScheduleBench(timed_bench)


def to_next(made: ScheduleBench, clock: VirtualClock) -> int:
    """Let its next time come; that time."""
    time = made.next_time()
    clock.advance(seconds=time - made.now + 0.5)
    return time


# --- its times ---------------------------------------------------------------------------------


def test_a_time_that_comes_starts_a_job(made: ScheduleBench, clock: VirtualClock) -> None:
    """Once, with the entry, the labels and a key of the time; the job knows both."""
    assert made.save() is Answer.OK
    assert made.look() == 0
    time = to_next(made, clock)
    (job,) = made.jobs()
    row = made.bench.row(job)
    assert (row["schedule"], row["scheduled"]) == ("s", str(time))
    assert row["idempotency"] == made.key_of(time)
    assert made.bench.hash("entries")[job] == b"flow\ntenant=acme"
    assert made.bench.unclaimed() == {f"{job}/1.0.0": made.bench.number(job)}
    assert made.next_time() == time + HOUR
    made.finish(job)
    assert made.bench.row(job)["status"] == "completed"
    clock.advance(minutes=30)
    assert made.jobs() == [job]


def test_a_second_leader_changes_nothing(made: ScheduleBench, clock: VirtualClock) -> None:
    """What was read before another has acted on it is stale, and so is a request sent again."""
    made.save()
    time = made.next_time()
    made.bench.link.call("ZADD", made.bench.key("schedules"), 1, "s")
    (due,) = made.scripts.due(10).schedules
    ids = [made.bench.submission().job_id for _ in range(3)]
    step = Start(time, ids[0], time * 1000)
    following = time + HOUR
    assert made.scripts.fire(due, following, following * 1000, [], [step]).started == 1
    before = made.bench.snapshot()
    other = Start(time, ids[1], time * 1000)
    fired = made.scripts.fire(due, following, following * 1000, [ids[2]], [other])
    assert fired.answer is Answer.STALE
    assert made.bench.snapshot() == before


def test_a_schedule_that_was_made_again_is_another(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """A leader that has read the former one changes nothing, though version and time are equal."""
    made.save()
    clock.advance(milliseconds=5)
    made.bench.link.call("ZADD", made.bench.key("schedules"), 1, "s")
    (due,) = made.scripts.due(10).schedules
    assert due.next_time is not None
    made.scripts.remove("s")
    made.save(Timing("", 2 * HOUR, due.next_time % (2 * HOUR)))
    assert made.next_time() == due.next_time
    job = made.bench.submission().job_id
    step = Start(due.next_time, job, 0)
    assert made.scripts.fire(due, 1, 1000, [], [step]).answer is Answer.STALE
    assert made.jobs() == []


def test_the_next_time_does_not_depend_on_the_job(made: ScheduleBench, clock: VirtualClock) -> None:
    """It was computed when the job was created, which nobody has run."""
    made.save(overlap="allow")
    times = [to_next(made, clock) for _ in range(3)]
    assert [one + HOUR for one in times] == [*times[1:], made.next_time()]
    assert len(made.jobs()) == 3


def test_a_time_that_has_its_job_starts_no_second_one(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """Whoever has used its key."""
    made.save()
    key = made.key_of(made.next_time())
    job = made.bench.submit(idempotency_key=key)
    to_next(made, clock)
    assert made.jobs() == []
    assert [one.job_id for one in made.events("known")] == [job]


def test_it_ends_after_its_times(made: ScheduleBench, clock: VirtualClock) -> None:
    """A later one has none."""
    made.save(overlap="allow", times=2)
    for _ in range(3):
        clock.advance(hours=1)
    assert len(made.jobs()) == 2
    info = made.info()
    assert info.status == "ended"
    assert list(info.next_times(5)) == []
    assert made.bench.link.call("ZSCORE", made.bench.key("schedules"), "s") == b"inf"


def test_one_that_has_ended_goes_on_from_its_change(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """What has passed since it ended was none of its times, however late it is extended."""
    made.save(overlap="allow", missed="all", times=1)
    to_next(made, clock)
    assert made.info().status == "ended"
    clock.advance(hours=5)
    assert made.save(mark="m2", overlap="allow", missed="all", times=3) is Answer.OK
    assert made.now < made.next_time() <= made.now + HOUR
    to_next(made, clock)
    assert (len(made.jobs()), made.skips()) == (2, [])


def test_one_that_has_ended_is_paused(made: ScheduleBench, clock: VirtualClock) -> None:
    """It shows no next time, and one that is extended while it is paused goes on from then."""
    made.save(overlap="allow", missed="all", times=1)
    to_next(made, clock)
    assert made.scripts.pause("s", "anna", "") is Answer.OK
    info = made.info()
    assert (info.status, info.next_at, info.starts_at) == ("paused", None, None)
    assert list(info.next_times(5)) == []
    clock.advance(hours=5)
    made.save(mark="m2", overlap="allow", missed="all", times=3)
    assert made.now < made.next_time() <= made.now + HOUR
    made.scripts.resume("s", "anna", "")
    to_next(made, clock)
    assert (len(made.jobs()), made.skips()) == (2, [])


def test_a_start_is_put_off_by_its_jitter(made: ScheduleBench, clock: VirtualClock) -> None:
    """The job has the time that it stands for."""
    timing = HOURLY._replace(jitter=1800)
    made.save(timing)
    time = made.next_time()
    starts = timing.starts_at("s", time)
    clock.advance(seconds=starts / 1000 - made.now - 20)
    assert made.jobs() == []
    clock.advance(seconds=21)
    (job,) = made.jobs()
    assert made.bench.row(job)["scheduled"] == str(time)


# --- a job that has not ended ------------------------------------------------------------------


def two_times(made: ScheduleBench, clock: VirtualClock, overlap: str, more: int = 0) -> str:
    """Two times come while the job of the first one has not ended; that job."""
    made.save(overlap=overlap)
    for _ in range(2 + more):
        to_next(made, clock)
    return made.jobs()[0]


def test_skip_starts_no_second_job(made: ScheduleBench, clock: VirtualClock) -> None:
    """The time is counted with its reason; after the end of the job the next time starts one."""
    job = two_times(made, clock, "skip")
    assert made.jobs() == [job]
    assert made.skips() == [("overlap", 1)]
    assert made.info().skipped == {"overlap": 1}
    made.finish(job)
    to_next(made, clock)
    assert len(made.jobs()) == 2


def test_a_paused_job_has_not_ended(made: ScheduleBench, clock: VirtualClock) -> None:
    """It would run beside the next one after its resume."""
    made.save()
    to_next(made, clock)
    made.bench.pause(made.jobs()[0])
    to_next(made, clock)
    assert made.skips() == [("overlap", 1)]


def test_a_failed_job_that_was_retried_has_not_ended(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """A failed one has; a retry makes it run again."""
    made.save()
    to_next(made, clock)
    (job,) = made.jobs()
    made.bench.start(job)
    made.bench.fail(job)
    to_next(made, clock)
    first, second = made.jobs()
    made.finish(second)
    made.bench.store.control.retry(first)
    to_next(made, clock)
    assert made.skips() == [("overlap", 1)]


def test_queue_lets_one_time_wait(made: ScheduleBench, clock: VirtualClock) -> None:
    """Further ones are skipped; the one that waits has its own time."""
    first = two_times(made, clock, "queue", more=1)
    assert made.jobs() == [first]
    assert (made.info().waiting, made.skips()) == (1, [("buffer", 1)])
    made.finish(first)
    clock.advance(seconds=11)
    _, second = made.jobs()
    row = made.bench.row(second)
    assert int(row["scheduled"]) == int(made.bench.row(first)["scheduled"]) + HOUR
    assert [one.how for one in made.events("started")] == ["schedule", "queue"]


def test_queue_all_lets_times_wait_in_their_order(made: ScheduleBench, clock: VirtualClock) -> None:
    """Each starts when the one before has ended, never two at a time."""
    job = two_times(made, clock, "queue_all", more=2)
    assert made.info().waiting == 3
    started = [job]
    while made.info().waiting:
        made.finish(started[-1])
        clock.advance(seconds=11)
        assert len(made.jobs()) == len(started) + 1
        started.append(made.jobs()[-1])
    times = [int(made.bench.row(one)["scheduled"]) for one in started]
    assert times == [times[0] + HOUR * n for n in range(4)]
    assert made.skips() == []


def test_replace_cancels_the_job(made: ScheduleBench, clock: VirtualClock) -> None:
    """And says why; the next one runs."""
    first = two_times(made, clock, "replace")
    row = made.bench.row(first)
    assert (row["status"], row["reason"]) == ("cancelled", "replaced by the next job of schedule s")
    _, second = made.jobs()
    assert made.bench.row(second)["status"] == "pending"


def test_allow_starts_all(made: ScheduleBench, clock: VirtualClock) -> None:
    """They run at the same time."""
    two_times(made, clock, "allow")
    assert len(made.jobs()) == 2


# --- times that were missed --------------------------------------------------------------------


def missed(made: ScheduleBench, clock: VirtualClock, hours: float, **policy: Any) -> None:
    """No leader is there for so long."""
    made.save(**{"overlap": "allow", **policy})
    clock.advance(seconds=made.next_time() - made.now + hours * HOUR - HOUR + 120)


@pytest.mark.parametrize(
    ("policy", "started", "skips"),
    [("skip", 0, [("missed", 5)]), ("latest", 1, [("missed", 4)]), ("all", 5, [])],
)
def test_missed_times(
    made: ScheduleBench, clock: VirtualClock, policy: str, started: int, skips: list[object]
) -> None:
    """Each starts a job or is counted, by the schedule's choice; the next time is to come."""
    missed(made, clock, 5, missed=policy)
    assert (len(made.jobs()), made.skips()) == (started, skips)
    assert made.now < made.next_time() <= made.now + HOUR


def test_nothing_older_than_catch_up_is_made_up_for(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """Those are skipped."""
    missed(made, clock, 5, missed="all", catch_up=2 * HOUR)
    assert (len(made.jobs()), made.skips()) == (2, [("missed", 3)])


def test_times_before_and_behind_one_that_waits_are_not_one_entry(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """A time within what is recorded as skipped would seem to be so, though it gets its job."""
    made.save(overlap="queue", missed="latest")
    clock.advance(hours=1)
    for _ in range(2):
        missed(made, clock, 3, overlap="queue")
    first, second = (one for one in made.events("skipped") if one.why == "missed")
    assert (first.count, second.count) == (2, 2)
    assert first.until is not None
    assert second.time is not None
    assert second.time - first.until == timedelta(hours=2)


def test_a_moment_later_is_not_missed(made: ScheduleBench, clock: VirtualClock) -> None:
    """A restart of the server or a change of the leader."""
    made.save(missed="skip")
    clock.advance(seconds=made.next_time() - made.now + 50)
    assert len(made.jobs()) == 1


def test_thousands_of_missed_times_are_counted(made: ScheduleBench, clock: VirtualClock) -> None:
    """In pieces, and as one entry of the history."""
    made.save(Timing("", 1), missed="skip", overlap="allow")
    clock.advance(seconds=3000)
    skipped = made.events("skipped")[0]
    assert 2990 <= skipped.count <= 3001
    assert made.info().skipped["missed"] >= skipped.count


# --- pause -------------------------------------------------------------------------------------


def test_a_paused_schedule_skips_its_times(made: ScheduleBench, clock: VirtualClock) -> None:
    """They are counted; nothing is made up for after the resume."""
    made.save(missed="all")
    assert made.scripts.pause("s", "anna", "audit") is Answer.OK
    assert made.scripts.pause("s", "bert", "again") is Answer.SAME
    info = made.info()
    assert (info.status, info.by, info.reason) == ("paused", "anna", "audit")
    clock.advance(hours=3)
    assert (made.jobs(), made.skips()) == ([], [("paused", 3)])
    assert made.scripts.resume("s", "anna", "") is Answer.OK
    to_next(made, clock)
    assert len(made.jobs()) == 1
    assert made.skips() == [("paused", 3)]


def test_a_failure_pauses_where_it_is_to(made: ScheduleBench, clock: VirtualClock) -> None:
    """Before the next time; after a resume the same failure does not pause again."""
    made.save(pause_on_failure=1)
    to_next(made, clock)
    (job,) = made.jobs()
    made.bench.start(job)
    made.bench.fail(job)
    clock.advance(minutes=10)
    info = made.info()
    assert (info.status, info.reason, info.failed_job_id) == ("paused", f"job {job} failed", job)
    made.scripts.resume("s", "anna", "")
    to_next(made, clock)
    assert made.info().status == "active"
    assert len(made.jobs()) == 2


def test_a_trigger_that_is_refused_leaves_nothing(made: ScheduleBench, clock: VirtualClock) -> None:
    """Also where a job has failed: the leader pauses the schedule, once."""
    made.save(overlap="allow", pause_on_failure=1)
    to_next(made, clock)
    to_next(made, clock)
    made.bench.start(made.jobs()[0])
    made.bench.fail(made.jobs()[0])
    before = made.bench.snapshot()
    answer, _ = made.scripts.trigger("s", made.bench.submission().job_id, "skip", "anna")
    assert answer is Answer.RUNS
    assert made.bench.snapshot() == before
    to_next(made, clock)
    assert made.info().status == "paused"
    assert len(made.events("paused")) == 1


def test_what_waits_stays_while_it_is_paused(made: ScheduleBench, clock: VirtualClock) -> None:
    """It starts after the resume."""
    job = two_times(made, clock, "queue")
    made.scripts.pause("s", "anna", "")
    made.finish(job)
    clock.advance(minutes=5)
    assert made.jobs() == [job]
    made.scripts.resume("s", "anna", "")
    clock.advance(seconds=11)
    assert len(made.jobs()) == 2


# --- by hand -----------------------------------------------------------------------------------


def test_a_trigger_starts_a_job_now(made: ScheduleBench) -> None:
    """Also of a paused schedule, once however often it is sent; its next time stays."""
    made.save()
    before = made.next_time()
    made.scripts.pause("s", "anna", "")
    assert made.scripts.trigger("s", "j1", "", "bert") == (Answer.OK, "j1")
    assert made.scripts.trigger("s", "j1", "", "bert") == (Answer.OK, "j1")
    assert made.jobs() == ["j1"]
    assert made.next_time() == before
    assert [one.by for one in made.events("asked")] == ["bert"]


def test_a_trigger_meets_the_job_that_runs(made: ScheduleBench, clock: VirtualClock) -> None:
    """As the schedule does, or as the caller wishes."""
    made.save()
    made.scripts.trigger("s", "j1", "", "bert")
    assert made.scripts.trigger("s", "j2", "", "bert") == (Answer.RUNS, "j1")
    assert made.scripts.trigger("s", "j2", "queue", "bert") == (Answer.WAITS, "j2")
    assert made.scripts.trigger("s", "j2", "queue", "bert") == (Answer.WAITS, "j2")
    assert made.scripts.trigger("s", "j3", "queue", "bert") == (Answer.FULL, "")
    assert made.scripts.trigger("s", "j4", "allow", "bert") == (Answer.OK, "j4")
    assert made.scripts.trigger("s", "j5", "replace", "bert") == (Answer.OK, "j5")
    assert made.bench.row("j1")["status"] == made.bench.row("j4")["status"] == "cancelled"
    made.finish("j5")
    clock.advance(seconds=11)
    assert made.jobs()[-1] == "j2"


def test_a_backfill_starts_past_times_one_after_the_other(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """A time that has its job, or waits, is known; sent again, it does nothing."""
    made.save()
    first = made.next_time() - 3 * HOUR
    times = [first, first + HOUR, first + 2 * HOUR]
    jobs = [(time, f"b{number}") for number, time in enumerate(times)]
    assert made.scripts.backfill("s", "", "anna", jobs) == (Answer.OK, (0, 3, 0))
    assert made.scripts.backfill("s", "", "anna", jobs) == (Answer.OK, (0, 0, 3))
    clock.advance(seconds=11)
    (job,) = made.jobs()
    assert made.bench.row(job)["idempotency"] == made.key_of(first)
    assert made.scripts.backfill("s", "", "anna", jobs) == (Answer.OK, (0, 0, 3))
    made.finish(job)
    clock.advance(seconds=11)
    assert [one.how for one in made.events("started")] == ["backfill", "backfill"]


def test_a_backfill_may_start_all_at_once(made: ScheduleBench) -> None:
    """Where they may overlap."""
    made.save()
    first = made.next_time() - 2 * HOUR
    jobs = [(first, "b0"), (first + HOUR, "b1")]
    assert made.scripts.backfill("s", "allow", "anna", jobs) == (Answer.OK, (2, 0, 0))
    assert made.jobs() == ["b0", "b1"]


def test_no_schedule_can_do_nothing(made: ScheduleBench) -> None:
    """Each request says so, and leaves nothing behind."""
    assert made.scripts.pause("s", "anna", "") is Answer.GONE
    assert made.scripts.trigger("s", "j", "", "anna") == (Answer.GONE, "")
    assert made.scripts.backfill("s", "", "anna", [(1, "j")]) == (Answer.GONE, (0, 0, 0))
    assert made.scripts.remove("s") is Answer.GONE
    assert made.bench.every_key() == set()


# --- saving ------------------------------------------------------------------------------------


def test_a_change_keeps_what_it_was_doing(made: ScheduleBench, clock: VirtualClock) -> None:
    """With the same times the next one stays, also one that was missed meanwhile; with others it is
    computed anew.
    """
    made.save()
    before = made.next_time()
    made.scripts.pause("s", "anna", "audit")
    assert made.save() is Answer.SAME
    assert made.save(mark="m2", overlap="allow") is Answer.OK
    info = made.info()
    assert (made.next_time(), info.status, info.version) == (before, "paused", 2)
    assert info.policy.overlap == "allow"
    made.save(Timing("", HOUR, 60), mark="m3")
    assert made.next_time() % HOUR == 60


def test_a_schedule_keeps_its_definition(made: ScheduleBench, clock: VirtualClock) -> None:
    """Also without jobs; with the schedule, or a newer definition, it goes."""
    made.save()
    definition = made.bench.key("definition", "def")
    to_next(made, clock)
    made.finish(made.jobs()[0])
    assert made.bench.link.call("PTTL", definition) == -1
    made.save(mark="m2", definition="def2")
    assert made.bench.link.call("PTTL", definition) > 0
    assert made.bench.link.call("PTTL", made.bench.key("definition", "def2")) == -1
    assert made.scripts.remove("s") is Answer.OK
    assert made.bench.link.call("PTTL", made.bench.key("definition", "def2")) > 0
    assert not [key for key in made.bench.every_key() if ":schedule" in key]


def test_code_and_programs_do_not_change_each_others(
    made: ScheduleBench, clock: VirtualClock
) -> None:
    """Unless no worker has had it in code for a while."""
    made.save(source="code", mark="c")
    assert made.save(mark="a") is Answer.DECLARED
    assert made.scripts.remove("s") is Answer.DECLARED
    clock.advance(minutes=16)
    assert made.info().vanished
    assert made.save(mark="a") is Answer.OK
    assert made.save(source="code", mark="c") is Answer.MADE
    assert made.scripts.declare({"s": "c"}) == {"s": Answer.MADE}


def test_the_newest_code_is_used(made: ScheduleBench, clock: VirtualClock) -> None:
    """Workers of the release before go on saying that they have theirs; a release that comes back
    after a while is the newest again.
    """
    made.save(source="code", mark="one")
    assert made.scripts.declare({"s": "one"}) == {"s": Answer.SAME}
    clock.advance(minutes=5)
    assert made.scripts.declare({"s": "two"}) == {"s": Answer.SEND}
    made.save(source="code", mark="two")
    assert made.scripts.declare({"s": "one"}) == {"s": Answer.OLDER}
    assert made.save(source="code", mark="one") is Answer.OLDER
    assert made.info().other_versions == 1
    for _ in range(3):
        clock.advance(minutes=6)
        assert made.scripts.declare({"s": "one"}) == {"s": Answer.OLDER}
        assert made.scripts.declare({"s": "two"}) == {"s": Answer.SAME}
    # The second release is rolled back.
    clock.advance(milliseconds=DECLARED_FOR)
    assert made.scripts.declare({"s": "one"}) == {"s": Answer.SEND}
    assert made.save(source="code", mark="one") is Answer.OK


# --- what goes wrong ---------------------------------------------------------------------------


def test_a_schedule_that_fails_does_not_stop_others(
    made: ScheduleBench, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It says why, and is tried again; the time that has come starts its job then."""
    made.save()
    row = made.bench.key("schedule", "s")
    made.bench.link.call("HSET", row, "cron", "1 2 3", "every", 0)
    to_next(made, clock)
    problem = made.info().problem
    assert problem is not None
    assert "cron '1 2 3'" in problem
    assert "cannot start its job" in caplog.text
    made.bench.link.call("HSET", row, "cron", "", "every", HOUR)
    clock.advance(seconds=61)
    assert made.info().problem is None
    assert len(made.jobs()) == 1


def test_a_row_that_cannot_be_read_is_put_off(made: ScheduleBench, clock: VirtualClock) -> None:
    """Also one of another type than a row, and a name without a row goes."""
    for name, command in (("a", ("HSET", "version", "x")), ("b", ("RPUSH", "x")), ("c", None)):
        if command is not None:
            verb, *rest = command
            made.bench.link.call(verb, made.bench.key("schedule", name), *rest)
        made.bench.link.call("ZADD", made.bench.key("schedules"), 1, name)
    made.save()
    to_next(made, clock)
    assert len(made.jobs()) == 1
    scores = made.bench.members("schedules")
    assert scores.keys() == {"a", "b", "s"}
    assert all(score > made.bench.now() for score in scores.values())


# --- their order -------------------------------------------------------------------------------


def in_pieces(made: ScheduleBench, size: int) -> list[str]:
    """The names of all schedules, as a walk in pieces meets them."""
    found: list[str] = []
    last: SchedulePlace | None = None
    while piece := made.reader.behind(last, size):
        assert len(piece) <= size
        found += [one.name for one in piece]
        last = piece[-1]
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_schedules_are_walked_along_in_pieces(made: ScheduleBench, size: int) -> None:
    """By their times, those of one time by name, and those that have ended last; each once."""
    key = made.bench.key("schedules")
    for name, due in (("z", "1"), *((f"n{n:02}", "5000") for n in range(12)), ("a", "+inf")):
        made.bench.link.call("ZADD", key, due, name)
    assert in_pieces(made, size) == ["z", *(f"n{n:02}" for n in range(12)), "a"]


def test_a_walk_goes_on_where_schedules_have_gone(made: ScheduleBench) -> None:
    """Those of one time that are there all the while are met, however many go before them."""
    key = made.bench.key("schedules")
    for n in range(9):
        made.bench.link.call("ZADD", key, 5000, f"n{n}")
    reader, last = made.reader, SchedulePlace(5000, "n5")
    in_order = reader._in_order

    def others_go(of: SchedulePlace | None, start: int, size: int) -> list[SchedulePlace]:
        found = in_order(of, start, size)
        made.bench.link.call("ZREM", key, "n0", "n1", "n2", "n3", "n4", "n5")
        return found

    made.reader._in_order = others_go  # type: ignore[assignment]
    assert [one.name for one in made.reader.behind(last, 2)] == ["n6", "n7"]
