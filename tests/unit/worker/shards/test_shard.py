"""What a worker reports of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.concurrency.base import BasePool
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.concurrency.solo import TaskPool as SoloPool
from celery.concurrency.thread import TaskPool as ThreadPool

from flowforge.settings import Settings
from flowforge.worker.shards.shard import worker_facts


def facts_of(pool: BasePool | None) -> dict[str, Any]:
    """What a worker of ``-c 3`` with this pool reports."""
    app = Celery("facts", set_as_current=False)
    app.conf.worker_prefetch_multiplier = 5
    return worker_facts(SimpleNamespace(pool=pool, concurrency=3), app, Settings(lease=30.0))


@pytest.mark.parametrize(
    ("pool", "name", "concurrency"),
    [(SoloPool, "solo", 1), (ThreadPool, "thread", 3), (PreforkPool, "prefork", 3)],
)
def test_concurrency_is_what_the_pool_runs_at_once(
    pool: type[BasePool], name: str, concurrency: int
) -> None:
    """A solo pool runs one task, and fetches as many messages ahead as Celery lets it."""
    facts = facts_of(pool(3))
    assert (facts["pool"], facts["concurrency"], facts["prefetch"]) == (name, concurrency, 15)


def test_a_worker_without_a_pool_reports_what_it_was_told() -> None:
    """Before the pool starts."""
    facts = facts_of(None)
    assert (facts["pool"], facts["concurrency"], facts["lease"]) == ("", 3, 30.0)
