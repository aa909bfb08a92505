"""Which messages a worker names as waiting for a rate limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.utils.limits import TokenBucket

from flowforge.worker.consuming.limits import RateLimited
from tests.support.clock import Clock

GRACE = 5.0


class Waiting:
    """A worker in which messages wait for the rate limits of two tasks, and what it names."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.buckets: dict[str, Any] = {"unlimited": None}
        self.set_limits()
        consumer = SimpleNamespace(task_buckets=self.buckets)
        self.worker = SimpleNamespace(consumer=consumer)
        self.named = RateLimited(self.worker, GRACE, self.clock.monotonic)

    def set_limits(self) -> None:
        """As Celery does it, whichever limit has been set."""
        self.buckets.update(one=TokenBucket(1), other=TokenBucket(1))

    def wait(self, task: str, number: int, **attributes: Any) -> None:
        task_of = SimpleNamespace(**attributes or {"observation": None})
        request = SimpleNamespace(task=task_of, args=["job", f"1.0.{number}", {}])
        self.buckets[task].add((request, 1))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def test_what_waits_is_named(waiting: Waiting) -> None:
    """The invocations of all tasks; other tasks are none."""
    waiting.wait("one", 1)
    waiting.wait("one", 2, name="other task")
    waiting.wait("other", 3)
    assert set(waiting.named()) == {"job/1.0.1", "job/1.0.3"}


def test_what_has_waited_is_named_until_it_has_had_time_to_be_claimed(waiting: Waiting) -> None:
    """It was popped longer than the grace period ago, and nobody has claimed it yet."""
    waiting.wait("one", 1)
    waiting.clock.sleep(100)
    assert waiting.named() == ["job/1.0.1"]
    waiting.buckets["one"].pop()
    waiting.clock.sleep(GRACE - 1)
    waiting.wait("one", 2)
    assert waiting.named() == ["job/1.0.2", "job/1.0.1"]
    waiting.clock.sleep(1)
    assert waiting.named() == ["job/1.0.2"]


def test_what_waits_for_a_former_limit_is_named(waiting: Waiting) -> None:
    """Remote control that sets the limit of a task gives all tasks new buckets."""
    waiting.wait("one", 1)
    former = waiting.buckets["one"]
    waiting.named()
    waiting.set_limits()
    waiting.wait("one", 2)
    waiting.clock.sleep(2 * GRACE)
    assert set(waiting.named()) == {"job/1.0.1", "job/1.0.2"}
    former.pop()
    waiting.clock.sleep(2 * GRACE)
    assert waiting.named() == ["job/1.0.2"]


def test_a_worker_without_a_consumer_names_nothing() -> None:
    """As before its start."""
    assert RateLimited(SimpleNamespace(consumer=None), GRACE)() == []
