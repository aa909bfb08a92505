"""``flowforge queues``: what waits on each queue and who serves it; pausing and resuming one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.options.arguments import by_option
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_table
from flowforge.engine.engine import Engine
from flowforge.engine.fleet.queue import Queue
from flowforge.engine.fleet.queues import QueueReport
from flowforge.engine.fleet.queues import queues as reports_of
from flowforge.engine.workers import Fleet
from flowforge.model.names import did_you_mean
from flowforge.store.transitions.queue_pauses import QueuePause

_COLUMNS = ("QUEUE", "STATE", ">WAITING", ">POPPED", "~WORKERS", "<REASON")

#: Characters of a reason in a list.
_REASON = 60


@click.group("queues")
def queues() -> None:
    """The queues of the workers: what waits, who serves them; pause and resume them."""


@queues.command("list")
@json_option
@pass_session
def list_queues(session: Session, as_json: bool) -> None:
    """List the queues that are served, paused or had a message ever."""
    engines = session.engines()
    found = [(engine, one) for engine in engines for one in reports_of(engine, Fleet(engine.store))]
    if as_json:
        print_json([_plain(engine, one) for engine, one in found])
        return
    if not found:
        say("no queue has had a message yet, and no worker serves one", err=True)
        return
    several = len(engines) > 1
    rows = [[*([engine.store.server_name] if several else []), *_row(one)] for engine, one in found]
    print_table(("SERVER", *_COLUMNS) if several else _COLUMNS, rows)


@queues.command("pause")
@click.argument("queue", metavar="QUEUE")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown by list and explain.")
@by_option
@json_option
@pass_session
@audited("pause queue")
def pause(session: Session, queue: str, reason: str, by: str | None, as_json: bool) -> None:
    """Let workers start nothing of QUEUE. What runs may finish; jobs stay running."""
    engines = session.engines()
    subject = Queue(queue, engines)
    if not as_json:
        _tell_unknown(engines, queue)
    _tell(subject, changed=subject.pause(reason, by=by), as_json=as_json)


@queues.command("resume")
@click.argument("queue", metavar="QUEUE")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit stream.")
@by_option
@json_option
@pass_session
@audited("resume queue")
def resume(session: Session, queue: str, reason: str, by: str | None, as_json: bool) -> None:
    """Let workers go on with QUEUE: what waited is put back in its order."""
    subject = Queue(queue, session.engines())
    _tell(subject, changed=subject.resume(), as_json=as_json)


def _tell(queue: Queue, *, changed: bool, as_json: bool) -> None:
    pause = queue.paused
    if as_json:
        print_json({"queue": queue.name, "paused": _plain_pause(pause), "changed": changed})
        return
    if pause is None:
        said = "goes on" if changed else "was not paused"
        say(f"queue {one_line(queue.name)} {said}")
        return
    before = "" if changed else ", as it was before"
    say(
        f"queue {one_line(queue.name)} is paused by {one_line(pause.by)} since "
        f"{local_time(pause.since)}{before}"
    )


def _tell_unknown(engines: Sequence[Engine], name: str) -> None:
    known = {one.name for engine in engines for one in reports_of(engine, Fleet(engine.store))}
    if name not in known:
        meant = did_you_mean(name, sorted(known))
        say(
            f"no worker serves the queue {one_line(name)}, and it had no message yet{meant}",
            err=True,
        )


def _row(one: QueueReport) -> list[str]:
    pause = one.pause
    state = "served" if one.workers else "unserved"
    reason = one.refusal
    if pause is not None:
        state = f"paused by {one_line(pause.by)} since {local_time(pause.since)}"
        reason = one_line(pause.reason, _REASON)
    return [
        one_line(one.name), state, str(one.waiting), str(one.popped),
        " ".join(one_line(name) for name in one.workers) or "-", reason,
    ]  # fmt: skip


def _plain(engine: Engine, one: QueueReport) -> dict[str, Any]:
    return {
        "shard": engine.store.server_name,
        "queue": one.name,
        "waiting": one.waiting,
        "popped": one.popped,
        "workers": list(one.workers),
        "paused": _plain_pause(one.pause),
        "refusal": one.refusal or None,
    }


def _plain_pause(pause: QueuePause | None) -> dict[str, Any] | None:
    if pause is None:
        return None
    return {"by": pause.by, "reason": pause.reason, "since": pause.since}
