"""Schedules by the API and the command line; no worker is needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowforge import JobState, ScheduleState
from flowforge.engine.current import set_engine
from flowforge.errors import (
    ArgumentError,
    InvalidValueError,
    ScheduleNotFoundError,
    ScheduleStateError,
)
from flowforge.metrics.exposition import Page
from flowforge.metrics.fleet import FleetMetrics
from flowforge.worker.upkeep.schedules import Schedules
from tests.contract.bench import STOPPED
from tests.integration.cli_flows import gate
from tests.integration.cli_shell import Shell
from tests.integration.installation import Installation
from tests.integration.schedule_flows import nightly, report

pytestmark = pytest.mark.usefixtures("no_settings")

DECLARED = "tests.integration.schedule_flows"

#: Far from any time of the tests.
YEARLY = {"cron": "0 4 29 2 *"}


def hourly(name: str = "hourly", **options: Any) -> ScheduleState:
    """A schedule that a program saves, whose next time is up to an hour away."""
    return report().schedule(name, "report", every=3600, **options).save(by="anna")


# --- the API -----------------------------------------------------------------------------------


def test_a_program_saves_a_schedule(site: Installation) -> None:
    """And reads it again, by its name."""
    hourly(overlap="queue", jitter=timedelta(minutes=5), labels={"tenant": "acme"}, times=3)
    schedule = ScheduleState.get("hourly")
    info = schedule.info()
    assert (info.flow_id, info.entry, info.status) == ("report", "report.input", "active")
    assert (info.in_code, info.module, info.vanished) == (False, None, False)
    assert (info.policy.overlap, info.timing.jitter, info.policy.times) == ("queue", 300, 3)
    assert info.labels == {"tenant": "acme"}
    first, second = schedule.next_times(2)
    assert second - first == timedelta(hours=1)
    assert [one.name for one in ScheduleState.all()] == ["hourly"]
    assert [(one.kind, one.by) for one in schedule.history()] == [("created", "anna")]
    schedule.remove()
    with pytest.raises(ScheduleNotFoundError, match="there is no schedule 'hourly'"):
        schedule.info()


def test_a_job_is_started_by_hand(site: Installation) -> None:
    """It has the labels and params of the schedule; a second one meets it."""
    schedule = hourly(labels={"tenant": "acme"})
    job = schedule.trigger(by="kim")
    assert job.labels == {"tenant": "acme"}
    with pytest.raises(ScheduleStateError, match=f"job {job.job_id} has not ended"):
        schedule.trigger()
    other = schedule.trigger(overlap="replace")
    assert JobState(job.job_id).status == "cancelled"
    assert other.status == "pending"
    with pytest.raises(InvalidValueError, match="overlap must be one of 'skip', 'queue'"):
        schedule.trigger(overlap="all")


def test_jobs_have_deadlines(site: Installation) -> None:
    """Each from its own creation on."""
    schedule = hourly(start_within=600, finish_within=timedelta(hours=2))
    job = schedule.trigger()
    assert job.start_by == job.created_at + timedelta(minutes=10)
    assert job.finish_by == job.created_at + timedelta(hours=2)
    with pytest.raises(InvalidValueError, match="start_within must be above 0"):
        report().schedule("s", "report", every=60, start_within=0)


def test_past_times_are_made_up_for(site: Installation) -> None:
    """A bounded number, each once, and none of the future."""
    schedule = hourly()
    end = schedule.next_times(1)[0] - timedelta(hours=1)
    start = end - timedelta(hours=3)
    done = schedule.backfill(start, end, overlap="allow")
    assert (done.started, done.waiting, done.known) == (3, 0, 0)
    again = schedule.backfill(start, end)
    assert (again.started, again.waiting, again.known) == (0, 0, 3)
    with pytest.raises(InvalidValueError, match="in the future"):
        schedule.backfill(start, end + timedelta(hours=2))
    with pytest.raises(InvalidValueError, match="is after end"):
        schedule.backfill(end, start)
    with pytest.raises(InvalidValueError, match="more than 1,000 times"):
        schedule.backfill(end - timedelta(days=3653), end)
    with pytest.raises(InvalidValueError, match="start must be a datetime with a time zone"):
        schedule.backfill(datetime(2026, 1, 1), end)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either cron= or every="),
        ({"cron": "0 0 * * *", "every": 5}, "give either cron= or every="),
        ({"every": 0}, "every must be whole seconds, from 1"),
        ({"every": 1.5}, "every must be whole seconds"),
        ({"every": 60, "timezone": "UTC"}, "has no time zone"),
        ({"cron": "* * * * * *"}, "six|has 6 fields"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Base"}, "there is no time zone 'Mars/Base'"),
        ({"cron": "0 0 * * *", "offset": 5}, "offset= is for every="),
        ({"every": 60, "overlap": "both"}, "overlap must be one of"),
        ({"every": 60, "missed": "some"}, "missed must be one of"),
        ({"every": 60, "times": 0}, "times must be a whole number"),
        ({"every": 60, "jitter": -1}, "jitter must be whole seconds"),
        ({"every": 60, "pause_on_failure": 1}, "pause_on_failure must be True or False"),
    ],
)
def test_what_is_no_schedule_is_refused(options: dict[str, Any], said: str) -> None:
    """Where it is declared, with what was wrong."""
    with pytest.raises(InvalidValueError, match=said):
        report().schedule("s", "report", **options)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 129, "a\n", None, "ä"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    """It stands in keys, commands and lists."""
    with pytest.raises(InvalidValueError, match="a schedule's name has up to 128"):
        report().schedule(name, "report", every=60)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"regoin": "ch"},
            "report.input does not take the param 'regoin'; it takes: 'region'. Did",
        ),
        ({"region": "ch", "day": 1}, "does not take the param 'day'"),
    ],
)
def test_params_that_do_not_fit_are_told_at_the_saving(
    site: Installation, params: dict[str, Any], said: str
) -> None:
    """Else each of its jobs would fail, or run without them."""
    with pytest.raises(ArgumentError, match=said):
        report().schedule("s", "report", params, every=60).save()
    with pytest.raises(ArgumentError, match="was called without 'path'; it was given no params"):
        gate.schedule("s", "gate", every=60).save()
    with pytest.raises(ScheduleNotFoundError):
        ScheduleState.get("s")


def test_a_name_belongs_to_code_or_to_a_program(site: Installation) -> None:
    """Neither takes the other's."""
    assert nightly.module == DECLARED
    nightly.save()
    with pytest.raises(ScheduleStateError, match="is declared in code that workers have"):
        report().schedule("nightly", "report", every=60).save()
    with pytest.raises(ScheduleStateError, match="is declared in code that workers have"):
        ScheduleState("nightly").remove()
    hourly()
    ScheduleState("hourly").remove()


def a_night(schedule: ScheduleState) -> JobState:
    """The job of its latest time."""
    at = schedule.next_times(1)[0] - timedelta(hours=1)
    schedule.backfill(at, at + timedelta(seconds=1), overlap="allow")
    job_id = schedule.info().last_job_id
    assert job_id is not None
    return JobState(job_id)


def test_a_job_says_for_which_time_it_is(site: Installation) -> None:
    """So do its forks and reruns, which do the work of that time again."""
    job = a_night(hourly())
    at = job.scheduled_at
    assert at is not None
    assert job.schedule == "hourly"
    found = job.explain()[-1]
    assert (found.kind, found.details) == ("schedule", {"schedule": "hourly", "scheduled_at": at})
    assert found.what == f"schedule hourly has started it, for {at:%Y-%m-%dT%H:%M:%SZ}"
    for copy in (job.fork([1]), job.rerun()):
        assert (copy.schedule, copy.scheduled_at) == ("hourly", at)
    other = report().execute("report")
    assert (other.schedule, other.scheduled_at) == (None, None)
    assert "schedule" not in {one.kind for one in other.explain()}
    # They are no jobs of the schedule.
    assert ScheduleState("hourly").info().unfinished == 1


def test_what_schedules_did_is_counted(site: Installation) -> None:
    """By flow; skipped times by why as well."""
    schedule = hourly()
    a_night(schedule)
    site.engine.store.schedules.put_off("hourly", "soon", -61_000)
    page = Page()
    FleetMetrics(site.engine.store, "s").add_to(page)
    text = page.text()
    assert 'flowforge_schedule_starts_total{server="s",flow="report"} 1' in text
    assert 'flowforge_schedules{server="s"} 1' in text
    (lag,) = re.findall(r'upkeep_lag_seconds\{server="s",index="schedules"\} (\S+)', text)
    assert float(lag) >= 61
    schedule.pause()
    row = site.key("schedule", "hourly")
    site.redis.hincrby(row, "next", -7200)
    site.redis.hincrby(row, "due", -7_200_000)
    site.redis.zadd(site.key("schedules"), {"hourly": 1})
    Schedules(site.engine.store).run_once()
    page = Page()
    FleetMetrics(site.engine.store, "s").add_to(page)
    skips = 'flowforge_schedule_skips_total{server="s",flow="report",reason="paused"}'
    assert re.search(rf"^{re.escape(skips)} [12]$", page.text(), re.MULTILINE)


# --- the doctor --------------------------------------------------------------------------------


def told(idle: Shell, code: int) -> list[dict[str, str]]:
    """What the doctor finds out about schedules."""
    found = idle.findings(code=code)
    return [*found.get("schedules", []), *found.get("schedule", [])]


def test_the_doctor_looks_after_schedules(idle: Shell) -> None:
    """Without a worker, with one that cannot run their jobs, and with one that can."""
    assert told(idle, 0) == []
    set_engine(idle.installation.engine)
    hourly()
    (found,) = told(idle, 1)
    assert "no worker is there to start the jobs of 1: hourly" in found["text"]
    idle.report_worker("w@host", queues=["celery"], routines=["a.B"])
    found = idle.findings(code=1)["routine"][0]
    assert "Report, which jobs of schedules need" in found["text"]
    known = ["tests.integration.schedule_flows.Report"]
    idle.report_worker("w@host", queues=["celery"], routines=known)
    (found,) = told(idle, 0)
    assert (found["level"], found["text"]) == ("ok", "1, 1 of the next 1 active")


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"error": "there is no time zone 'Mars'"}, 1, "cannot start its job: there is no time"),
        ({"due": 1}, 1, "1 is late: hourly by"),
        ({"missed_at": "now", "skipped missed": 3}, 0, "missed times within a day: hourly (3 in"),
        (
            {"state": "paused", "reason": "job j failed", "paused": 1, "by": ""}, 0,
            "failures have paused 1: hourly by job j",
        ),
        ({"source": "code", "place": "shop.gone"}, 0, "no worker has 1 in code any more: hourly"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_schedule(
    idle: Shell, fields: dict[str, Any], code: int, said: str
) -> None:
    """Each with what to do."""
    set_engine(idle.installation.engine)
    hourly()
    known = ["tests.integration.schedule_flows.Report"]
    idle.report_worker("w@host", queues=["celery"], routines=known)
    now = idle.installation.engine.overview.now()
    values = {name: now if value == "now" else value for name, value in fields.items()}
    idle.installation.redis.hset(idle.installation.key("schedule", "hourly"), mapping=values)
    (found,) = [one for one in told(idle, code) if said in one["text"]]
    assert "hourly" in found["fix"] or "worker" in found["fix"]


def test_a_job_that_failed_is_told(idle: Shell) -> None:
    """The latest one of a schedule."""
    set_engine(idle.installation.engine)
    job = hourly().trigger()
    known = ["tests.integration.schedule_flows.Report"]
    idle.report_worker("w@host", queues=["celery"], routines=known)
    invocations = idle.installation.engine.store.invocations
    invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    invocations.fail(job.job_id, "1.0.0", "t", 1, b"", "why", b"", STOPPED)
    found = [one["text"] for one in told(idle, 0)]
    assert f"the latest job of 1 has failed: hourly ({job.job_id})" in found


# --- the command line --------------------------------------------------------------------------


def test_schedules_are_listed_and_shown(idle: Shell) -> None:
    """With when they start a job next, what they did, and what is wrong."""
    assert idle.run("schedules", "list").stderr == "no schedules\n"
    assert idle.json("schedules", "list") == []
    assert idle.run("schedules", "apply", DECLARED).stdout == "nightly: saved\n"
    assert idle.run("schedules", "apply", DECLARED).stdout == "nightly: as it was\n"
    listed = idle.run("schedules", "list").stdout
    assert "30 2 * * * (Europe/Zurich)" in listed
    assert idle.run("schedules", "list", "--flow", "other").stdout == ""
    shown = idle.run("schedules", "show", "nightly").stdout
    assert re.search(r"^from +tests.integration.schedule_flows$", shown, re.MULTILINE)
    assert re.search(r"^params +\{'region': 'ch'\}$", shown, re.MULTILINE)
    assert "created" in shown
    told = idle.json("schedules", "show", "nightly")
    assert (told["cron"], told["timezone"], told["overlap"]) == (
        "30 2 * * *", "Europe/Zurich", "skip",
    )  # fmt: skip
    times = idle.json("schedules", "next", "nightly", "-n", "3")
    assert len(times) == 3
    assert idle.run("schedules", "next", "nightly", "-n", "1").stdout.endswith("30:00Z\n")


def test_schedules_are_listed_in_pages(idle: Shell) -> None:
    """A list says where the next one goes on, and its JSON of each schedule."""
    set_engine(idle.installation.engine)
    names = [f"s{n}" for n in range(5)]
    for name in names:
        hourly(name)
    report().schedule("last", "report", **YEARLY).save()  # type: ignore[arg-type]
    first = idle.run("schedules", "list", "--limit", "2")
    (cursor,) = re.findall(r"^there may be more: --cursor (\S+)$", first.stderr, re.MULTILINE)
    assert re.findall(r"^(s\d|last) ", first.stdout, re.MULTILINE) == names[:2]
    rest = idle.json("schedules", "list", "--cursor", cursor)
    assert [one["name"] for one in rest] == [*names[2:], "last"]
    again = idle.run("schedules", "list", "--cursor", rest[2]["cursor"])
    assert re.findall(r"^(s\d|last) ", again.stdout, re.MULTILINE) == ["last"]
    assert "more" not in again.stderr
    end = idle.run("schedules", "list", "--cursor", rest[-1]["cursor"])
    assert (end.stdout, end.stderr) == ("", "no more schedules\n")
    said = idle.run("schedules", "list", "--cursor", "x", code=1).stderr
    assert "'x' is no cursor: take that of a list" in said


def test_a_list_of_one_flow_passes_over_others(
    idle: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a number of them it stops, and says where to go on, also with ``--json``."""
    monkeypatch.setattr("flowforge.engine.schedules.find.PASSED_OVER", 2)
    set_engine(idle.installation.engine)
    for name in ("a", "b", "c"):
        hourly(name)
    first = idle.run("schedules", "list", "--flow", "other", "--json")
    assert first.stdout.strip() == "[]"
    (cursor,) = re.findall(r"--cursor (\d+/b)$", first.stderr, re.MULTILINE)
    rest = idle.run("schedules", "list", "--flow", "other", "--cursor", cursor)
    assert "--cursor" not in rest.stderr


def test_a_schedule_is_paused_started_and_removed(idle: Shell) -> None:
    """Each is kept with who has done it."""
    set_engine(idle.installation.engine)
    hourly()
    assert "is paused" in idle.run("schedules", "pause", "hourly", "--reason", "audit").stdout
    assert "was paused already" in idle.run("schedules", "pause", "hourly").stdout
    assert "paused by" in idle.run("schedules", "list").stdout
    assert "are skipped" in idle.run("schedules", "next", "hourly").stderr
    job_id = idle.run("schedules", "trigger", "hourly", "--by", "kim").stdout.strip()
    assert JobState(job_id, idle.installation.engine).status == "pending"
    error = idle.run("schedules", "trigger", "hourly", code=1).stderr
    assert f"job {job_id} has not ended" in error
    assert "goes on" in idle.run("schedules", "resume", "hourly").stdout
    assert "was not paused" in idle.run("schedules", "resume", "hourly").stdout
    assert f"{job_id}, by kim" in idle.run("schedules", "show", "hourly").stdout
    idle.run("schedules", "remove", "hourly", "--by", "kim")
    assert "there is no schedule 'hourly'" in idle.run(
        "schedules", "show", "hourly", code=1
    ).stderr  # fmt: skip
    assert {one["action"] for one in idle.json("audit")} == {
        "pause schedule", "trigger schedule", "resume schedule", "remove schedule",
    }  # fmt: skip


def test_a_backfill_is_looked_at_before(idle: Shell) -> None:
    """``--dry-run`` prints its times and starts nothing."""
    set_engine(idle.installation.engine)
    hourly()
    day = ("--from", "3h", "--to", "0s")
    assert len(idle.json("schedules", "backfill", "hourly", *day, "--dry-run")) == 3
    assert idle.json("jobs") == []
    said = idle.run("schedules", "backfill", "hourly", *day, "--overlap", "allow").stdout
    assert said == "3 started, 0 wait, 0 had their job\n"
    assert len(idle.json("jobs")) == 3


def test_a_module_without_schedules_is_told(idle: Shell, tmp_path: Path) -> None:
    """Exit status 1, also where one of them cannot be saved."""
    said = idle.run("schedules", "apply", "tests.integration.flows", code=1).stderr
    assert "tests.integration.flows declares no schedule" in said
    set_engine(idle.installation.engine)
    report().schedule("nightly", "report", **YEARLY).save()  # type: ignore[arg-type]
    result = idle.run("schedules", "apply", DECLARED, code=1)
    assert "nightly: a program has saved another one of this name" in result.stdout
    assert "not saved: nightly" in result.stderr
    schedule = ScheduleState("nightly", idle.installation.engine)
    assert datetime.now(UTC) < schedule.next_times(1)[0]


def test_a_module_whose_params_do_not_fit_is_told(
    idle: Shell, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With what does not fit; nothing is saved."""
    module = tmp_path / "misfit.py"
    module.write_text(
        "from tests.integration.schedule_flows import report\n"
        "report().schedule('misfit', 'report', {'regoin': 'ch'}, every=60)\n"
    )
    said = idle.run("schedules", "apply", str(module), code=1).stderr
    assert "not saved: misfit" in said
    assert "does not take the param 'regoin'" in caplog.text
    assert idle.json("schedules", "list") == []
