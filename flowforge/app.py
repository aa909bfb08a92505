"""The Celery app of a fleet: ``celery -A flowforge.app worker``, or ``flowforge worker``."""

from __future__ import annotations

from flowforge.errors import FlowForgeError
from flowforge.joining import worker_app
from flowforge.worker.lifecycle.startup import cannot_start

try:
    app = worker_app()
except FlowForgeError as error:
    raise cannot_start(error) from None
