"""What log lines of handlers carry."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import pytest

from flowforge import logs
from flowforge.execution.current import current
from flowforge.logs import ContextFilter, JsonFormatter
from tests.unit.execution.samples import make_attempt

FIELDS = {
    "job": "j1",
    "flow": "orders",
    "routine": "worker",
    "slot": "input",
    "invocation": "j1-7",
    "attempt": 1,
}


@contextmanager
def in_handler() -> Iterator[None]:
    """As a handler runs."""
    token = current.set(make_attempt())
    try:
        yield
    finally:
        current.reset(token)


def made(message: str = "hello", **fields: Any) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "shop", "levelname": "INFO", "levelno": 20, "msg": message, **fields}
    )


def written(record: logging.LogRecord) -> dict[str, Any]:
    (line,) = JsonFormatter().format(record).splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_of_a_handler_carries_where_it_comes_from() -> None:
    """As fields of the record, and as one text that a format can append."""
    with in_handler():
        record = made()
        assert ContextFilter().filter(record)
    assert {name: getattr(record, name) for name in FIELDS} == FIELDS
    line = logging.Formatter("%(message)s%(flowforge)s").format(record)
    assert line == ("hello job=j1 flow=orders routine=worker slot=input invocation=j1-7 attempt=1")


def test_outside_a_handler_the_fields_are_empty() -> None:
    """A format may name them all the same."""
    record = made()
    assert ContextFilter().filter(record)
    named = logging.Formatter("%(message)s [%(job)s%(attempt)s]%(flowforge)s").format(record)
    assert named == "hello []"


def test_what_a_program_gives_a_record_itself_stays() -> None:
    """JSON has the invocation's own all the same."""
    with in_handler():
        record = made(job="mine")
        ContextFilter().filter(record)
    assert record.__dict__["job"] == "mine"
    assert written(record)["job"] == "j1"


def test_json_has_a_line_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time in UTC, the worker and the traceback; line breaks do not end it."""
    monkeypatch.setattr(logs.Worker, "name", "w1@host")
    try:
        raise ValueError("a\nb")
    except ValueError:
        error = sys.exc_info()
    with in_handler():
        found = written(made("two\nlines \udc80", created=0.25, exc_info=error))
    exception = found.pop("exception")
    assert "Traceback" in exception
    assert exception.endswith("ValueError: a\nb")
    assert found == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "INFO",
        "logger": "shop",
        "message": "two\nlines \udc80",
        **FIELDS,
        "worker": "w1@host",
    }


def test_a_line_of_celery_about_an_invocation_names_it() -> None:
    """By the data that Celery gives it; of other tasks it says nothing."""
    job = "7c1e-323af1d0d42dbfbde90b"
    found = written(made(data={"id": f"{job}-12"}))
    assert (found["job"], found["invocation"]) == (job, f"{job}-12")
    assert "job" not in written(made(data={"id": "fba0f2ac-4ec4-4a8b-8d3f-1d9ee1c0b7ee"}))


@pytest.mark.parametrize(
    ("start", "carries"),
    [
        (lambda log: threading.Thread(target=log), False),
        (lambda log: threading.Thread(target=copy_context().run, args=(log,)), True),
    ],
    ids=["plain", "with its context"],
)
def test_a_thread_that_a_handler_starts_carries_what_it_is_given(
    start: Callable[[Callable[[], None]], threading.Thread], carries: bool
) -> None:
    """Python gives a thread an empty context."""
    found = []
    with in_handler():
        thread = start(lambda: found.append(written(made())))
        thread.start()
        thread.join()
    assert ("job" in found[0]) is carries


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_program_without_workers_is_set_up_by_one_setting(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The root logger writes to stderr, with what the lines carry."""
    root = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", root)
    logs.set_up(form)
    with in_handler():
        root.handle(made())
    (line,) = capsys.readouterr().err.splitlines()
    assert ("job=j1" in line) if form == "text" else (json.loads(line)["job"] == "j1")
