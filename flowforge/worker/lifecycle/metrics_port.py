"""The port on which a worker serves its metrics, if it has one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from celery.worker import state

from flowforge.metrics.serving import MetricsServer
from flowforge.metrics.worker import WorkerFacts, WorkerMetrics, WorkersServer
from flowforge.settings import Settings
from flowforge.store.server.client import describe
from flowforge.worker.shards.shard import Shard, worker_facts

logger = logging.getLogger(__name__)


def serve_metrics(worker: Any, settings: Settings, shards: Sequence[Shard]) -> Callable[[], None]:
    """Serve the worker's metrics if the settings have a port for them; returns what ends it.

    The worker goes on when the port cannot be had.
    """
    if not settings.metrics_port:
        return _nothing
    servers = [
        WorkersServer(
            describe(shard.client.connection_pool), shard.probe, shard.leads, shard.upkeep_age
        )
        for shard in shards
    ]

    def facts() -> WorkerFacts:
        told = worker_facts(worker, worker.app, settings)
        return WorkerFacts(
            told["version"], told["pool"], told["concurrency"],
            len(state.active_requests), len(state.reserved_requests),
        )  # fmt: skip

    metrics = WorkerMetrics(worker.hostname, facts, servers)
    try:
        server = MetricsServer(settings.metrics_host, settings.metrics_port, metrics.text)
    except OSError as error:
        logger.error(
            "no metrics on %s:%d: %s; the worker runs without them: give it a port of its own with "
            "FLOWFORGE_METRICS_PORT",
            settings.metrics_host, settings.metrics_port, error,
        )  # fmt: skip
        return _nothing
    server.start()
    logger.info("metrics on http://%s:%d/metrics", settings.metrics_host, server.port)
    return server.close


def _nothing() -> None:
    """There is nothing to end."""
