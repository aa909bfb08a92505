"""``celery -A tests.support.clocked_app``: a worker of a fleet whose clock a test moves."""

from __future__ import annotations

from flowforge.joining import worker_app
from flowforge.settings import from_environment
from tests.support.virtual_clock import clock_this_process

clock_this_process(from_environment().prefix)
app = worker_app()
