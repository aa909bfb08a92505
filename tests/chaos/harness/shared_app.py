"""An existing Celery app that FlowForge is installed in: it runs a task of its own as well.

Made from the environment when it is imported, as ``celery -A`` does in a worker.
"""

from __future__ import annotations

import flowforge
from flowforge.broker.fleet_app import fleet_app
from flowforge.settings import from_environment
from tests.chaos.harness.shared_task import TASK, add

app = fleet_app(from_environment())
app.task(name=TASK)(add)
flowforge.install(app)
