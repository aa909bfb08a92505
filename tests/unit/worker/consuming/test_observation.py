"""Whether Celery has to see each invocation, as it stands when one is handed to the pool."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from flowforge.worker.consuming.observation import Observation

INVOCATION = "b2c4-0123456789abcdef0123-17"


@pytest.fixture
def _nothing_revoked() -> Iterator[None]:
    state.revoked.clear()
    yield
    state.revoked.clear()


def eventer(*groups: str, enabled: bool = True) -> Any:
    """What sends a worker's events."""
    return SimpleNamespace(enabled=enabled, groups=set(groups))


@pytest.mark.usefixtures("_nothing_revoked")
def test_only_revoked_invocations_count() -> None:
    """Ids of the app's own tasks do not, however many; those that come later are looked at."""
    observation = Observation()
    assert not observation.needed(None)
    state.revoked.add("8a0f7d5e-53a4-4d0c-8f1c-aaaaaaaaaaaa")
    assert not observation.needed(None)
    state.revoked.add(INVOCATION)
    assert observation.needed(None)
    state.revoked.discard(INVOCATION)
    assert not observation.needed(None)


@pytest.mark.parametrize(
    ("events", "needed"),
    [
        (None, False),
        (eventer(enabled=False), False),
        (eventer("worker"), False),
        (eventer("worker", "task"), True),
        (eventer(), True),
    ],
)
@pytest.mark.usefixtures("_nothing_revoked")
def test_events_of_tasks_count_and_heartbeats_do_not(events: Any, needed: bool) -> None:
    """A worker that is started as users do sends its heartbeat, which tells of no task."""
    assert Observation().needed(events) is needed


@pytest.mark.usefixtures("_nothing_revoked")
def test_a_limit_counts_from_when_it_is_set_until_it_is_taken_back() -> None:
    """The task whose limit changes asks for a new look at all of them."""
    observation = Observation()
    task = SimpleNamespace(
        name="a", observation=observation, rate_limit=None, time_limit=None, soft_time_limit=None
    )
    worker = SimpleNamespace(
        app=SimpleNamespace(tasks={"a": task}),
        pool=None,
        consumer=None,
        time_limit=None,
        soft_time_limit=None,
        max_tasks_per_child=None,
    )
    observation.begin(worker)
    assert not observation.needed(None)
    for limit in ("rate_limit", "time_limit", "soft_time_limit"):
        setattr(task, limit, 5)
        observation.limit_changed(task)
        assert observation.needed(None)
        setattr(task, limit, None)
        observation.limit_changed(task)
        assert not observation.needed(None)
