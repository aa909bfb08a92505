"""What an engine refuses before it asks the server."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from flowforge.engine import Engine
from flowforge.errors import InvalidValueError
from flowforge.settings import Settings


@pytest.fixture
def engine() -> Engine:
    """Its server is not there."""
    return Engine(Settings(redis_url="redis://127.0.0.1:1/0"), Celery(set_as_current=False))


@pytest.mark.parametrize("timeout", ["x", True, float("nan"), [1]], ids=repr)
def test_a_timeout_is_a_number(engine: Engine, timeout: Any) -> None:
    """The error says so before anything is waited for."""
    with pytest.raises(InvalidValueError, match="timeout must be a number of seconds"):
        engine.wait("j1", timeout)


def test_a_job_is_made_of_a_flow(engine: Engine) -> None:
    """``start`` in a handler takes the flow itself, not its id."""
    flow: Any = "orders"
    with pytest.raises(
        InvalidValueError, match="start takes a Flow to make a job of, not 'orders'"
    ):
        engine.child_job(flow, "it", None)
