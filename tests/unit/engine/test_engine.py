"""What an engine refuses before it asks the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from flowforge import Flow, routine
from flowforge.engine.engine import Engine
from flowforge.engine.sharded import ShardedEngine
from flowforge.engine.submission.job_items import Item, Submitted
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.submission.submit import SUBMIT_BYTES
from flowforge.errors import InvalidValueError, WritesRefusedError
from flowforge.settings import Settings


@pytest.fixture
def engine() -> Engine:
    """Its server is not there."""
    return new_engine()


def new_engine() -> Engine:
    return Engine(Settings(redis_url="redis://127.0.0.1:1/0"), Celery(set_as_current=False))


@routine
def padded(pad: str) -> None:
    """Takes what may be large."""


def padded_flow() -> Flow:
    flow = Flow("padded")
    flow.add_routine(padded, "it")
    return flow


@pytest.mark.parametrize("timeout", ["x", True, float("nan"), [1]], ids=repr)
def test_a_timeout_is_a_number(engine: Engine, timeout: Any) -> None:
    """The error says so before anything is waited for."""
    with pytest.raises(InvalidValueError, match="timeout must be a number of seconds"):
        engine.wait("j1", timeout)


def test_a_chunk_of_large_params_has_few_jobs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One script copies little more than the params of one job, however many there are."""
    sizes: list[list[int]] = []

    def submit(common: Any, jobs: Any, definition: Any) -> list[str]:
        sizes.append([len(job.record) for job in jobs])
        return [job.job_id for job in jobs]

    monkeypatch.setattr(engine.store.submissions, "submit", submit)
    monkeypatch.setattr(engine.store, "_server_name", "srv1")
    params = [{"pad": "x" * (SUBMIT_BYTES // 3)} for _ in range(10)]
    chunks = list(engine.submit_many(JobTemplate(padded_flow(), "it"), iter(params)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    assert len({one.job_id for chunk in chunks for one in chunk}) == 10
    assert all(sum(chunk[:-1]) < SUBMIT_BYTES for chunk in sizes)


def test_what_was_submitted_before_a_refusal_is_not_submitted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that fills up after some of the jobs keeps these; the others go elsewhere."""
    full, other = new_engine(), new_engine()
    given: list[Item] = []

    def fills_up(template: JobTemplate, jobs: Iterator[Item]) -> Iterator[list[Submitted]]:
        yield [Submitted("a", True), Submitted("b", True)]
        raise WritesRefusedError("it is full")

    def takes(template: JobTemplate, jobs: Iterator[Item]) -> Iterator[list[Submitted]]:
        given.extend(jobs)
        yield [Submitted("c", True)]

    monkeypatch.setattr(full, "submit_items", fills_up)
    monkeypatch.setattr(other, "submit_items", takes)
    for engine in (full, other):
        monkeypatch.setattr(engine.store, "_server_name", "srv1")
    both = ShardedEngine([full, other])
    both._turn = 1
    params = [{"pad": "x"}, {"pad": "y"}, {"pad": "z"}]
    (chunk,) = both.submit_many(JobTemplate(padded_flow(), "it"), params)
    assert [one.job_id for one in chunk] == ["a", "b", "c"]
    assert [item.params for item in given] == [{"pad": "z"}]
