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

from flowforge import logs
from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.engine.schedules.declarations import DeclaredSchedules
from flowforge.errors import ConfigurationError
from flowforge.local.advice import TO_A_FLEET
from flowforge.local.server import LocalServer
from flowforge.model.flow import FlowGraph
from flowforge.model.locate import MAINS
from flowforge.settings import Settings
from flowforge.worker.lifecycle.joined_app import JoinedApp

logger = logging.getLogger(__name__)

#: Seconds that the worker may take to come up.
START_LIMIT = 30.0


class EmbeddedEngine(Engine):
    """Starts a server and a worker with the first use, and ends them with the process.

    ``intended``: the user has asked for it. If not, the log names a flow that a fleet could run: a
    script that forgot to import the Celery app of its fleet looks like one that needs none.
    """

    own_server = True

    def __init__(self, settings: Settings, *, intended: bool = False) -> None:
        self._warned = intended
        if settings.log_format is not None:
            logs.set_up(settings.log_format)
        self._owner = os.getpid()
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

    def on_submit(self, flow: FlowGraph) -> None:
        # Workers of a fleet import modules, so what a script defines itself is no flow of theirs.
        modules = {type(routine).__module__ for routine in flow.routines.values()} - MAINS
        if modules and not self._warned:
            self._warned = True
            logger.warning(
                "no server is named, so jobs of flow %r run on the embedded engine: inside this "
                "process, and no longer than it. To run them on a fleet %s. FLOWFORGE_EMBEDDED=1 "
                "says that the embedded engine is meant, FLOWFORGE_EMBEDDED=0 forbids it",
                flow.flow_id,
                TO_A_FLEET,
            )

    def close(self) -> None:
        """End the worker and the server; running handlers are left to the next claim.

        Nothing of it in a forked child: they are the parent's.
        """
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        self.worker.stop()
        super().close()
        self.app.close()
        self.server.stop()


class EmbeddedWorker:
    """A Celery worker in a thread of this process."""

    def __init__(self, app: Celery, settings: Settings, engine: Engine) -> None:
        self._joined_app = JoinedApp(
            app,
            [(settings, HandlerJobs(engine))],
            exclusive=True,
            declare=DeclaredSchedules(engine),
        )
        (shard,) = self._joined_app.shards
        # A data directory may hold jobs of other scripts, which know their own classes.
        shard.runtime.recorder.max_unknown = 0
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._controller = WorkController(
            app=app,
            hostname=f"embedded-{os.getpid()}@{os.uname().nodename}",
            pool_cls="flowforge.local.thread_pool:TaskPool",
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
        if not self._ready.wait(START_LIMIT):
            raise ConfigurationError(
                f"the embedded worker did not start within {START_LIMIT:g} s. If the "
                "machine is busy, try again, or start a fleet and name its server with "
                "FLOWFORGE_REDIS_URL"
            )
        if self._failure is not None:
            raise ConfigurationError(f"the embedded worker did not start: {self._failure}")

    def stop(self) -> None:
        """Stop consuming. Handlers that still run are not waited for."""
        self._controller.terminate(in_sighandler=False)
        self._thread.join(timeout=5.0)
        self._joined_app.close()

    def _run(self) -> None:
        try:
            self._controller.start()
            # Celery logs what ends its worker, and returns.
            self._failure = RuntimeError("it has ended; the log says why")
        except BaseException as error:
            self._failure = error
            if not isinstance(error, SystemExit):
                logger.exception("the embedded worker ended")
        finally:
            self._ready.set()
