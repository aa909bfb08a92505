"""The jobs that an embedded engine left in its directory."""

from __future__ import annotations

from dataclasses import replace

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.local.server import LocalServer
from flowforge.settings import Settings


class KeptEngine(Engine):
    """The jobs that an embedded engine left in its directory, with nobody who runs them.

    A worker would do harm: this process has not imported the routines, so it would give their
    invocations back until the jobs failed.
    """

    own_server = True
    idle = True

    def __init__(self, settings: Settings) -> None:
        self.server = LocalServer.start(settings.data_dir)
        try:
            settings = replace(settings, redis_url=self.server.url)
            super().__init__(settings, fleet_app(settings))
        except BaseException:
            self.server.stop()
            raise

    def worker_command(self, queue: str) -> str:
        return f"run a program of its flow with FLOWFORGE_DATA_DIR={self.server.data_dir}"

    def close(self) -> None:
        super().close()
        self.server.stop()
