"""How a worker's log is written: Celery sets it up, and the lines of handlers get their context."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals
from celery.app.defaults import DEFAULTS
from celery.utils.log import ColorFormatter, get_multiprocessing_logger

from flowforge.logs import SUFFIX, ContextFilter, JsonFormatter

#: Formats of Celery's that nobody has chosen.
_UNCHOSEN: tuple[Any, ...] = (DEFAULTS["worker_log_format"], DEFAULTS["worker_task_log_format"])


class LogFormat:
    """Gives the log of this process's worker a form, ``text`` or ``json``, until it is closed.

    ``text``: the context stands behind the message. A format that the app has chosen stays; it may
    name the fields of ``ContextFilter``. A program that takes ``setup_logging`` sees to all itself.
    """

    def __init__(self, form: str) -> None:
        self._json = JsonFormatter() if form == "json" else None
        self._filter = ContextFilter()
        signals.after_setup_logger.connect(self._apply, weak=False)
        signals.after_setup_task_logger.connect(self._apply, weak=False)

    def close(self) -> None:
        signals.after_setup_logger.disconnect(self._apply)
        signals.after_setup_task_logger.disconnect(self._apply)

    def _apply(self, logger: logging.Logger, format: str, colorize: Any, **_: Any) -> None:
        # What billiard logs of processes has the format of the worker too.
        billiards: Any = get_multiprocessing_logger()
        for handler in (*logger.handlers, *billiards.handlers):
            handler.addFilter(self._filter)
            if self._json and isinstance(handler, logging.StreamHandler):
                handler.setFormatter(self._json)
        if self._json or format not in _UNCHOSEN:
            return
        for handler in logger.handlers:
            former: Any = handler.formatter
            if isinstance(former, ColorFormatter):
                cls: Any = type(former)
                options = {"datefmt": former.datefmt, "use_color": colorize}
                handler.setFormatter(cls(format + SUFFIX, **options))
