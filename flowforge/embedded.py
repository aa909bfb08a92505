"""The engine of a process that was given none: a private server and workers inside the process.

It runs the same scripts, the same Celery task and the same upkeep as a fleet, so a flow that works
here works there.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from dataclasses import replace

from celery import Celery
from celery.worker import WorkController

from flowforge.engine import Engine
from flowforge.errors import ConfigurationError
from flowforge.job_state import Producer
from flowforge.server import LocalServer
from flowforge.settings import Settings
from flowforge.worker.installation import Installation, fleet_app

logger = logging.getLogger(__name__)

#: Seconds that the worker may take to come up.
START_LIMIT = 30.0


class EmbeddedEngine(Engine):
    """Starts a server and a worker with the first use, and ends them with the process."""

    def __init__(self, settings: Settings) -> None:
        self.server = LocalServer.start(settings.data_dir)
        try:
            settings = replace(settings, redis_url=self.server.url)
            super().__init__(settings, fleet_app(settings))
            self.worker = EmbeddedWorker(self.app, settings, self)
            self.worker.start()
        except BaseException:
            self.server.stop()
            raise
        atexit.register(self.close)

    def close(self) -> None:
        """End the worker and the server; running handlers are left to the next claim."""
        atexit.unregister(self.close)
        self.worker.stop()
        super().close()
        self.server.stop()


class EmbeddedWorker:
    """A Celery worker in a thread of this process."""

    def __init__(self, app: Celery, settings: Settings, engine: Engine) -> None:
        installation = Installation(app, [(settings, Producer(engine))], exclusive=True)
        (side,) = installation.sides
        # A data directory may hold jobs of other scripts, which know their own classes.
        side.runtime.max_unknown = 0
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._controller = WorkController(
            app=app,
            hostname=f"embedded-{os.getpid()}@{os.uname().nodename}",
            pool_cls="flowforge.worker.daemon_pool:TaskPool",
            concurrency=settings.concurrency,
            ready_callback=lambda consumer: self._ready.set(),
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            send_events=False,
        )
        self._thread = threading.Thread(target=self._run, name="flowforge-worker", daemon=True)

    def start(self) -> None:
        """Return when the worker consumes; ConfigurationError when it does not come up."""
        self._thread.start()
        if not self._ready.wait(START_LIMIT) or self._failure is not None:
            raise ConfigurationError(f"the embedded worker did not start: {self._failure}")

    def stop(self) -> None:
        """Stop consuming. Handlers that still run are not waited for."""
        self._controller.terminate(in_sighandler=False)
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            self._controller.start()
        except BaseException as error:
            self._failure = error
            self._ready.set()
            if not isinstance(error, SystemExit):
                logger.exception("the embedded worker ended")
