"""Pausing a queue and resuming it, each after a question."""

from __future__ import annotations

from flowforge.engine.fleet.queue import Queue
from flowforge.errors import InvalidValueError
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role


def ask_pause(call: Call) -> View:
    """What a pause does, and why it is asked for."""
    return _question(_queue(call), "pause")


def ask_resume(call: Call) -> View:
    """What a resume does, and who has paused the queue."""
    return _question(_queue(call), "resume")


def pause(call: Call) -> View | Leave:
    """Pause it on all servers."""
    queue, reason = _queue(call), str(call.form.get("reason", "")).strip()
    if not queue.pause(reason, by=call.user.name):
        return _question(queue, "pause", "It was paused before.")
    return Leave("/workers", f"Queue {queue.name} is paused.")


def resume(call: Call) -> View | Leave:
    """Resume it on all servers."""
    queue = _queue(call)
    if not queue.resume():
        return _question(queue, "resume", "It was resumed before.")
    return Leave("/workers", f"Queue {queue.name} goes on.")


def _question(queue: Queue, action: str, problem: str = "") -> View:
    found = {"name": queue.name, "action": action, "pause": queue.paused, "problem": problem}
    return View("queue.html", found, 409 if problem else 200)


def _queue(call: Call) -> Queue:
    name = call.query.get("queue", "")
    if not name:
        raise InvalidValueError("the address names no queue: choose one among the workers")
    return Queue(name, call.engines)


PAGES = [
    Page("/queues/pause", ask_pause, Role.OPERATOR),
    Page("/queues/pause", pause, Role.OPERATOR, "POST", does="pause queue"),
    Page("/queues/resume", ask_resume, Role.OPERATOR),
    Page("/queues/resume", resume, Role.OPERATOR, "POST", does="resume queue"),
]
