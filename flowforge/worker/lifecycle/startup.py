"""What a worker says that cannot start, or starts in vain: a line, not Celery's traceback."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import Celery, signals

from flowforge.execution.import_failure import import_failure
from flowforge.model import registry
from flowforge.settings import unknown_variables

logger = logging.getLogger(__name__)


def cannot_start(reason: object) -> SystemExit:
    """What ends the program; Celery lets it pass."""
    return SystemExit(f"error: {reason}")


def warn_without_routines() -> None:
    """Log that the worker can run no job, if it has imported no routine."""
    if not registry.known():
        logger.warning(
            "this worker knows no routine, so it can run no job: name the modules that define "
            "them in FLOWFORGE_IMPORTS (in a joined app, also in Celery's imports)"
        )


def warn_of_unknown_variables() -> None:
    """Log each variable that looks like a setting and is none."""
    for text in unknown_variables():
        logger.warning("%s", text)


def import_at_start(app: Celery, modules: Sequence[str]) -> None:
    """Let workers of `app` import the modules of ``FLOWFORGE_IMPORTS`` before all others."""

    def import_all(**_: Any) -> None:
        for name in modules:
            try:
                app.loader.import_task_module(name)
            except (Exception, SystemExit) as error:
                reason = import_failure(name, error)
                raise cannot_start(f"FLOWFORGE_IMPORTS names {name!r}: {reason}") from error

    signals.import_modules.connect(import_all, sender=app, weak=False)
