"""Routines that log and print, for the tests of ``test_logs``; imported by their workers."""

from __future__ import annotations

import logging
import sys

from celery.utils.log import get_task_logger

from flowforge import Flow, routine

logger = logging.getLogger("shop")
task_logger = get_task_logger("shop.tasks")


@routine
def chatty(text: str) -> None:
    """Says the text in each way."""
    logger.warning("logged %s", text)
    task_logger.warning("task-logged %s", text)
    print(f"printed {text}")
    print(f"complained {text}", file=sys.stderr)
    try:
        raise KeyError(text)
    except KeyError:
        logger.exception("caught %s", text)


chat = Flow("chat")
chat.add_routine(chatty, "it")
