"""A Celery app as a team already has it, with a task of its own, which flows have joined."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery, shared_task

import flowforge
from tests.integration import flows
from tests.integration.notes import note

#: Flows go to their own queue by Celery's own routing, by the name of the routine's class.
ROUTES = {f"{flows.__name__}.Square": {"queue": "squares"}, f"{flows.__name__}.F*": "fans"}


@shared_task(acks_late=True)
def add(x: int, y: int, log: str = "", gate: str = "") -> int:
    """The team's own task; waits for its gate if there is one."""
    if log:
        note(log, "add")
    while gate and not Path(gate).exists():
        time.sleep(0.01)
    return x + y


def make_app(url: str, prefix: str) -> Celery:
    """The app as workers and producers make it."""
    app = Celery("shop", broker=url, backend=url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": f"{prefix}:"}
    app.conf.result_backend_transport_options = {"global_keyprefix": f"{prefix}:"}
    app.conf.task_routes = ROUTES
    app.conf.imports = [flows.__name__]
    return flowforge.install(app, prefix=prefix)


if "FLOWFORGE_REDIS_URL" in os.environ:
    app = make_app(os.environ["FLOWFORGE_REDIS_URL"], os.environ["FLOWFORGE_PREFIX"])
