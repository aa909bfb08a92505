"""Jobs and deliveries that are put off, and schedules, with a real worker whose time the tests
move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from flowforge import Debounce, ErrorHandler, Flow, JobState, ScheduleState
from flowforge.engine.current import set_engine
from flowforge.errors import InvalidValueError, JobStateError
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import FLOWS as CLI_FLOWS
from tests.integration.cli_shell import Shell
from tests.integration.delay_flows import (
    IMPORTS,
    Append,
    Gather,
    Reminder,
    digest,
    imports,
    reminders,
)
from tests.integration.flows import Flaky, One, countdown, single
from tests.integration.installation import (
    FAST,
    FLOWS,
    LIMIT,
    Installation,
    installed,
    kinds,
    outputs,
)
from tests.support.eventually import eventually
from tests.support.virtual_clock import VirtualClock

DELAYS, SCHEDULES = "tests.integration.delay_flows", "tests.integration.schedule_flows"


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    folder = tmp_path_factory.mktemp("delays")
    with installed(server, folder, (FLOWS, DELAYS, SCHEDULES), timed=True, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def clock(shared: Installation) -> VirtualClock:
    """The fleet's clock; the engine of this process is set again behind a command."""
    set_engine(shared.engine)
    return shared.clock


def test_a_job_starts_after_its_delay(clock: VirtualClock) -> None:
    """It is pending until then, and says when it starts."""
    job = countdown().execute("it", {"n": 1}, delay=timedelta(hours=2))
    assert job.status == "pending"
    assert job.starts_at == job.created_at + timedelta(hours=2)
    (finding,) = job.explain()
    assert (finding.kind, finding.until) == ("delay", job.starts_at)
    assert finding.command == f"flowforge start-now {job.job_id}"
    clock.advance(hours=1, minutes=59)
    clock.run_until_quiet()
    assert kinds(job) == ["submitted"]
    clock.advance(minutes=1)
    assert outputs(job) == [{"n": 0}]
    assert job.starts_at is None


def test_a_job_starts_at_a_time(clock: VirtualClock) -> None:
    """By the server's clock, in whatever zone the time was given; at once if it has passed."""
    at = (clock.now() + timedelta(days=2)).astimezone()
    job = single(One).execute("it", at=at)
    assert job.starts_at is not None
    assert timedelta(0) <= job.starts_at - at < timedelta(milliseconds=1)
    early = single(One).execute("it", at=clock.now() - timedelta(days=400))
    assert early.wait(LIMIT).status == "completed"
    clock.advance(days=2)
    assert job.wait(LIMIT).status == "completed"


def test_many_jobs_have_a_delay_each(clock: VirtualClock) -> None:
    """One for all, or one for each."""
    flow = countdown()
    together = flow.execute_many("it", [{"n": 0}, {"n": 0}], delay=60)
    apart = flow.execute_many("it", [{"n": 0}] * 3, delay=[None, 60, timedelta(days=1)])
    assert [job.starts_at is None for job in (*together, *apart)] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert apart[0].wait(LIMIT).status == "completed"
    clock.advance(minutes=1)
    for job in (*together, apart[1]):
        assert job.wait(LIMIT).status == "completed"
    apart[2].cancel()
    assert apart[2].status == "cancelled"


def test_one_job_of_a_customer_runs_at_a_time(shared: Installation, clock: VirtualClock) -> None:
    """However it was submitted, from its first handler to its last; others run beside it."""
    IMPORTS.save()
    flow, acme = imports(), {"n": 2, "customer": "acme"}
    jobs = [flow.execute("it", acme), *flow.execute_many("it", [acme] * 3)]
    later = flow.execute("it", acme, delay=60)
    other = flow.execute("it", {"n": 0, "customer": "other"})
    assert other.wait(LIMIT).status == "completed"
    jobs[1].wait(LIMIT)
    jobs.append(jobs[0].rerun())
    for job in jobs:
        assert job.wait(LIMIT).status == "completed"
    clock.advance(minutes=1)
    assert later.wait(LIMIT).status == "completed"
    details = [shared.engine.inspector.describe(job.job_id)[1] for job in (*jobs, later)]
    spans = sorted(
        (one.started_at, one.ended_at) for one in details if one.started_at and one.ended_at
    )
    assert len(spans) == 6
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert shared.engine.limits.usage(["delay-imports/acme"])[0].running == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delay": -1}, "delay must be from 0 seconds to 3660 days, not -1"),
        ({"delay": float("nan")}, "delay must be from 0 seconds"),
        ({"delay": timedelta(days=4000)}, "to 3660 days"),
        ({"delay": "60"}, "delay must be seconds or a timedelta, not '60'"),
        ({"delay": True}, "delay must be seconds or a timedelta, not True"),
        ({"at": datetime(2030, 1, 1)}, "has no time zone"),  # noqa: DTZ001
        ({"at": datetime(9999, 1, 1, tzinfo=UTC)}, "more than 3660 days ahead"),
        ({"at": 5}, "at must be a datetime, not 5"),
        ({"at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 1}, "give delay or at, not both"),
    ],
)
def test_what_is_no_start_is_refused(options: dict[str, object], said: str) -> None:
    """Before anything is submitted, with what was wrong."""
    with pytest.raises(InvalidValueError, match=re.escape(said)):
        single(One).execute("it", **options)  # type: ignore[arg-type]


def test_the_place_of_a_wrong_delay_is_told() -> None:
    """Of many jobs the one that it is about."""
    with pytest.raises(InvalidValueError, match=re.escape("delay[1] must be from 0 seconds")):
        single(One).execute_many("it", [None, None], delay=[1, -1])
    with pytest.raises(InvalidValueError, match="1 delay for 2 entry_params"):
        single(One).execute_many("it", [None, None], delay=[1])


def test_the_first_start_of_a_key_holds(clock: VirtualClock) -> None:
    """The job that waits is found."""
    flow = single(One)
    first = flow.execute("it", idempotency_key="later", delay=3600)
    again = flow.execute("it", idempotency_key="later")
    assert (again.job_id, again.created) == (first.job_id, False)
    clock.advance(hours=1)
    assert first.wait(LIMIT).status == "completed"


def test_a_start_is_moved(clock: VirtualClock) -> None:
    """Later and sooner, as often as one likes until it has started; the history tells it."""
    job = single(One).execute("it", delay=3600)
    job.reschedule(delay=7200, by="anna")
    clock.advance(hours=1)
    assert job.status == "pending"
    job.reschedule(at=clock.now() + timedelta(minutes=10), by="kim")
    clock.advance(minutes=10)
    assert job.wait(LIMIT).status == "completed"
    moved = [entry for entry in job.get_execution_history() if entry.kind == "rescheduled"]
    assert [entry.details["by"] for entry in moved] == ["anna", "kim"]
    assert moved[1].details["at"] < moved[0].details["at"] == moved[1].details["before"]
    with pytest.raises(JobStateError, match="it is completed"):
        job.reschedule(delay=1)
    with pytest.raises(InvalidValueError, match="give delay or at"):
        job.reschedule()


def test_a_start_is_made_now() -> None:
    """Once; a job that was not put off has no start to make."""
    job = single(One).execute("it", delay=3600)
    job.pause()
    with pytest.raises(JobStateError, match=f"cannot start job {job.job_id}: it is paused"):
        job.start_now()
    job.resume()
    job.start_now(by="anna")
    assert job.wait(LIMIT).status == "completed"
    with pytest.raises(JobStateError, match="it is completed"):
        job.start_now()


def test_a_job_that_has_started_has_no_start(clock: VirtualClock) -> None:
    """Nor has one that was not put off; the error says so, and who has started it."""
    flow = single(Flaky)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=86_400))
    job = flow.execute("it", {"failures": 1}, delay=3600)
    job.start_now(by="anna")
    clock.run_until_quiet()
    said = rf"cannot reschedule job {job.job_id}: it has started, .* made to run by anna at "
    with pytest.raises(JobStateError, match=said):
        job.reschedule(delay=5)
    # Its retry is another matter.
    job.reschedule(1, delay=600)
    clock.advance(minutes=10)
    assert job.wait(LIMIT).status == "completed"


def test_a_paused_job_is_started_by_its_resume(clock: VirtualClock) -> None:
    """What becomes due is parked; before its time a resume starts nothing."""
    job = single(One).execute("it", delay=3600)
    job.pause()
    clock.advance(minutes=30)
    job.resume()
    assert job.counts["timers"] == 1
    job.pause()
    clock.advance(hours=1)
    assert (job.status, job.counts["parked"]) == ("paused", 1)
    job.resume()
    assert job.wait(LIMIT).status == "completed"


# --- deliveries ------------------------------------------------------------------------------


def test_an_emission_is_delivered_later(clock: VirtualClock) -> None:
    """Each after its delay; the job goes on until the last."""
    job = reminders().execute("remind", {"delays": [3600, 7200, 0]})
    clock.run_until_quiet()
    assert sorted(output.params["number"] for output in job.outputs) == [0, 3]
    assert (job.status, job.counts["timers"]) == ("running", 2)
    assert [one.kind for one in job.explain()] == ["delay", "delay"]
    assert job.starts_at is None
    for hours in (1, 2):
        clock.advance(hours=1)
        clock.run_until_quiet()
        assert len(job.outputs) == 2 + hours
    assert job.status == "completed"


def test_a_connection_delays_what_it_carries(clock: VirtualClock) -> None:
    """In addition to what the handler says."""
    job = reminders(delay=1800).execute("remind", {"delays": [0, 1800]})
    clock.run_until_quiet()
    clock.advance(minutes=29)
    clock.run_until_quiet()
    assert len(job.outputs) == 1
    for minutes, seen in ((1, 2), (29, 2), (1, 3)):
        clock.advance(minutes=minutes)
        clock.run_until_quiet()
        assert len(job.outputs) == seen
    assert job.status == "completed"


def test_a_join_of_all_waits_for_what_comes_later(clock: VirtualClock) -> None:
    """It fires once, with everything."""
    job = reminders(Gather).execute("remind", {"delays": [60, 3600]})
    clock.run_until_quiet()
    clock.advance(minutes=1)
    clock.run_until_quiet()
    assert job.status == "running"
    clock.advance(hours=1)
    assert outputs(job) == [{"numbers": [0, 1, 2]}]


def test_a_merging_slot_sees_a_delivery_when_it_is_due(clock: VirtualClock) -> None:
    """And not before, whatever else arrives."""
    job = reminders(Append).execute("remind", {"delays": [7200, 3600]})
    clock.run_until_quiet()
    clock.advance(hours=1)
    clock.run_until_quiet()
    clock.advance(hours=1)
    assert outputs(job) == [{"numbers": [0]}, {"numbers": [0, 2]}, {"numbers": [0, 2, 1]}]


def test_a_large_emission_is_put_off(clock: VirtualClock) -> None:
    """More than a commit takes, in a job with little room."""
    flow = reminders(Gather)
    job = flow.execute("remind", {"delays": [3600] * 450}, max_in_flight=2)
    eventually(lambda: job.counts["timers"] == 450, LIMIT)
    clock.advance(minutes=59)
    clock.run_until_quiet()
    assert job.counts["timers"] == 450
    clock.advance(minutes=1)
    assert outputs(job) == [{"numbers": list(range(451))}]


def test_a_delivery_is_made_earlier_by_hand(clock: VirtualClock) -> None:
    """``explain`` has the command; it can be skipped as well."""
    job = reminders().execute("remind", {"delays": [3600, 7200]})
    clock.run_until_quiet()
    first, second = (one.invocation for one in job.explain())
    assert first is not None
    assert second is not None
    assert job.explain()[0].command == f"flowforge run-now {job.job_id} {first}"
    job.run_now(first)
    job.reschedule(second, delay=86_400)
    clock.run_until_quiet()
    clock.advance(hours=3)
    clock.run_until_quiet()
    assert [output.params["number"] for output in job.outputs] == [0, 1]
    job.skip(second, [("output", {"number": 7})])
    assert job.wait(LIMIT).outputs[-1].params == {"number": 7}


def test_an_output_cannot_be_put_off() -> None:
    """The error says what to do in its place."""
    flow = single(Reminder)
    error = flow.execute("it", {"delays": [1]}).wait(LIMIT).error
    assert error is not None
    assert "it.emit_later('later'): no connection leads from this event" in error["message"]


# --- schedules -------------------------------------------------------------------------------


def to_next_time(clock: VirtualClock, schedule: ScheduleState) -> datetime:
    """Let its next time come; that time."""
    (at,) = schedule.next_times(1)
    clock.advance(seconds=(at - clock.now()).total_seconds() + 0.01)
    clock.run_until_quiet()
    return at


def test_a_worker_starts_a_job_every_night(clock: VirtualClock) -> None:
    """What its modules declare it saves at its start; each night has one job, which knows it."""
    schedule = ScheduleState("nightly")
    eventually(lambda: any(one.name == "nightly" for one in ScheduleState.all()), LIMIT)
    nights = [to_next_time(clock, schedule) for _ in range(2)]
    assert nights[1] - nights[0] in {timedelta(hours=hours) for hours in (23, 24, 25)}
    # Other tests have let nights pass as well.
    started = [one for one in reversed(schedule.history()) if one.kind == "started"]
    assert [one.time for one in started[-2:]] == nights
    for one, night in zip(started[-2:], nights, strict=True):
        assert one.job_id is not None
        job = JobState.get(one.job_id)
        assert outputs(job) == [{"region": "ch", "at": night.isoformat()}]
        assert job.labels == {"tenant": "acme"}
    info = schedule.info()
    assert (info.in_code, info.module, info.started) == (True, SCHEDULES, len(started))
    assert len({one.time for one in started}) == len(started)


# --- the command line ------------------------------------------------------------------------


def test_the_command_line_puts_off(idle: Shell) -> None:
    """``run``, ``jobs``, ``show``, ``explain``, ``reschedule`` and ``start-now``."""
    job_id = idle.submit("numbers", "--delay", "2h")
    job = JobState(job_id, idle.installation.engine)
    starts = job.starts_at
    assert starts is not None
    assert f"starts at {starts.astimezone():%Y-%m-%d %H:%M:%S}" in idle.run("jobs").stdout
    (listed,) = idle.json("jobs")
    assert listed["starts_at"] == idle.json("show", job_id)["starts_at"] == starts.isoformat()
    assert re.search(r"starts +at .*\(in 1 h 59 min\)", idle.run("show", job_id).stdout)
    assert re.search(
        rf"^delay +it was put off, .*, starts at .*\(in 1 h.*  -> flowforge start-now {job_id}$",
        idle.run("explain", job_id).stdout, re.MULTILINE,
    )  # fmt: skip
    idle.run("reschedule", job_id, "--at", "2099-01-01T00:00+01:00", "--by", "anna", code=1)
    idle.run("reschedule", job_id, "1", "--delay", "30m", "--by", "anna")
    moved = job.starts_at
    assert moved is not None
    assert moved < starts
    assert idle.json("start-now", job_id, "--by", "kim")["job_id"] == job_id
    assert job.counts["queued"] == 1
    assert "rescheduled" in idle.run("history", job_id).stdout
    assert "made to run by kim" in idle.run("start-now", job_id, code=1).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reschedule", "j"], "give either --delay or --at"),
        (["reschedule", "j", "--delay", "2h", "--at", "2030-01-01"], "give either"),
        (["reschedule", "j", "--delay", "soon"], "no length of time"),
        (["reschedule", "j", "--at", "soon"], "is no time"),
    ],
)
def test_a_start_that_is_none_is_a_usage_error(
    idle: Shell, arguments: list[str], said: str
) -> None:
    """Exit status 2, with what to give."""
    assert said in idle.run(*arguments, code=2).stderr


# --- one job for many calls, one job at a time -----------------------------------------------


def test_calls_that_come_together_are_one_job(clock: VirtualClock) -> None:
    """The handler of the entry gets the list of their params; what waits says for which key."""
    rule = Debounce("kim", wait=60, keep="all")
    flow = Flow("digest")
    flow.add_routine(digest, "it")
    jobs = flow.execute_many("it", [{"n": n} for n in range(3)], debounce=rule)
    (job,) = set(jobs)
    assert [one.created for one in jobs] == [True, False, False]
    assert job.calls == 3
    assert job.params == {"items": [{"n": 0}, {"n": 1}, {"n": 2}]}
    (finding,) = job.explain()
    assert finding.what == "it waits for further calls with the key 'kim', 3 calls so far"
    (entry,) = [one for one in job.get_execution_history() if one.kind == "debounced"]
    assert entry.details == {"key": "kim", "wait": 60, "keep": "all"}
    clock.advance(seconds=60)
    assert outputs(job) == [{"numbers": [0, 1, 2]}]
    assert flow.execute("it", {"n": 3}, debounce=rule) != job
    with pytest.raises(InvalidValueError, match="give debounce or a delay, not both"):
        flow.execute("it", {"n": 3}, debounce=rule, delay=5)


def test_jobs_of_one_key_run_one_after_the_other(shared: Installation, clock: VirtualClock) -> None:
    """One that waits, a rerun too, names the job that has the key."""
    flow = countdown()
    first = flow.execute("it", {"n": 1}, single="k", delay=60)
    assert flow.execute("it", {"n": 2}, single="k") == first
    second = flow.execute("it", {"n": 1}, single="k", when_running="queue")
    third = first.rerun()
    for place, job in enumerate((second, third), 1):
        (finding,) = job.explain()
        assert (finding.kind, finding.details["place"]) == ("single", place)
        assert finding.details["job_id"] == first.job_id
    said = Shell(shared).run("show", third.job_id).stdout
    assert f"it waits for job {first.job_id}, which has the key 'k'" in said
    given = ("--param", "how=no", "--when-running", "queue")
    refused = Shell(shared).run("run", f"{FLOWS}:approval", *given, code=2)
    assert "--when-running needs --single KEY" in refused.stderr
    twice = ("--debounce", "d", "--debounce-wait", "5", "--delay", "5")
    refused = Shell(shared).run("run", f"{FLOWS}:approval", "--param", "how=no", *twice, code=2)
    assert "give debounce or a delay, not both" in refused.stderr
    set_engine(shared.engine)
    clock.advance(seconds=60)
    for job in (first, second, third):
        assert job.wait(LIMIT).status == "completed"
    started = [job.get_execution_history()[1].kind for job in (first, second, third)]
    assert started == ["completed", "held", "held"]


def test_a_job_that_waits_for_its_turn_cannot_be_started(clock: VirtualClock) -> None:
    """The error says for which job it waits, and ``explain`` why that one has not ended."""
    flow = countdown()
    first = flow.execute("it", {"n": 1}, single="s", delay=60)
    second = flow.execute("it", {"n": 1}, single="s", when_running="queue")
    turn = f"the job waits for its turn behind job {first.job_id}"
    with pytest.raises(JobStateError, match=f"cannot start job {second.job_id}: {turn}"):
        second.start_now()
    with pytest.raises(JobStateError, match=f"it is parked, since {turn}"):
        second.run_now(1)
    (finding,) = second.explain()
    assert finding.what.startswith(f"it waits for job {first.job_id}, which has the key 's'")
    assert "of that one: it was put off" in finding.what
    assert (finding.until, finding.command) == (
        first.starts_at, f"flowforge start-now {first.job_id}",
    )  # fmt: skip
    first.start_now()
    assert second.wait(LIMIT).status == "completed"


def test_a_rerun_and_a_fork_start_at_once(clock: VirtualClock) -> None:
    """Also of a job that is put off, or takes calls: the delay is not that of the new job."""
    flow = countdown()
    later = flow.execute("it", {"n": 1}, delay=60)
    rule = Debounce("again", wait=60, keep="all")
    digested = Flow("digest")
    digested.add_routine(digest, "it")
    called = digested.execute("it", {"n": 4}, debounce=rule)
    for job in (later.rerun(), later.fork([1]), called.rerun(), called.fork([1])):
        assert job.starts_at is None
        assert job.wait(LIMIT).status == "completed"
        assert job.calls == 1
    assert called.calls == digested.execute("it", {"n": 5}, debounce=rule).calls - 1 == 1
    assert later.starts_at is not None
    for job in (later, called):
        job.cancel()


def test_a_replaced_job_is_cancelled(clock: VirtualClock) -> None:
    """Its reason names the other one."""
    flow = countdown()
    first = flow.execute("it", {"n": 1}, single="r", delay=60)
    second = flow.execute("it", {"n": 1}, single="r", when_running="replace")
    assert (first.status, first.reason) == ("cancelled", f"replaced by job {second.job_id}")
    assert second.wait(LIMIT).status == "completed"


def test_the_command_line_says_for_what_a_job_stands(idle: Shell) -> None:
    """Without waiting too: the id alone would look like that of a new job."""
    flow = f"{CLI_FLOWS}:numbers"
    for options, said in (
        (("--single", "cli"), "which has the key and has not ended; nothing was started"),
        (("--debounce", "cli", "--debounce-wait", "1h"), "which waits for further calls and"),
    ):
        first = idle.run("run", flow, "--no-wait", *options)
        assert first.stderr == ""
        again = idle.run("run", flow, "--no-wait", *options)
        assert again.stdout == first.stdout
        assert again.stderr.startswith(f"job {first.stdout.strip()}, {said}")
