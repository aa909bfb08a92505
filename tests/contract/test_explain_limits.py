"""What ``explain`` says of a job that waits at a limit, and where its counters show it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from flowforge import Flow, JobState, Limit, routine
from flowforge.broker.fleet_app import fleet_app
from flowforge.doctor.limits import examine_limits
from flowforge.doctor.work import idle_jobs
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import JobStatus
from flowforge.settings import from_environment
from flowforge.store.job_reads.job_rows import ActiveJob

STRIPE = Limit("stripe", per="customer", running=1, rate=100, period=60)


@routine(limit=STRIPE)
def charge(customer: str) -> None: ...


FLOW = Flow("charges")
FLOW.add_routine(charge, "charge")


@pytest.fixture
def engine(server: LocalServer, prefix: str) -> Iterator[Engine]:
    settings = from_environment({}, redis_url=server.url, prefix=prefix)
    engine = Engine(settings, fleet_app(settings))
    engine.limits.declare([STRIPE])
    yield engine
    engine.close()


def submit(engine: Engine) -> str:
    return engine.submit(JobTemplate(FLOW, "charge"), {"customer": "ac me"})


def test_what_waits_at_a_limit_is_explained(engine: Engine) -> None:
    """Which key, what has its places, how many are before it, and about how long that takes."""
    first, *others = [submit(engine) for _ in range(3)]
    engine.store.invocations.claim(first, "1.0.0", "t", 60_000)
    (found,) = engine.explain(others[1])
    assert found.kind == "limit"
    assert found.what == (
        "charge.input (invocation 1) waits for the limit stripe/ac me: 1 of 1 places are taken "
        f"(job {first} invocation 1), 100 start in 60 s; 1 wait before it; its turn comes in about "
        "1.2 s"
    )
    assert found.command == "flowforge limits show 'stripe/ac me'"
    assert found.details["held_by"] == [{"job_id": first, "invocation": 1}]
    assert (found.details["before"], found.details["about_seconds"]) == (1, 1.2)
    assert found.since is not None
    assert abs(found.since - engine.inspector.describe(first)[0].created_at) < timedelta(seconds=9)


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


def test_the_doctor_tells_of_a_limit_that_starves(engine: Engine) -> None:
    """With what holds it up, and the command that mends it."""
    for _ in range(3):
        submit(engine)
    assert list(examine_limits(engine)) == []
    engine.client.zadd(engine.store.keys.of("limit_keys"), {"stripe/ac me": 0})
    engine.store.limits.look(10, 0)
    (found,) = examine_limits(engine)
    assert (found.level, found.check) == ("warn", "limits")
    assert found.text.startswith(
        "1 keys of limits starve: stripe/ac me (2 wait, the first one for "
    )
    assert found.text.endswith("1 of 1 places are taken)")
    assert found.fix == (
        "flowforge limits show 'stripe/ac me' has what holds the places; flowforge limits set "
        "'stripe/ac me' running=N lets more in"
    )
