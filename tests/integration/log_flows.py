"""Routines that log and print, for the tests of ``test_logs``; imported by their workers."""

from __future__ import annotations

import logging
import os
import sys
import time

from celery.utils.log import get_task_logger

from flowforge import ErrorHandler, Flow, Routine, routine

logger = logging.getLogger("shop")
task_logger = get_task_logger("shop.tasks")


@routine
def chatty(text: str) -> None:
    """Says the text in each way."""
    logger.warning("logged %s", text)
    task_logger.warning("task-logged %s", text)
    print("printed", text)
    print("complained", text, file=sys.stderr)
    try:
        raise KeyError(text)
    except KeyError:
        logger.exception("caught %s", text)


@routine
def half(text: str) -> None:
    """Ends with a line that it has begun."""
    print("half of", text, end="")


halves = Flow("halves")
halves.add_routine(half, "it")


chat = Flow("chat")
chat.add_routine(chatty, "it")


class Telling(Routine):
    """Logs what it should not, and fails at the first attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, secret=["token"])

    def go(self, token: str) -> None:
        logger.warning("the token is %s", token)
        logger.error("attempt %d", self.attempt)
        try:
            raise ValueError(f"refused {token}")
        except ValueError:
            logger.exception("no")
        if self.attempt == 1:
            raise RuntimeError("again")


telling = Flow("telling")
telling.add_routine(Telling, "tells")
telling.set_error_handler(ErrorHandler("retry", retry_delay=0.01))


@routine
def waits(gate: str) -> None:
    """Logs, and goes on when the gate is there."""
    logger.warning("before the gate")
    while not os.path.exists(gate):
        time.sleep(0.02)
    logger.warning("behind the gate")


waiting = Flow("waiting")
waiting.add_routine(waits, "waits")


@routine
def floods(lines: int) -> None:
    """Logs many lines."""
    for number in range(lines):
        logger.warning("line %d", number)


flood = Flow("flood")
flood.add_routine(floods, "floods")
