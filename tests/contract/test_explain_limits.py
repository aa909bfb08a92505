"""What ``explain`` says of a job that waits at a limit, and where its counters show it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

import pytest

from flowforge import Flow, JobState, Limit, routine
from flowforge.broker.fleet_app import fleet_app
from flowforge.codec.binary import pack_record
from flowforge.doctor.findings import Finding
from flowforge.doctor.limits import examine_limits
from flowforge.doctor.work import idle_jobs
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_work import job_work
from flowforge.engine.limits import in_force, settings_in_force
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import JobStatus
from flowforge.model.limit import UNLIMITED, LimitSettings, parsed_settings
from flowforge.settings import from_environment
from flowforge.store.job_reads.job_rows import ActiveJob

STRIPE = Limit("stripe", per="customer", running=1, rate=100, period=60)


@routine(limit=STRIPE)
def charge(customer: str) -> None: ...


FLOW = Flow("charges")
FLOW.add_routine(charge, "charge")


IMPORT = Limit("imports", running=1)


@routine
def imported() -> None: ...


IMPORTS = Flow("imports", limit=IMPORT)
IMPORTS.add_routine(imported, "it")


@pytest.fixture
def engine(server: LocalServer, prefix: str) -> Iterator[Engine]:
    settings = from_environment({}, redis_url=server.url, prefix=prefix)
    engine = Engine(settings, fleet_app(settings))
    engine.limits.declare([STRIPE, IMPORT])
    yield engine
    engine.close()


def submit(engine: Engine) -> str:
    return engine.submit(JobTemplate(FLOW, "charge"), {"customer": "ac me"})


def test_what_waits_at_a_limit_is_told_apart_from_what_is_parked(engine: Engine) -> None:
    """In the graph of a job and in its table."""
    first, second = [submit(engine) for _ in range(2)]
    engine.store.invocations.claim(first, "1.0.0", "t", 60_000)
    assert job_work(engine, second).routines["charge"].waiting == {"limit": 1}
    assert job_work(engine, first).routines["charge"].running == 1


def test_what_waits_at_a_limit_is_explained(engine: Engine) -> None:
    """Which key, what has its places, how many are before it, and about how long that takes."""
    first, *others = [submit(engine) for _ in range(3)]
    engine.store.invocations.claim(first, "1.0.0", "t", 60_000)
    (found,) = engine.explain(others[1])
    assert found.kind == "limit"
    assert found.what == (
        "charge.input (invocation 1) waits for the limit stripe/ac me: 1 of 1 place is taken "
        f"(job {first} invocation 1), 100 start in 60 s; 1 waits before it; its turn comes in "
        "about 1.2 s"
    )
    assert found.command == "flowforge limits show 'stripe/ac me'"
    assert found.details["held_by"] == [{"job_id": first, "invocation": 1}]
    assert (found.details["before"], found.details["about_seconds"]) == (1, 1.2)
    assert found.since is not None
    assert abs(found.since - engine.inspector.describe(first)[0].created_at) < timedelta(seconds=9)


def test_a_whole_job_that_waits_is_explained(engine: Engine) -> None:
    """Which jobs have its places; nothing else is said of what it has parked."""
    first, *others = [engine.submit(JobTemplate(IMPORTS, "it")) for _ in range(3)]
    (found,) = engine.explain(others[1])
    assert (found.kind, found.invocation, found.routine_id) == ("limit", None, None)
    assert found.what == (
        f"the job, as a whole, waits for the limit imports: 1 of 1 place is taken (job {first}); "
        "1 waits before it"
    )
    assert found.command == "flowforge limits show imports"
    assert found.details["held_by"] == [{"job_id": first, "invocation": None}]
    assert JobState(others[0], engine).progress().waiting["limit"] == 1
    engine.store.control.pause(others[0], "", None, False)
    engine.store.control.cancel(first, "")
    assert [one.kind for one in engine.explain(others[0])] == ["paused"]
    assert [one.kind for one in engine.explain(others[1])] == ["unserved"]


def test_a_job_that_has_lost_its_turn_has_it_again(engine: Engine) -> None:
    """By a pause and a resume, as after a loss of the server's data."""
    first, second = [engine.submit(JobTemplate(IMPORTS, "it")) for _ in range(2)]
    engine.client.delete(engine.store.keys.of("limit_waiters", "imports"))
    assert [one.command for one in engine.explain(second)] == ["flowforge limits list"]
    engine.store.control.pause(second, "", None, False)
    engine.store.control.resume(second)
    assert "waits for the limit imports" in engine.explain(second)[0].what
    engine.store.control.cancel(first, "")
    assert [one.kind for one in engine.explain(second)] == ["unserved"]


def test_it_counts_as_waiting_and_not_as_stuck(engine: Engine) -> None:
    """In the progress, and for the doctor."""
    first, second = submit(engine), submit(engine)
    assert JobState(second, engine).progress().waiting == {"limit": 1}
    active = [one for one in engine.overview.active(10) if isinstance(one, ActiveJob)]
    assert {one.job_id for one in active} == {first, second}
    assert idle_jobs(engine, [one._replace(updated=0) for one in active]) == ([], {})
    engine.limits.switch("stripe/ac me", on=False)
    assert engine.inspector.status(first) is JobStatus.PENDING
    assert JobState(second, engine).progress().waiting == {"queued": 1}


def starving(engine: Engine) -> Finding:
    """What the doctor says when the first one has waited for long."""
    engine.client.zadd(engine.store.keys.of("limit_keys"), {"stripe/ac me": 0})
    engine.store.limits.look(10, 0)
    (found,) = examine_limits(engine)
    assert (found.level, found.check) == ("warn", "limits")
    return found


def test_the_doctor_tells_of_a_limit_that_starves(engine: Engine) -> None:
    """With what holds it up; its command lets in more as it is printed."""
    jobs = [submit(engine) for _ in range(3)]
    assert list(examine_limits(engine)) == []
    engine.store.invocations.claim(jobs[0], "1.0.0", "t", 60_000)
    found = starving(engine)
    assert found.text.startswith(
        "1 key of a limit starves: stripe/ac me (2 wait, the first one for "
    )
    assert found.text.endswith("1 of 1 place is taken)")
    command, _, about = found.fix.partition(" lets more in; ")
    assert command == "flowforge limits set 'stripe/ac me' running=2"
    assert about == "flowforge limits show 'stripe/ac me' has what holds the places"
    _, _, _, key, setting = shlex.split(command)
    name, value = setting.split("=")
    engine.limits.set(key, parsed_settings(key, {name: value}))
    assert in_force("stripe/ac me", engine.limits.stored()).running == 2


def test_the_doctor_names_the_rate_where_that_is_full(engine: Engine) -> None:
    engine.limits.set("stripe", LimitSettings(running=UNLIMITED, rate=0))
    submit(engine)
    assert starving(engine).fix.startswith(
        "flowforge limits set 'stripe/ac me' rate=1 lets more in; "
    )


def test_more_places_do_not_help_where_a_limit_rests(engine: Engine) -> None:
    """Its end is told, and what would let all in before."""
    job = submit(engine)
    submit(engine)
    engine.store.invocations.claim(job, "1.0.0", "t", 60_000)
    details = pack_record("Limited", "come later", 30.0)
    engine.store.invocations.rest(job, "1.0.0", "t", 90_000, 5, details, "")
    found = starving(engine)
    assert "it rests for 1 min 2" in found.text or "it rests for 1 min 30 s" in found.text
    assert found.fix == (
        "it goes on by itself when the rest is over, for which a handler asked with Limited; "
        "flowforge limits disable 'stripe/ac me' lets everything in before"
    )


def test_a_place_that_an_invocation_keeps_leads_to_its_job(engine: Engine) -> None:
    """More places would break the order that it is kept for."""
    engine.limits.set("stripe", LimitSettings(hold="invocation"))
    job = submit(engine)
    submit(engine)
    engine.store.invocations.claim(job, "1.0.0", "t", 60_000)
    assert starving(engine).fix.startswith(f"flowforge explain {job} says what keeps ")


def test_where_each_setting_of_a_key_comes_from(engine: Engine) -> None:
    """Also at a key at which nothing runs or waits."""
    engine.limits.set("stripe", LimitSettings(rate=5))
    engine.limits.set("stripe/acme", LimitSettings(running=3))
    stored = engine.limits.stored()
    assert [tuple(one) for one in settings_in_force("stripe/acme", stored)] == [
        ("running", "3", "set for stripe/acme"),
        ("rate", "5", "set for stripe"),
        ("period", "60 s", "code"),
        ("burst", "1", "default"),
        ("when_full", "wait", "code"),
        ("hold", "attempt", "code"),
        ("state", "on", "default"),
    ]
    (idle,) = engine.limits.in_use("stripe/other")
    assert (idle.usage.waiting, idle.settings.running) == (0, 1)
    assert engine.limits.in_use("nothing/acme") == []
