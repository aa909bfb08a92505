"""Keeping what handlers log, without a worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.execution.attempt import Attempt
from flowforge.execution.current import current
from flowforge.store.transitions.log_lines import Line
from flowforge.worker.run import log_keeper
from flowforge.worker.run.log_keeper import LogKeeper
from tests.unit.execution.samples import make_attempt


class Lines:
    """A store that takes lines, or raises what it is told to."""

    def __init__(self) -> None:
        self.log_lines = self
        self.batches: list[tuple[int, list[bytes]]] = []
        self.refusal: Exception | None = None

    def keep(self, writer: str, batch: int, most: int, lines: list[Line]) -> int:
        self.batches.append((batch, [line.packed for line in lines]))
        if self.refusal is not None:
            raise self.refusal
        return len(lines)

    @property
    def text(self) -> bytes:
        return b"".join(packed for _, lines in self.batches for packed in lines)


@pytest.fixture
def store() -> Lines:
    return Lines()


@pytest.fixture
def keeper(store: Lines, monkeypatch: pytest.MonkeyPatch) -> LogKeeper:
    """A keeper whose thread sends nothing by itself."""
    monkeypatch.setattr(log_keeper, "INTERVAL", 600)
    taken: Any = store
    return LogKeeper(1000, lambda job_id: taken)


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    """The attempt that runs here."""
    made = make_attempt()
    token = current.set(made)
    yield made
    current.reset(token)


def log(keeper: LogKeeper, *messages: str) -> None:
    for message in messages:
        keeper.handle(logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "shop"}))


def test_lines_are_sent_in_batches(keeper: LogKeeper, store: Lines, attempt: Attempt) -> None:
    """Not one by one, and no more at once than the script takes."""
    log(keeper, *[f"line {number}" for number in range(250)])
    assert store.batches == []
    keeper.flush()
    assert [(number, len(lines)) for number, lines in store.batches] == [
        (1, 100), (2, 100), (3, 50),
    ]  # fmt: skip
    keeper.flush()
    assert len(store.batches) == 3


def test_what_is_logged_outside_handlers_is_not_kept(keeper: LogKeeper, store: Lines) -> None:
    """It belongs to no job."""
    log(keeper, "hello")
    keeper.flush()
    assert store.batches == []


def test_blank_lines_are_not_kept(keeper: LogKeeper, store: Lines, attempt: Attempt) -> None:
    """Celery's redirection logs the blank between two arguments of a print."""
    log(keeper, "order", " ", "7")
    keeper.flush()
    assert [len(lines) for _, lines in store.batches] == [2]


def test_what_comes_behind_the_end_of_the_attempt_is_not_kept(
    keeper: LogKeeper, store: Lines, attempt: Attempt
) -> None:
    """From threads that a handler leaves behind."""
    log(keeper, "hello")
    attempt.closed = True
    log(keeper, "too late")
    keeper.flush()
    assert b"hello" in store.text
    assert b"too late" not in store.text


def test_a_batch_whose_reply_is_lost_is_sent_again_as_it_was(
    keeper: LogKeeper, store: Lines, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    """With its number, by which the script knows it; one warning says that lines wait."""
    store.refusal = StoreUnavailableError("away")
    log(keeper, "one")
    keeper.flush()
    log(keeper, "two")
    keeper.flush()
    store.refusal = None
    keeper.flush()
    first, again, third, fourth = store.batches
    assert first == again == third
    assert (fourth[0], len(fourth[1])) == (2, 1)
    assert [m for m in caplog.messages if "cannot be kept now, they wait: away" in m] != []
    assert len(caplog.messages) == 1


def test_what_the_server_refuses_for_good_is_dropped(
    keeper: LogKeeper, store: Lines, attempt: Attempt
) -> None:
    """Else nothing behind it would ever be kept."""
    store.refusal = CommandRefusedError("no permission")
    log(keeper, "one")
    keeper.flush()
    store.refusal = None
    log(keeper, "two")
    keeper.flush()
    assert [number for number, _ in store.batches] == [1, 2]


def test_a_server_that_is_away_does_not_fill_the_memory(
    keeper: LogKeeper, store: Lines, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """What does not fit is dropped and counted."""
    monkeypatch.setattr(log_keeper, "MOST_WAITING", 2000)
    for _ in range(10):
        token = current.set(made := make_attempt())
        log(keeper, *["x" * 100] * 30)
        current.reset(token)
        made.closed = True
        keeper.acquire()
        keeper.release()
    keeper.flush()
    sent = sum(len(packed) for _, lines in store.batches for packed in lines)
    assert 2000 < sent <= 4000
    assert any("log lines of handlers were not kept: too many waited" in m for m in caplog.messages)


def test_a_soft_time_limit_reaches_the_handler(keeper: LogKeeper, attempt: Attempt) -> None:
    """Its signal may come while a line is taken."""

    class Late:
        def __str__(self) -> str:
            raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        keeper.handle(logging.makeLogRecord({"msg": Late(), "levelname": "INFO", "name": "shop"}))


def test_a_long_line_is_cut(keeper: LogKeeper, store: Lines, attempt: Attempt) -> None:
    """It stays valid text."""
    log(keeper, "é" * 5000, "half \udc80")
    keeper.flush()
    assert store.text.count("é".encode()) == log_keeper.MESSAGE_BYTES // 2
    assert b"half \\udc80" in store.text


def test_secrets_that_a_handler_was_shown_on_its_way_are_blanked_out(
    keeper: LogKeeper, store: Lines, attempt: Attempt
) -> None:
    """From then on, as in its errors."""
    log(keeper, "before: hush-hush")
    attempt.revealed = ({"token": "hush-hush"},)
    log(keeper, "behind: hush-hush")
    keeper.flush()
    assert b"before: hush-hush" in store.text
    assert b"behind: ***" in store.text


def test_a_server_that_is_away_does_not_hold_up_another(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its lines and its batches."""
    monkeypatch.setattr(log_keeper, "INTERVAL", 600)
    stores = {"j1": Lines(), "j2": Lines()}
    stores["j1"].refusal = StoreUnavailableError("away")
    found: Any = stores
    keeper = LogKeeper(1000, lambda job_id: found[job_id])
    log(keeper, "one")
    other = make_attempt()
    other.job_id = "j2"
    token = current.set(other)
    log(keeper, "other")
    current.reset(token)
    keeper.flush()
    assert [batch for batch, _ in stores["j2"].batches] == [1]
    assert b"other" in stores["j2"].text
    assert b"one" in stores["j1"].text


def test_a_forked_child_sends_only_its_own(
    keeper: LogKeeper, store: Lines, attempt: Attempt
) -> None:
    """What waits in its memory is the parent's."""
    log(keeper, "of the parent")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        keeper.flush()
        log(keeper, "of the child")
        keeper.flush()
        os.write(write, store.text)
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 10_000)
    os.close(read)
    os.close(write)
    assert b"of the child" in theirs
    assert b"of the parent" not in theirs
    keeper.flush()
    assert b"of the parent" in store.text
