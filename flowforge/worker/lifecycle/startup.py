"""What a worker says that cannot start, or starts in vain: a line, not Celery's traceback."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from celery import Celery, signals

from flowforge.execution.frames import own_place
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


def is_missing(name: str, error: BaseException) -> bool:
    """Whether importing failed because there is no such module, not because of what is in it."""
    return isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")


def import_failure(name: str, error: BaseException) -> str:
    """Why a module could not be imported, and where."""
    if is_missing(name, error):
        missing = getattr(error, "name", name)
        hint = ""
        if name.endswith(".py") or os.sep in name:
            module = name.removesuffix(".py").strip("./").replace(os.sep, ".")
            hint = f"; it takes the name of a module, not of its file: {module}"
        return f"there is no module {missing!r} in {os.getcwd()} or on the Python path{hint}"
    place: tuple[object, ...] = own_place(error) or ("?", "?")
    if isinstance(error, SyntaxError):
        place = (error.filename, error.lineno)
    where = f"{place[0]}, line {place[1]}"
    return f"importing {name!r} failed at {where}: {type(error).__name__}: {error}"
