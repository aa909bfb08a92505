"""Telling hooks: what is told together, what is tried again, and what a worker that dies leaves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.model.hooks.hook_event import EventType, HookEvent, sample_event
from flowforge.model.hooks.hooks import Hook
from flowforge.model.hooks.webhook import Webhook
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.store.fleet_reads.hook_reports import HookReport, HookReports
from flowforge.store.fleet_reads.outbox import pack_event
from flowforge.store.reading import moment
from flowforge.worker.upkeep import hook_deliveries
from flowforge.worker.upkeep.hook_deliveries import HookThread
from flowforge.worker.upkeep.hook_pace import FIRST_PAUSE, MOST_ATTEMPTS
from tests.contract.bench import DETAILS, Bench
from tests.support.clock import Clock
from tests.support.eventually import eventually
from tests.support.receiver import Receiver, receiver

ALL = frozenset(EventType)


class Listener:
    """A hook function that fails while it is told to."""

    def __init__(self) -> None:
        self.events: list[HookEvent] = []
        self.fails = False

    def __call__(self, event: HookEvent) -> None:
        self.events.append(event)
        if self.fails:
            raise RuntimeError("not now")


class Told:
    """One hook on one server, with a clock that the test sets."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.clock = Clock()
        self.listener = Listener()
        self.thread = self.worker("w1", self.listener)
        self.round()

    def worker(
        self,
        name: str,
        target: Callable[[HookEvent], object] | Webhook,
        hook: str = "ops",
        timeout: float = 10,
    ) -> HookThread:
        """The thread of a worker, not started."""
        wanted = Hook(hook, target, ALL, None, timeout)
        return HookThread(self.bench.store, wanted, name, self.clock.monotonic)

    def round(self, seconds: float = 0.0) -> int:
        """One round after so many seconds of which the server has heard."""
        self.pass_time(seconds)
        return self.thread.run_once()

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        times = self.bench.key("delivery_times", "ops")
        for member in self.bench.members("delivery_times", "ops"):
            self.bench.link.call("ZINCRBY", times, -int(seconds * 1000), member)

    def release_hold(self) -> None:
        """The time of the worker that delivers is over."""
        self.bench.link.call("HDEL", self.bench.key("hook", "ops"), "holder")

    def fail(self, count: int = 1, kind: str = "ValueError") -> list[str]:
        """So many jobs fail of a cause."""
        jobs = [self.bench.submit() for _ in range(count)]
        for job in jobs:
            self.bench.start(job)
            sample = ErrorSample(kind, "r0", kind, "shop.charge", f"no {job}")
            self.bench.store.invocations.fail(
                job, "1.0.0", "t", 5, DETAILS, "it broke", pack_record({}), sample
            )
        return jobs

    @property
    def report(self) -> HookReport:
        return next(one for one in HookReports(self.bench.store).read() if one.name == "ops")

    def counts(self) -> list[tuple[str, int]]:
        """What was told: type of the error and how often."""
        return [(event.error.type, event.count) for event in self.listener.events]


@pytest.fixture
def told(bench: Bench) -> Told:
    return Told(bench)


# --- what is told together -------------------------------------------------------------------


def test_a_failure_is_told_at_once(told: Told) -> None:
    """Once, with the job and the cause."""
    (job,) = told.fail()
    assert [told.round(), told.round()] == [1, 0]
    (event,) = told.listener.events
    assert (event.type, event.job_id, event.job_ids) == ("job.failed", job, (job,))
    assert (event.error.message, event.count) == (f"no {job}", 1)
    assert (told.report.delivered, told.report.waiting) == (1, 0)
    assert told.report.worker == "w1"


def test_a_storm_is_told_in_a_few_events(told: Told) -> None:
    """Each failure is in one of them, by its number; a cause of its own does not wait."""
    told.fail()
    told.round()
    told.fail(120)
    assert told.round() == 0
    told.fail(30)
    told.fail(1, "KeyError")
    assert told.round() == 1
    told.round(FIRST_PAUSE + 1)
    assert told.counts() == [("ValueError", 1), ("KeyError", 1), ("ValueError", 150)]
    storm = told.listener.events[-1]
    assert len(storm.job_ids) == 100
    assert storm.first_at <= storm.last_at


def test_two_types_of_one_job_are_one_event(told: Told) -> None:
    """The more precise one."""
    job = told.bench.submit()
    told.bench.start(job, lease=-1)
    told.bench.reclaim(1, 10)
    told.round()
    assert [event.type for event in told.listener.events] == ["invocation.quarantined"]


def test_other_flows_are_passed_over(told: Told) -> None:
    """They cost the hook nothing but a look."""
    told.thread.hook = Hook("ops", told.listener, ALL, "other", 10)
    told.fail(3)
    assert told.round() == 0
    assert told.report.unread == 0


def test_when_too_many_wait_no_more_are_made(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events wait in the outbox then, in which they are told together."""
    monkeypatch.setattr(hook_deliveries, "_MOST_WAITING", 2)
    told.listener.fails = True
    for kind in ("A", "B", "C"):
        told.fail(1, kind)
        told.round(61)
    told.fail(5, "D")
    told.round(61)
    assert told.report.unread > 0
    assert told.report.waiting < 5


def test_events_that_were_dropped_are_counted(told: Told) -> None:
    """Nobody believes that nothing has failed."""
    told.fail(2)
    told.bench.link.call("DEL", told.bench.key("outbox"))
    told.fail()
    told.round()
    assert (told.report.lost, told.counts()) == (2, [("ValueError", 1)])


# --- attempts that fail ------------------------------------------------------------------------


def test_a_failed_attempt_is_made_again_with_the_same_id(told: Told) -> None:
    """The hook rests meanwhile, and what happens in that time is told together."""
    told.listener.fails = True
    told.fail()
    assert told.round() == 1
    assert told.round() == 0
    told.fail(1, "KeyError")
    told.fail(1, "KeyError")
    assert told.round(0.5) == 0
    told.listener.fails = False
    told.round(7)
    told.round(7)
    first, again, *others = told.listener.events
    assert first == again
    assert [(one.error.type, one.count) for one in others] == [("KeyError", 2)]
    assert told.report.failing_since is None


def test_the_log_says_once_that_a_hook_fails(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """And when it answers again; the traceback of a function comes with each attempt."""
    caplog.set_level(logging.INFO)
    told.listener.fails = True
    told.fail()
    for _ in range(3):
        told.round(70)
    told.listener.fails = False
    told.round(70)
    said = [record.getMessage() for record in caplog.records if "does not take" in record.message]
    assert said == ["the hook ops does not take an event: RuntimeError: not now"]
    assert "the hook ops answers again" in caplog.text


def test_after_many_attempts_a_delivery_is_given_up(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept, with the reason; a replay begins again with the same id."""
    told.listener.fails = True
    told.fail()
    for _ in range(MOST_ATTEMPTS + 5):
        told.round(5000)
    assert len(told.listener.events) == MOST_ATTEMPTS
    assert (told.report.dead, told.report.waiting) == (1, 0)
    assert "flowforge hooks replay ops" in caplog.text
    (dead,) = HookReports(told.bench.store).deliveries("ops", 10)
    assert (dead.attempts, dead.why) == (MOST_ATTEMPTS, "RuntimeError: not now")
    told.listener.fails = False
    assert told.bench.store.hooks.replay("ops", []) == 1
    told.round(70)
    assert len({event.id for event in told.listener.events}) == 1
    assert (told.report.dead, told.report.delivered) == (0, 1)


def test_an_event_that_is_refused_keeps_others_from_nothing(told: Told) -> None:
    """A receiver may choke on one of them."""

    def choke(event: HookEvent) -> None:
        told.listener.events.append(event)
        if event.error.type == "ValueError":
            raise RuntimeError("cannot read this")

    told.thread.hook = Hook("ops", choke, ALL, None, 10)
    told.fail()
    told.fail(1, "KeyError")
    told.fail(1, "TypeError")
    for _ in range(4):
        told.round(2)
    assert {"KeyError", "TypeError"} <= {event.error.type for event in told.listener.events}
    assert told.report.delivered == 2


def test_a_delivery_that_cannot_be_read_is_put_away(told: Told) -> None:
    """Those behind it are told."""
    told.fail()
    told.bench.link.call("HSET", told.bench.key("deliveries", "ops"), "rbad", "x")
    told.bench.link.call("ZADD", told.bench.key("delivery_times", "ops"), 1, "bad")
    told.round()
    told.round()
    assert (told.report.dead, told.counts()) == (1, [("ValueError", 1)])


# --- workers -----------------------------------------------------------------------------------


def test_one_worker_delivers(told: Told) -> None:
    """The other takes over at once when the first one gives up, with its tests and its work."""
    told.fail()
    other_events = Listener()
    other = told.worker("w2", other_events)
    assert other.run_once() == 0
    told.thread._give_up()
    assert other.run_once() == 1
    assert told.round() == 0
    assert told.report.worker == "w2"


class Killed(BaseException):
    """The worker ends in the middle."""


def test_a_worker_that_dies_with_an_attempt_leaves_it_to_another(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event comes again under the same id; a third death gives it up."""
    told.fail()

    def die(*_: object, **__: object) -> None:
        raise Killed

    for name in ("w1", "w2", "w3"):
        told.release_hold()
        told.thread = told.worker(name, told.listener)
        with monkeypatch.context() as patch:
            patch.setattr(told.bench.store.hooks, "end", die)
            with pytest.raises(Killed):
                told.round(100)
    told.release_hold()
    assert len(told.listener.events) == 3
    assert len({event.id for event in told.listener.events}) == 1
    told.thread = told.worker("w4", told.listener)
    told.round(100)
    assert len(told.listener.events) == 3
    assert told.report.dead == 1
    (dead,) = HookReports(told.bench.store).deliveries("ops", 10)
    assert dead.why == "3 workers were lost"


def test_a_function_that_hangs_leaves_the_hook_to_another_worker(told: Told) -> None:
    """This one tries nothing more until it has returned."""
    free = threading.Event()
    told.thread = hung = told.worker("w1", lambda event: free.wait(30), timeout=0.1)
    told.release_hold()
    told.fail()
    assert told.round() == 1
    assert (told.report.why, told.round(100)) == ("no answer within 0.1 s", 0)
    assert told.report.worker is None
    told.thread = told.worker("w2", told.listener)
    assert told.round(100) == 1
    assert told.report.failing_since is None
    free.set()
    assert hung.run_once() == 0


def test_a_test_is_told_even_while_the_hook_rests(told: Told) -> None:
    """It is what one sends to see whether the receiver is mended."""
    told.listener.fails = True
    told.fail()
    told.round()
    event = sample_event("test_1", moment(told.bench.now()))
    told.bench.store.hooks.test("ops", event.id, pack_event(event))
    assert told.round() == 1
    assert told.listener.events[-1] == event
    answer = HookReports(told.bench.store).test_answer("ops", "test_1")
    assert answer == (False, "RuntimeError: not now")


# --- the thread --------------------------------------------------------------------------------


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def test_a_hook_that_hangs_holds_up_no_other(told: Told, there: Receiver) -> None:
    """Each has a thread; a worker ends while one of them waits."""
    there.hang = True
    url = Webhook.of(there.url, None, insecure=False)
    slow = told.worker("w1", url, "slow")
    fast = told.worker("w1", told.listener, "fast")
    for thread in (slow, fast):
        thread.start()
    reports = HookReports(told.bench.store)
    eventually(lambda: len(reports.read()) == 3, message="both hooks")
    told.fail()
    there.wait_for(1)
    eventually(lambda: told.listener.events, message="the event")
    for thread in (slow, fast):
        thread.stop()
    fast.join(time.monotonic() + 10, resign=True)
    there.free.set()
    slow.join(time.monotonic() + 10, resign=False)


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (StoreUnavailableError("away"), 0),
        (CommandRefusedError("no rights"), 1),
        (RuntimeError("a fault"), 1),
    ],
)
def test_the_thread_outlives_everything(
    told: Told, caplog: pytest.LogCaptureFixture, error: Exception, lines: int
) -> None:
    """What keeps a round from its end is logged once."""

    def fail() -> None:
        raise error

    assert [told.thread._safely(fail) for _ in range(3)] == [False] * 3
    assert len(caplog.records) == lines
    assert told.thread._safely(lambda: None)
