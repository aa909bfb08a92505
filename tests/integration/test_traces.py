"""Traces of jobs: spans that real workers have made, on every pool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach

from flowforge import JobState
from flowforge.codec.binary import packb, traced_record
from flowforge.composition import forget
from flowforge.engine.current import set_engine
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.integration.trace_flows import (
    FILE,
    WHEN,
    as_dict,
    asking,
    deadly,
    flaky,
    gated,
    shop,
    wide,
)
from tests.support.eventually import eventually
from tests.support.spans import recorded

FLOWS = "tests.integration.trace_flows"

POOLS = ("prefork", "spawn", "threads", "solo", "gevent")


class Spans:
    """What the workers of an installation have written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[dict[str, Any]]:
        """Those of all traces."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]

    def of(self, trace_id: str, count: int) -> list[dict[str, Any]]:
        """The spans of a trace, once there are as many."""

        def found() -> list[dict[str, Any]]:
            return [span for span in self.all() if span["trace"] == trace_id]

        eventually(lambda: len(found()) >= count, message=f"{count} spans")
        return found()


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest, server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Spans]]:
    """A traced worker of the pool."""
    directory = tmp_path_factory.mktemp(request.param)
    path = directory / "spans"
    spawned = request.param == "spawn"
    with installed(server, directory, [FLOWS], **FAST, log_format="json") as installation:
        installation.fleet.start(
            pool="prefork" if spawned else request.param,
            env={FILE: str(path), WHEN: "child" if request.param == "prefork" else "import"},
            configuration=["worker.pool_start_method=spawn"] if spawned else [],
        )
        yield installation, Spans(path)


def submit(**params: Any) -> tuple[JobState, dict[str, dict[str, Any]]]:
    """A job of the shop whose producer is traced and has baggage, and the producer's spans."""
    with recorded() as exporter:
        token = attach(baggage.set_baggage("tenant", "acme"))
        with trace.get_tracer("web").start_as_current_span("POST /orders"):
            job = shop.execute("fetch", params)
        detach(token)
        return job, {span.name: as_dict(span) for span in exporter.get_finished_spans()}


def test_a_job_is_one_trace(pool: tuple[Installation, Spans]) -> None:
    """From the producer's span through each step, a join and a child job to the end."""
    installation, written = pool
    job, sent = submit(order=7)
    assert job.wait(LIMIT).status == "completed"
    execute = sent["execute shop"]
    assert execute["parent"] == sent["POST /orders"]["id"]
    assert execute["kind"] == "PRODUCER"
    assert execute["attributes"]["flowforge.job"] == job.job_id
    spans = written.of(execute["trace"], 10)
    by_name = {span["name"]: span for span in spans}
    packs = [span for span in spans if span["name"] == "run pack.input"]
    assert sorted(span["name"] for span in spans) == [
        "GET /orders", "run carry.input", "run close.input", "run fetch.input",
        *["run pack.input"] * 3, "run ship.child job", "run ship.input", "run split.input",
    ]  # fmt: skip

    def parent(name: str) -> str:
        found: str = by_name[name]["parent"]
        return found

    assert parent("run fetch.input") == execute["id"]
    assert parent("GET /orders") == by_name["run fetch.input"]["id"]
    assert parent("run split.input") == by_name["GET /orders"]["id"]
    assert {span["parent"] for span in packs} == {by_name["run split.input"]["id"]}
    assert set(by_name["run ship.input"]["links"]) == {span["id"] for span in packs}
    assert parent("run ship.input") in {span["id"] for span in packs}
    assert parent("run carry.input") == by_name["run ship.input"]["id"]
    assert parent("run ship.child job") == by_name["run ship.input"]["id"]
    assert parent("run close.input") == by_name["run ship.child job"]["id"]
    assert by_name["run fetch.input"]["kind"] == "CONSUMER"
    assert by_name["run ship.child job"]["kind"] == "INTERNAL"
    assert job.trace_id == execute["trace"]
    lines = installation.fleet.workers[0].output().splitlines()
    (line,) = (json.loads(one) for one in lines if "fetching 7 for acme" in one)
    assert line["trace_id"] == job.trace_id
    assert line["span_id"] == by_name["run fetch.input"]["id"]


def test_answers_go_on_with_the_trace_of_their_question(
    pool: tuple[Installation, Spans],
) -> None:
    """Whoever answers, and when the time is over."""
    _, written = pool
    with recorded() as exporter:
        job = asking.execute("ask")
        (sent,) = exporter.get_finished_spans()
    job.deliver("ask", "answer", key="answered")
    assert job.wait(LIMIT).status == "completed"
    spans = written.of(as_dict(sent)["trace"], 3)
    (question,) = (span for span in spans if span["name"] == "run ask.trigger")
    answers = [span for span in spans if span["name"] == "run ask.answer"]
    assert [span["parent"] for span in answers] == [question["id"]] * 2


def test_attempts_are_siblings(pool: tuple[Installation, Spans]) -> None:
    """Each failed one has the error as the job shows it: without secrets."""
    _, written = pool
    with recorded() as exporter:
        job = flaky.execute("it", {"token": "hush-hush"})
        (sent,) = exporter.get_finished_spans()
    assert job.wait(LIMIT).status == "completed"
    execute = as_dict(sent)
    spans = written.of(execute["trace"], 3)
    assert {span["parent"] for span in spans} == {execute["id"]}
    spans.sort(key=lambda span: int(span["attributes"]["flowforge.attempt"]))
    assert [span["attributes"]["flowforge.outcome"] for span in spans] == [
        "retried", "retried", "completed",
    ]  # fmt: skip
    assert [span["status"] for span in spans] == ["ERROR", "ERROR", "UNSET"]
    first = spans[0]
    assert first["attributes"]["error.type"] == "ValueError"
    assert first["attributes"]["flowforge.retry_delay"] > 0
    assert first["events"]["exception"]["exception.message"] == "refused ***"
    assert "in go" in first["events"]["exception"]["exception.stacktrace"]
    assert "hush-hush" not in written.path.read_text()


def test_the_failure_of_a_job_names_its_span(pool: tuple[Installation, Spans]) -> None:
    """So that it is found in the backend; also where the producer made no spans."""
    _, written = pool
    job = flaky.execute("it", {"token": "x", "good": 9}).wait(LIMIT)
    error = job.error or {}
    assert job.trace_id is None
    (last,) = (
        span
        for span in written.of(error["trace_id"], 1)
        if span["attributes"]["flowforge.outcome"] == "failed"
    )
    assert (last["id"], last["parent"]) == (error["span_id"], None)
    assert last["attributes"]["flowforge.job"] == job.job_id
    (failed, *_) = job.explain()
    assert failed.details["trace_id"] == error["trace_id"]


def sent_by(execute: Any) -> tuple[JobState, dict[str, Any]]:
    """What a call returns, and the span of the call."""
    with recorded() as exporter:
        job = execute()
        (span,) = exporter.get_finished_spans()
    return job, as_dict(span)


@pytest.fixture(scope="module")
def shared(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Spans]]:
    """One traced worker for what is the same on each pool."""
    directory = tmp_path_factory.mktemp("shared")
    written = Spans(directory / "spans")
    with installed(server, directory, [FLOWS]) as installation:
        start(installation, written, pool="threads", queues="celery,other")
        yield installation, written


@pytest.fixture
def traced(own: Installation, tmp_path: Path) -> Spans:
    """Where the workers of an installation are to write."""
    return Spans(tmp_path / "spans")


def start(own: Installation, written: Spans | None, **options: Any) -> Any:
    """A worker, traced if there is a place for its spans."""
    env = {"FLOWFORGE_IMPORTS": FLOWS, **options.pop("env", {})}
    if written is not None:
        env[FILE] = str(written.path)
    return own.fleet.start(env=env, **options)


def test_a_lost_worker_is_seen(own: Installation, traced: Spans, tmp_path: Path) -> None:
    """Its own span is lost with it; the next attempt's says that there was one."""
    start(own, traced)
    job, execute = sent_by(lambda: deadly.execute("it", {"mark": str(tmp_path / "mark")}))
    assert job.wait(LIMIT).status == "completed"
    (span,) = traced.of(execute["trace"], 1)
    assert span["parent"] == execute["id"]
    assert span["attributes"]["flowforge.lost_workers"] == 1
    assert span["attributes"]["flowforge.attempt"] == 1


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_end_of_a_worker_loses_no_span(own: Installation, traced: Spans, pool: str) -> None:
    """Of those that its processes have not exported yet."""
    worker = start(own, traced, pool=pool, env={WHEN: "later"})
    job, execute = sent_by(lambda: shop.execute("fetch", {"order": 1}))
    assert job.wait(LIMIT).status == "completed"
    assert not traced.path.exists()
    own.fleet.terminate(worker)
    own.fleet.wait_until_ended(worker)
    assert len(traced.of(execute["trace"], 10)) == 10


def test_a_worker_without_traces_hands_them_on(own: Installation, traced: Spans) -> None:
    """The trace goes on behind it."""
    start(own, None, queues="celery")
    start(own, traced, queues="other")
    job, execute = sent_by(lambda: wide.execute("first", {"n": 1}))
    assert job.wait(LIMIT).status == "completed"
    (span,) = traced.of(execute["trace"], 1)
    assert (span["name"], span["parent"]) == ("run second.input", execute["id"])
    assert span["attributes"]["messaging.destination.name"] == "other"


def test_mending_by_hand_goes_on_with_the_trace(shared: tuple[Installation, Spans]) -> None:
    """A retry, an edit and a skip; a new job like it has a trace of its own, with a link."""
    _, traced = shared
    job, execute = sent_by(lambda: flaky.execute("it", {"token": "x", "good": 99}))
    assert job.wait(LIMIT).status == "failed"
    job.retry(edit={1: {"good": 1}})
    assert job.wait(LIMIT).status == "completed"
    spans = traced.of(execute["trace"], 4)
    assert {span["parent"] for span in spans} == {execute["id"]}
    again, sent = sent_by(lambda: job.rerun({"token": "x", "good": 1}))
    assert again.wait(LIMIT).status == "completed"
    assert sent["links"] == [execute["id"]]
    assert again.trace_id == sent["trace"] != execute["trace"]
    (span,) = traced.of(sent["trace"], 1)
    assert span["parent"] == sent["id"]
    fork, sent = sent_by(lambda: job.fork([1], edit={1: {"token": "x"}}))
    assert fork.wait(LIMIT).status == "completed"
    assert sent["links"] == [execute["id"]]
    (span,) = traced.of(sent["trace"], 1)
    assert span["parent"] == sent["id"]
    skipped, execute = sent_by(lambda: shop.execute("fetch", {"order": "no number"}))
    assert skipped.wait(LIMIT).status == "failed"
    skipped.skip(1, [("fetched", {"order": 2})])
    skipped.retry()
    assert skipped.wait(LIMIT).status == "completed"
    spans = traced.of(execute["trace"], 9)
    (split,) = (span for span in spans if span["name"] == "run split.input")
    assert split["parent"] == execute["id"]


def test_many_jobs_of_a_call_share_its_span(shared: tuple[Installation, Spans]) -> None:
    """One span says how many they are."""
    _, traced = shared
    with recorded() as exporter:
        jobs = wide.execute_many("second", [{"n": n} for n in range(3)])
        (sent,) = exporter.get_finished_spans()
    execute = as_dict(sent)
    for job in jobs:
        assert job.wait(LIMIT).trace_id == execute["trace"]
    assert execute["attributes"]["messaging.batch.message_count"] == 3
    assert {span["parent"] for span in traced.of(execute["trace"], 3)} == {execute["id"]}


@pytest.mark.attack(what="Anything in the place of a trace's context in a record")
def test_a_hostile_context_hurts_no_job(own: Installation, traced: Spans) -> None:
    """Whatever stands in its place, the handler runs, in a trace of its own."""
    hostile: list[Any] = [
        7, "text", [], [1], ["00-" + "0" * 32 + "-" + "0" * 16 + "-01"], ["x" * 100_000],
        ["00-" + "a" * 32 + "-" + "b" * 16 + "-01", "=,;=" * 9000, "%%%=;;" * 9000],
    ]  # fmt: skip
    jobs = wide.execute_many("second", [{"n": n} for n in range(len(hostile))])
    for job, trace_field in zip(jobs, hostile, strict=True):
        key = own.key("invocations", job.job_id)
        ((invocation, record),) = own.redis.hgetall(key).items()
        own.redis.hset(key, invocation, traced_record(record, packb(trace_field)))
    start(own, traced, pool="threads", queues="other")
    for job in jobs:
        assert job.wait(LIMIT).status == "completed"
    spans = eventually(lambda: traced.all() if len(traced.all()) == len(jobs) else None)
    assert spans is not None
    assert {span["attributes"]["flowforge.job"] for span in spans} == {j.job_id for j in jobs}
    assert [span["parent"] for span in spans].count(None) == len(hostile) - 1


def test_traces_can_be_switched_off(own: Installation, traced: Spans) -> None:
    """Also where a provider is configured, and at the producer."""
    start(own, traced, pool="threads", queues="celery,other", env={"FLOWFORGE_TRACES": "0"})
    with recorded() as exporter:
        configured = replace(own.engine.settings, traces=False)
        own.engine.settings = configured
        job = wide.execute("first", {"n": 1})
        assert exporter.get_finished_spans() == ()
    assert job.wait(LIMIT).status == "completed"
    assert not traced.path.exists()
    assert job.trace_id is None


def test_operators_see_the_trace(shared: tuple[Installation, Spans], tmp_path: Path) -> None:
    """While the job runs, and when it has ended."""
    own, _ = shared
    gate = tmp_path / "gate"
    job, execute = sent_by(lambda: gated.execute("it", {"gate": str(gate)}))
    eventually(lambda: job.counts["running"] == 1)
    (running, *_) = job.explain()
    assert running.details["trace_id"] == execute["trace"]
    gate.touch()
    job.wait(LIMIT)
    assert job.serialize()["trace_id"] == execute["trace"]
    assert f"\ntrace      {execute['trace']}\n" in Shell(own).ran("show", job.job_id).stdout
    failed = flaky.execute("it", {"token": "x", "good": 9}).wait(LIMIT)
    shown = Shell(own).ran("show", failed.job_id, "--json").stdout
    assert json.loads(shown)["trace_id"] == (failed.error or {})["trace_id"]


def test_a_hard_time_limit_ends_the_span(own: Installation, traced: Spans, tmp_path: Path) -> None:
    """Made by the worker's main process: the child is dead."""
    start(own, traced, configuration=["task.time_limit=1"])
    job, execute = sent_by(lambda: gated.execute("it", {"gate": str(tmp_path / "never")}))
    assert job.wait(LIMIT).status == "failed"
    spans = traced.of(execute["trace"], 1)
    # The handler may see that its job has ended before its process is killed: that span counts not.
    (span,) = [one for one in spans if one["attributes"].get("flowforge.counted", True)]
    assert span["attributes"]["error.type"].endswith("TimeLimitExceeded")
    assert span["attributes"]["flowforge.outcome"] == "failed"
    assert span["seconds"] >= 1


def test_the_embedded_engine_is_traced_too(no_settings: None) -> None:
    """Producer and worker are one process."""
    former = set_engine(None)
    with recorded() as exporter:
        try:
            job = shop.execute("fetch", {"order": 1}).wait(LIMIT)
            assert job.status == "completed"
            eventually(lambda: len(exporter.get_finished_spans()) == 11)
        finally:
            forget()
            set_engine(former)
    spans = {span.name: as_dict(span) for span in exporter.get_finished_spans()}
    assert spans["run fetch.input"]["parent"] == spans["execute shop"]["id"]
    assert {span["trace"] for span in spans.values()} == {spans["execute shop"]["trace"]}
