"""What the terminal of a development server shows of a worker's log."""

from __future__ import annotations

import json
from typing import Any

import pytest

import flowforge
from flowforge.dev.worker_log import BAD, CAREFUL, PLAIN, Line, own_frames, read_line

TRACEBACK = f"""Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/celery/app/trace.py", line 564, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "{flowforge.__file__.removesuffix("__init__.py")}execution/run.py", line 70, in run
    result = getattr(routine, slot.call)(*args, **kwargs)
  File "/app/orders.py", line 10, in price
    raise ValueError("negative")
ValueError: negative
on two lines"""

OWN = """Traceback (most recent call last):
  File "/app/orders.py", line 10, in price
    raise ValueError("negative")
ValueError: negative
on two lines"""


def line(message: str, level: str = "INFO", logger: str = "orders", **more: Any) -> Line | None:
    return read_line(json.dumps({"logger": logger, "level": level, "message": message, **more}))


def test_a_failure_has_its_own_frames() -> None:
    """Those of FlowForge and Celery are left out, where the user has any."""
    text = "Task orders.price[JOB-1] raised unexpected: ValueError('negative')"
    shown = line(text, "ERROR", "celery.app.trace", job="JOB", exception=TRACEBACK)
    head = "FAILED orders.price in job JOB"
    assert shown == Line(f"{head}\n{OWN}\nlook: flowforge show JOB", BAD)
    library_alone = "\n".join(TRACEBACK.splitlines()[:6])
    assert own_frames(library_alone) == library_alone


def test_an_error_of_flowforge_without_own_frames_stands_alone() -> None:
    """It says all; a traceback of another error is shown whole."""
    frames = TRACEBACK.splitlines()[:6]
    error = "flowforge.errors.ArgumentError: price.input was called without 'n'; no params"
    assert own_frames("\n".join([*frames, error, "on two lines"])) == f"{error}\non two lines"
    other = "\n".join([*frames, "TypeError: of a library"])
    assert own_frames(other) == other


def test_lines_of_handlers_are_shown() -> None:
    """With their routine; what Celery says of each task is not."""
    assert line("of 7", routine="price") == Line("price: of 7", PLAIN)
    assert line("hm", "WARNING", routine="price") == Line("price: hm", CAREFUL)
    assert line("hello", "WARNING", "celery.redirected", routine="it") == Line("it: hello", PLAIN)
    assert line("Task orders.price[JOB-1] received", logger="celery.worker.strategy") == Line()
    retry = "Task orders.price[JOB-1] retry: Retry in 0.5s"
    shown = line(retry, logger="celery.app.trace", job="JOB")
    assert shown == Line("retry of orders.price in job JOB: Retry in 0.5s", CAREFUL)


def test_a_worker_says_when_it_is_ready() -> None:
    """Once, in a line that is not shown."""
    assert line("dev-1@vm ready.", logger="celery.apps.worker") == Line(ready=True)


@pytest.mark.parametrize("raw", ["", "worker: Warm shutdown", "{", "{}", "[1]", '{"logger": 1}'])
def test_other_output_is_no_log_line(raw: str) -> None:
    """What is written past the log: its reader decides."""
    assert read_line(raw) is None
