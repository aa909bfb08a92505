"""Gives the workers that import this module a soft shutdown: SIGQUIT first waits for handlers."""

from __future__ import annotations

from typing import Any

from celery.signals import celeryd_init

MODULE = __name__

#: Seconds that a soft shutdown waits before it becomes a cold one.
TIMEOUT = 1.5


@celeryd_init.connect
def _configure(conf: Any = None, **_: Any) -> None:
    conf.worker_soft_shutdown_timeout = TIMEOUT
    conf.worker_enable_soft_shutdown_on_idle = False
