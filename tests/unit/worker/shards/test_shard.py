"""What a worker reports of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from celery import Celery
from celery.concurrency.base import BasePool
from celery.concurrency.prefork import TaskPool as PreforkPool
from celery.concurrency.solo import TaskPool as SoloPool
from celery.concurrency.thread import TaskPool as ThreadPool
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES

from flowforge.local.server import LocalServer
from flowforge.settings import Settings
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.shards.shard import Shard, worker_facts


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


def shard_of(server: LocalServer) -> Shard:
    """The shard of an app of its own."""
    app = Celery("shard", broker=server.url, set_as_current=False)
    settings = Settings(redis_url=server.url)
    return Shard(app, settings, cast(Any, MagicMock()), ReadersWriterLock(1), exclusive=True)


def test_closing_again_leaves_the_transport_of_another_app(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a closed app's transport is given to the next app."""
    monkeypatch.delitem(TRANSPORT_ALIASES, "flowforge", raising=False)
    first = shard_of(server)
    first.close()
    second = shard_of(server)
    assert second.transport == first.transport == "flowforge"
    first.close()
    assert second.transport in TRANSPORT_ALIASES
    second.close()
    assert second.transport not in TRANSPORT_ALIASES


def test_the_name_of_a_closed_app_stands_for_the_transport_of_the_next(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the closed app has connected: a guard refuses what another app expects."""
    monkeypatch.delitem(TRANSPORT_ALIASES, "flowforge", raising=False)
    first = shard_of(server)
    used = Connection(transport=first.transport).get_transport_cls()
    first.close()
    second = shard_of(server)
    found = Connection(transport=second.transport).get_transport_cls()
    assert found is not used
    assert found is cast(Any, TRANSPORT_ALIASES)[second.transport]()
    second.close()
