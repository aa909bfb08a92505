"""Hooks: what the transitions note for them, who delivers, and what becomes of a delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import RecordError
from flowforge.model.hooks.hook_event import MOST_JOBS, HookError, HookEvent
from flowforge.store.fleet_reads.hook_reports import HookReport, HookReports
from flowforge.store.fleet_reads.outbox import MOST_LINES, Outbox, OutboxLine, pack_event
from flowforge.store.transitions.hooks import KEPT, DeliveryEnd, NewDelivery
from tests.contract.bench import Bench
from tests.contract.joins import COUNT

DESCRIPTION = pack_record("webhook", "https://example.com", ["job.failed"], None)
WHEN = datetime(2026, 1, 2, tzinfo=UTC)
ERROR = HookError("ValueError", "no", "shop.charge", "0123456789ab")
EVENT = HookEvent("d1", "job.failed", "flow", "job", "r0", 1, ERROR, 1, ("job",), WHEN, WHEN)


def declare(bench: Bench, name: str = "ops") -> None:
    bench.store.hooks.declare(name, DESCRIPTION)


def fail(bench: Bench) -> str:
    """The id of a job that has failed."""
    job = bench.submit()
    bench.start(job)
    assert bench.fail(job) == "ok"
    return job


def lines_or_none(bench: Bench) -> int:
    count: int = bench.link.call("XLEN", bench.key("outbox"))
    return count


def lines(bench: Bench, place: int = 0) -> list[OutboxLine]:
    page = Outbox(bench.store).read(place)
    assert page.lost == 0
    return page.lines


def hold(bench: Bench, holder: str = "h1", ms: int = 60_000) -> int | None:
    """The place of the hook in the outbox, if the holder may deliver."""
    held = bench.store.hooks.hold("ops", holder, "w1", ms)
    return None if held is None else held.place


def made(
    bench: Bench, event: HookEvent = EVENT, *, cause: str = "c", delay: int = 0, lost: int = 0
) -> bool:
    """Make one delivery of the next line."""
    place = hold(bench)
    assert place is not None
    new = NewDelivery(event.id, cause, delay, pack_event(event))
    return bench.store.hooks.make("ops", "h1", place, place + 1, lost, [new])


def begin(bench: Bench, attempt: int = 1, *, holder: str = "h1", ms: int = 60_000) -> int | None:
    return bench.store.hooks.begin("ops", holder, "d1", "c", attempt, ms)


def end(
    bench: Bench, how: DeliveryEnd, attempt: int = 1, *, delay: int = 0, answer: str = "500"
) -> bool:
    return bench.store.hooks.end("ops", "d1", attempt, how, delay, answer)


def due(bench: Bench) -> list[tuple[str, int]]:
    """Id and attempts of what is due."""
    return [(one.id, one.attempts) for one in Outbox(bench.store).due("ops")]


def report(bench: Bench) -> HookReport:
    (found,) = HookReports(bench.store).read()
    return found


# --- what transitions note -------------------------------------------------------------------


class TestOutbox:
    """A line for each job that fails, if there is a hook."""

    def test_nothing_is_noted_without_a_hook(self, bench: Bench) -> None:
        """A job pays nothing for what nobody uses."""
        fail(bench)
        assert bench.link.call("EXISTS", bench.key("outbox"), bench.key("hook_places")) == 0

    def test_a_failed_job_is_noted_with_its_cause(self, bench: Bench) -> None:
        """All that an event needs, so that a job that is deleted soon is told of as well."""
        declare(bench)
        before = bench.now()
        job = fail(bench)
        (line,) = lines(bench)
        assert line[:5] == ("failed", "flow", job, "r0", 1)
        assert line.error.type == "Stopped"
        assert (line.error.message, line.error.at) == ("it broke", "shop.charge")
        assert before <= line.at.timestamp() * 1000 <= bench.now()

    def test_a_failure_that_is_sent_twice_is_noted_once(self, bench: Bench) -> None:
        """The second one has no lease."""
        declare(bench)
        assert bench.fail(fail(bench)) == "stale"
        assert len(lines(bench)) == 1

    def test_what_does_not_fail_a_job_is_not_noted(self, bench: Bench) -> None:
        """A retry, an end by itself, and a cancelled job."""
        declare(bench)
        jobs = [bench.submit() for _ in range(3)]
        for job in jobs:
            bench.start(job)
        bench.retry_later(jobs[0])
        bench.commit(jobs[1])
        bench.store.control.cancel(jobs[2], "")
        assert lines(bench) == []

    def test_each_way_to_fail_is_noted(self, bench: Bench) -> None:
        """A quarantine, a join that is not filled, a class that is unknown, a lost definition."""
        declare(bench)
        quarantined = bench.submit()
        bench.start(quarantined, lease=-1)
        bench.reclaim(1, 10)
        unfilled = bench.submit(COUNT)
        bench.start(unfilled)
        bench.commit(unfilled, emitted=[(1, 0, "j3:")])
        unknown = bench.submit()
        bench.give_back(unknown, most=1)
        undefined = bench.submit()
        bench.link.call("DEL", bench.key("definition", "def1"))
        bench.claim(undefined, "1.0.0")
        found = lines(bench)
        assert [(line.happened, line.job_id, line.error.type) for line in found] == [
            ("quarantined", quarantined, "Quarantined"),
            ("failed", unfilled, "JoinNotFilled"),
            ("failed", unknown, "Unknown"),
            ("failed", undefined, "CorruptRecordError"),
        ]
        assert [line.invocation for line in found] == [1, None, 1, 1]

    def test_a_retried_job_is_noted_again(self, bench: Bench) -> None:
        """Each end of a job is news."""
        declare(bench)
        job = fail(bench)
        bench.store.control.retry(job)
        bench.start(job, token="t2")
        bench.fail(job, token="t2")
        assert [line.job_id for line in lines(bench)] == [job, job]

    def test_damaged_places_keep_no_job_from_its_end(self, bench: Bench) -> None:
        """Hooks miss it then."""
        declare(bench)
        bench.link.call("DEL", bench.key("hook_places"))
        bench.link.call("SET", bench.key("hook_places"), "damaged")
        assert bench.status(fail(bench)) == "failed"
        assert lines_or_none(bench) == 0

    def test_a_damaged_outbox_is_replaced(self, bench: Bench) -> None:
        """Also one whose numbers are higher than those that are given."""
        declare(bench)
        bench.link.call("SET", bench.key("outbox"), "damaged")
        fail(bench)
        bench.link.call("XADD", bench.key("outbox"), "99-1", "what", "later")
        job = fail(bench)
        assert lines_or_none(bench) == 1
        assert Outbox(bench.store).read(1).lines[0].job_id == job

    def test_the_outbox_is_bounded(self, bench: Bench) -> None:
        """It keeps the latest lines, expires, and a reader learns how many it has missed."""
        declare(bench)
        fail(bench)
        outbox = bench.key("outbox")
        assert 0 < bench.link.call("PTTL", outbox) <= KEPT
        bench.link.call("DEL", outbox)
        fail(bench)
        page = Outbox(bench.store).read(0)
        assert ([line.job_id for line in page.lines], page.behind, page.lost) == (
            [lines(bench, 1)[0].job_id], 2, 1,
        )  # fmt: skip
        bench.link.call("DEL", outbox)
        assert Outbox(bench.store).read(0) == ([], 2, 2)

    def test_a_damaged_line_counts_as_lost(self, bench: Bench) -> None:
        """The lines beside it are told."""
        declare(bench)
        job = fail(bench)
        bench.link.call("XADD", bench.key("outbox"), "2-1", "what", b"\xff")
        page = Outbox(bench.store).read(0)
        assert ([line.job_id for line in page.lines], page.behind, page.lost) == ([job], 2, 1)

    def test_a_page_is_bounded(self, bench: Bench) -> None:
        """The next one goes on behind it."""
        declare(bench)
        fail(bench)
        (_, fields), *_ = bench.link.call("XRANGE", bench.key("outbox"), "-", "+")
        for number in range(2, MOST_LINES + 3):
            bench.link.call("XADD", bench.key("outbox"), f"{number}-1", *fields)
        page = Outbox(bench.store).read(0)
        assert (len(page.lines), page.behind) == (MOST_LINES, MOST_LINES)
        assert len(Outbox(bench.store).read(page.behind).lines) == 2


# --- who delivers ------------------------------------------------------------------------------


class TestRight:
    """One worker delivers to a hook at a time."""

    def test_a_hook_is_told_of_what_happens_from_now_on(self, bench: Bench) -> None:
        """Another worker that declares it later changes nothing of its place."""
        declare(bench, "other")
        fail(bench)
        declare(bench)
        assert hold(bench) == 1
        fail(bench)
        declare(bench)
        assert hold(bench) == 1

    def test_one_holds_it_until_its_time_is_over(self, bench: Bench) -> None:
        """The holder may keep it, and give it up at once."""
        declare(bench)
        assert hold(bench, "h1") == 0
        assert hold(bench, "h2") is None
        assert hold(bench, "h1") == 0
        assert hold(bench, "h2", ms=0) is None
        assert hold(bench, "h2") is None
        hold(bench, "h1", ms=0)
        assert hold(bench, "h2", ms=-1) == 0
        assert hold(bench, "h1") == 0

    def test_a_clock_that_was_set_back_keeps_no_right(self, bench: Bench) -> None:
        """An end that is later than any was given does not count."""
        declare(bench)
        hold(bench, "dead")
        bench.link.call("HSET", bench.key("hook", "ops"), "until", bench.now() + 10**9)
        assert hold(bench, "h2") == 0

    def test_nobody_holds_what_was_forgotten(self, bench: Bench) -> None:
        """Until a worker declares it again."""
        declare(bench)
        assert bench.store.hooks.forget("ops")
        assert not bench.store.hooks.forget("ops")
        assert hold(bench) is None
        declare(bench)
        assert hold(bench) == 0

    def test_nothing_is_left_of_the_last_hook(self, bench: Bench) -> None:
        """The numbers of lines begin again, for a hook that comes later."""
        declare(bench)
        fail(bench)
        bench.store.hooks.forget("ops")
        for key in ("outbox", "hooks", "hook_places", "hook"):
            assert bench.link.call("EXISTS", bench.key(key, "ops")) == 0
        declare(bench)
        job = fail(bench)
        assert [line.job_id for line in lines(bench)] == [job]

    def test_a_hook_that_no_worker_has_is_forgotten(self, bench: Bench) -> None:
        """Days later, with all that waits for it."""
        declare(bench, "old")
        record = bench.hash("hooks")["old"].partition(b" ")[2]
        long_ago = bench.now() - KEPT - 1000
        bench.link.call("HSET", bench.key("hooks"), "old", str(long_ago).encode() + b" " + record)
        bench.store.hooks.test("old", "t", b"x")
        declare(bench)
        assert list(bench.hash("hooks")) == ["ops"]
        assert bench.link.call("EXISTS", bench.key("deliveries", "old")) == 0

    def test_without_any_worker_all_goes_by_itself(self, bench: Bench) -> None:
        """A fleet that has no hooks any more pays nothing some days later."""
        declare(bench)
        hold(bench)
        bench.store.hooks.test("ops", "t", b"x")
        declare(bench)
        for name in ("hooks", "hook_places", "hook", "deliveries", "delivery_times"):
            assert 0 < bench.link.call("PTTL", bench.key(name, "ops")) <= KEPT


# --- deliveries --------------------------------------------------------------------------------


class TestDeliveries:
    """From the outbox to the receiver."""

    @pytest.fixture(autouse=True)
    def _hook(self, bench: Bench) -> None:
        declare(bench)

    def test_lines_become_deliveries_once(self, bench: Bench) -> None:
        """The same call again, or that of another holder, changes nothing."""
        assert hold(bench) == 0
        new = NewDelivery("d1", "c", 0, pack_event(EVENT))
        hooks = bench.store.hooks
        assert not hooks.make("ops", "h2", 0, 1, 0, [new])
        assert hooks.make("ops", "h1", 0, 1, 2, [new])
        assert not hooks.make("ops", "h1", 0, 1, 2, [new._replace(id="d2")])
        assert (due(bench), report(bench).lost) == ([("d1", 0)], 2)
        (waiting,) = Outbox(bench.store).due("ops")
        assert waiting.event == EVENT

    def test_lines_are_added_to_a_delivery_without_attempt(self, bench: Bench) -> None:
        """It keeps its time; what comes behind an attempt is another delivery."""
        assert made(bench, delay=-5)
        at = bench.members("delivery_times", "ops")
        twice = replace(EVENT, count=2)
        assert Outbox(bench.store).without_attempt("ops", ["c", "other"]) == {"c": EVENT}
        assert made(bench, twice, delay=60_000)
        assert bench.members("delivery_times", "ops") == at
        assert Outbox(bench.store).without_attempt("ops", ["c"]) == {"c": twice}
        assert not made(bench, replace(EVENT, id="d2"))
        assert begin(bench) == 0
        assert Outbox(bench.store).without_attempt("ops", ["c"]) == {}
        assert not made(bench, twice)
        assert made(bench, replace(EVENT, id="d2"))

    def test_a_damaged_mark_holds_nothing_up(self, bench: Bench) -> None:
        """A cause whose delivery is gone gets a new one."""
        bench.link.call("HSET", bench.key("deliveries", "ops"), "oc", "gone")
        assert Outbox(bench.store).without_attempt("ops", ["c"]) == {}
        assert made(bench)

    def test_a_success_ends_it(self, bench: Bench) -> None:
        """Nothing of it is left."""
        made(bench)
        assert begin(bench) == 0
        assert end(bench, DeliveryEnd.DONE)
        assert not end(bench, DeliveryEnd.DONE)
        assert bench.hash("deliveries", "ops") == {}
        found = report(bench)
        assert (found.waiting, found.delivered, found.failing_since) == (0, 1, None)
        assert found.last_success_at is not None
        assert begin(bench, 2) is None

    def test_a_failure_is_tried_again_later(self, bench: Bench) -> None:
        """With the number of the attempt, and what the receiver said."""
        made(bench)
        begin(bench)
        assert due(bench) == []
        assert end(bench, DeliveryEnd.AGAIN, delay=-1, answer="503 busy")
        assert not end(bench, DeliveryEnd.AGAIN, answer="sent twice")
        assert due(bench) == [("d1", 1)]
        found = report(bench)
        assert (found.why, found.delivered, found.waiting) == ("503 busy", 0, 1)
        first = found.failing_since
        assert first is not None
        begin(bench, 2)
        end(bench, DeliveryEnd.AGAIN, 2, delay=-1, answer="still busy")
        assert (report(bench).failing_since, report(bench).why) == (first, "still busy")
        begin(bench, 3)
        end(bench, DeliveryEnd.DONE, 3)
        assert (report(bench).failing_since, report(bench).why) == (None, None)

    def test_an_attempt_whose_worker_dies_is_made_again(self, bench: Bench) -> None:
        """After its time; the lost worker is counted, once for each attempt."""
        made(bench)
        assert begin(bench, ms=-1) == 0
        assert due(bench) == [("d1", 1)]
        assert begin(bench, 1, ms=-1) == 0, "the same call sent again"
        assert begin(bench, 2, ms=-1) == 1
        assert begin(bench, 2, ms=-1) == 1
        assert begin(bench, 1) is None
        assert not end(bench, DeliveryEnd.DONE, 1), "it is not the latest"
        end(bench, DeliveryEnd.AGAIN, 2, delay=-1)
        assert begin(bench, 3) == 1

    def test_only_the_holder_begins(self, bench: Bench) -> None:
        """Who has lost the right does not tell the receiver as well."""
        made(bench)
        assert begin(bench, holder="h2") is None
        assert due(bench) == [("d1", 0)]

    def test_a_dead_delivery_waits_for_somebody(self, bench: Bench) -> None:
        """It is replayed with all its attempts, or dropped."""
        made(bench)
        begin(bench)
        assert end(bench, DeliveryEnd.DEAD, answer="404")
        assert (due(bench), report(bench).dead) == ([], 1)
        (found,) = HookReports(bench.store).deliveries("ops", 10)
        assert (found.id, found.attempts, found.next_at, found.why) == ("d1", 1, None, "404")
        hooks = bench.store.hooks
        assert hooks.replay("ops", ["d2"]) == 0
        assert [hooks.replay("ops", ["d1"]) for _ in range(2)] == [1, 0]
        assert due(bench) == [("d1", 0)]
        begin(bench)
        end(bench, DeliveryEnd.DEAD)
        assert [hooks.drop("ops", []) for _ in range(2)] == [1, 0]
        assert bench.hash("deliveries", "ops") == {}

    def test_dead_deliveries_are_bounded(self, bench: Bench) -> None:
        """The oldest make room."""
        for number in range(205):
            event = replace(EVENT, id=f"x{number}")
            assert made(bench, event, cause=f"c{number}")
            bench.store.hooks.begin("ops", "h1", event.id, f"c{number}", 1, 1000)
            bench.store.hooks.end("ops", event.id, 1, DeliveryEnd.DEAD, 0, "no")
        assert report(bench).dead == 200
        assert len(bench.hash("deliveries", "ops")) == 3 * 200
        assert bench.store.hooks.drop("ops", ["x0", "x204"]) == 1
        assert bench.store.hooks.replay("ops", []) == 199
        assert len(HookReports(bench.store).deliveries("ops", 500)) == 199

    def test_a_test_is_first_and_leaves_nothing(self, bench: Bench) -> None:
        """But its answer; it says nothing of whether the hook works otherwise."""
        made(bench, delay=-5)
        hooks, reports = bench.store.hooks, HookReports(bench.store)
        assert not hooks.test("other", "t1", b"")
        for _ in range(2):
            assert hooks.test("ops", "t1", pack_event(EVENT))
        assert due(bench) == [("t1", 0), ("d1", 0)]
        assert reports.test_answer("ops", "t1") is None
        hooks.begin("ops", "h1", "t1", "", 1, 1000)
        assert hooks.end("ops", "t1", 1, DeliveryEnd.TESTED, 0, "500 no\nway", good=False)
        assert reports.test_answer("ops", "t1") == (False, "500 no\nway")
        assert reports.test_answer("ops", "t2") is None
        assert (due(bench), report(bench).failing_since) == ([("d1", 0)], None)


# --- reading -----------------------------------------------------------------------------------


def test_a_report_says_who_delivers(bench: Bench) -> None:
    """And what the hook is; how many events it has not read."""
    declare(bench)
    fail(bench)
    assert (report(bench).worker, report(bench).unread) == (None, 1)
    hold(bench)
    found = report(bench)
    assert (found.worker, found.kind, found.place) == ("w1", "webhook", "https://example.com")
    assert (found.events, found.flow_id) == (("job.failed",), None)


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [("hooks", "bad", b"x"), ("hooks", "bad", b"1 x"), ("hook", "lost", b"many")],
)
def test_a_damaged_hook_spoils_no_other(bench: Bench, key: str, field: str, value: bytes) -> None:
    """The reader is told of it."""
    declare(bench)
    declare(bench, "bad")
    bench.link.call("HSET", bench.key(key, "bad" if key == "hook" else ""), field, value)
    unreadable: list[RecordError] = []
    assert [one.name for one in HookReports(bench.store).read(unreadable)] == ["ops"]
    assert "the hook bad" in str(unreadable[0])


@pytest.mark.parametrize("record", [b"", b"\xff", pack_record(1), pack_record(*range(10))])
def test_a_damaged_delivery_is_shown_as_due(bench: Bench, record: bytes) -> None:
    """Who delivers has to put it away; lists leave it out."""
    declare(bench)
    made(bench)
    bench.link.call("HSET", bench.key("deliveries", "ops"), "rd1", record, "sd1", "x")
    (found,) = Outbox(bench.store).due("ops")
    assert (found.id, found.attempts, found.event) == ("d1", 0, None)
    assert HookReports(bench.store).deliveries("ops", 10) == []


def test_an_event_is_read_as_it_was_written(bench: Bench) -> None:
    """With all that it may hold."""
    declare(bench)
    jobs: Any = tuple(f"job{number}" for number in range(MOST_JOBS))
    event = replace(EVENT, invocation=None, job_ids=jobs, count=10**6)
    made(bench, event)
    assert Outbox(bench.store).due("ops")[0].event == event
