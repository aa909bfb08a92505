"""``flowforge dead-letters``: messages that workers refused."""

from __future__ import annotations

import json
from typing import Any

import click

from flowforge.cli.render import clean, json_option, one_line, print_json
from flowforge.cli.session import Session, pass_session
from flowforge.engine import Engine
from flowforge.store.dead_letters import DeadLetter, DeadLetters
from flowforge.worker.envelope import Router

#: What ``--drop`` takes in place of a number.
_ALL = "all"


def _number_or_all(_: click.Context, __: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == _ALL:
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise click.BadParameter(f"{text!r:.80} is neither a letter's number nor {_ALL!r}")
    return int(text)


@click.command("dead-letters")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--requeue", type=click.IntRange(min=1), metavar="N", help="Send letter N to its queue again."
)
@click.option(
    "--drop", metavar="N|all", callback=_number_or_all, help="Forget letter N, or all there are."
)
@json_option
@pass_session
def dead_letters(
    session: Session, limit: int, requeue: int | None, drop: int | str | None, as_json: bool
) -> None:
    """List the messages that workers refused, the newest first, each with the reason.

    What is sent again is checked again: do it once a worker runs that takes it.
    """
    if requeue is not None and drop is not None:
        raise click.UsageError("--requeue and --drop exclude each other")
    engine = session.engine()
    letters = DeadLetters(engine.store)
    if requeue is not None:
        _requeue(engine, letters, requeue)
        _say({"requeued": requeue}, as_json)
    elif drop is not None:
        _say({"dropped": _drop(letters, drop)}, as_json)
    else:
        _list(letters.newest(limit), as_json)


def _say(done: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for verb, number in done.items():
        click.echo(f"{verb} {number}")


def _requeue(engine: Engine, letters: DeadLetters, number: int) -> None:
    letter = letters.get(number)
    router = Router(engine.app)
    first, *_ = router.lists(letter.queue)
    letters.requeue(number, first + router.suffix(_priority(letter.item)))


def _priority(item: bytes) -> int:
    """The priority that a message claims; 0 when it claims none."""
    try:
        priority = json.loads(item)["properties"]["priority"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return priority if type(priority) is int and 0 <= priority <= 9 else 0


def _drop(letters: DeadLetters, which: int | str) -> int:
    """How many were dropped."""
    if isinstance(which, str):
        return letters.drop_all()
    letters.drop(which)
    return 1


def _list(found: list[DeadLetter], as_json: bool) -> None:
    if as_json:
        print_json([_plain(letter) for letter in found])
        return
    for letter in found:
        click.echo(
            f"#{letter.number}  {letter.at:%Y-%m-%d %H:%M:%S} UTC  on {clean(letter.queue)}: "
            f"{one_line(letter.reason)}\n"
            f"    {letter.size} bytes: {one_line(_text(letter), 120)}"
        )
    if not found:
        click.echo("no dead letters", err=True)


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.number,
        "at": letter.at,
        "queue": letter.queue,
        "reason": letter.reason,
        "message": _text(letter),
        "bytes": letter.size,
        "truncated": not letter.whole,
    }


def _text(letter: DeadLetter) -> str:
    return letter.item.decode(errors="backslashreplace")
