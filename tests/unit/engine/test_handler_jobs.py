"""What handlers get of the engine."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from flowforge.engine.engine import Engine
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.errors import InvalidValueError
from flowforge.model.times.deadlines import NO_DEADLINES
from flowforge.settings import Settings


def test_a_job_is_made_of_a_flow() -> None:
    """``start`` in a handler takes the flow itself, not its id."""
    engine = Engine(Settings(redis_url="redis://127.0.0.1:1/0"), Celery(set_as_current=False))
    flow: Any = "orders"
    with pytest.raises(
        InvalidValueError, match="start takes a Flow to make a job of, not 'orders'"
    ):
        HandlerJobs(engine).child_job(flow, "it", None, None, None, None, NO_DEADLINES, None, b"")
