"""``flowforge dead-letters``: messages that workers refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, one_line, print_json, say
from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.engine.finding.dead_letters import requeue as send_again
from flowforge.errors import RecordError
from flowforge.settings import MOST
from flowforge.store.fleet_reads.dead_letters import DeadLetter, DeadLetters

#: What ``--drop`` takes in place of a number.
_ALL = "all"


def _number_or_all(_: click.Context, __: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == _ALL:
        return text
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise click.BadParameter(f"{shown(text)} is neither a letter's number nor {_ALL!r}")
    return int(text)


@click.command("dead-letters")
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=20, show_default=True)
@click.option(
    "--requeue", type=click.IntRange(min=1), metavar="N", help="Send letter N to its queue again."
)
@click.option(
    "--drop", metavar="N|all", callback=_number_or_all, help="Forget letter N, or all there are."
)
@click.option(
    "--shard", metavar="NAME", help="Only this shard: the first part of the ids of its jobs."
)
@json_option
@pass_session
@audited("requeue or drop dead letters", lambda options: options["requeue"] or options["drop"])
def dead_letters(
    session: Session,
    limit: int,
    requeue: int | None,
    drop: int | str | None,
    shard: str | None,
    as_json: bool,
) -> None:
    """List the messages that workers refused, the newest first, each with the reason.

    What is sent again is checked again: do it once a worker runs that takes it. With
    several shards each numbers its own letters, so a number needs --shard.
    """
    if requeue is not None and drop is not None:
        raise click.UsageError("--requeue and --drop exclude each other")
    engines = _chosen(session.engines(), shard)
    if requeue is not None:
        send_again(_only(engines), requeue)
        _say({"requeued": requeue}, as_json)
    elif drop == _ALL:
        _say({"dropped": sum(DeadLetters(one.store).drop_all() for one in engines)}, as_json)
    elif drop is not None:
        DeadLetters(_only(engines).store).drop(int(drop))
        _say({"dropped": 1}, as_json)
    else:
        corrupt: list[RecordError] = []
        found = [
            (engine.store.server_name, letter)
            for engine in engines
            for letter in DeadLetters(engine.store).newest(limit, corrupt)
        ]
        found.sort(key=lambda one: one[1].at, reverse=True)
        _list(found[:limit], as_json, several=len(engines) > 1)
        for error in corrupt:
            say(f"left out: {one_line(str(error), 500)}", err=True)


def _chosen(engines: Sequence[Engine], shard: str | None) -> Sequence[Engine]:
    if shard is None:
        return engines
    chosen = [engine for engine in engines if engine.store.server_name == shard]
    if not chosen:
        known = ", ".join(engine.store.server_name for engine in engines)
        raise click.BadParameter(f"no shard is named {shown(shard)}; there is {known}")
    return chosen


def _only(engines: Sequence[Engine]) -> Engine:
    if len(engines) > 1:
        known = ", ".join(engine.store.server_name for engine in engines)
        raise click.UsageError(f"each shard numbers its own letters: give --shard ({known})")
    return engines[0]


def _say(done: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    for verb, number in done.items():
        say(f"{verb} {number}")


def _list(found: list[tuple[str, DeadLetter]], as_json: bool, *, several: bool) -> None:
    if as_json:
        print_json([_plain(shard, letter) for shard, letter in found])
        return
    for shard, letter in found:
        name = f"{shard} #{letter.number}" if several else f"#{letter.number}"
        say(
            f"{name}  {letter.at:%Y-%m-%d %H:%M:%S} UTC  on {one_line(letter.queue)}: "
            f"{one_line(letter.reason)}\n"
            f"    {letter.size} bytes: {one_line(_text(letter), 120)}"
        )
    if not found:
        say("no dead letters to show", err=True)


def _plain(shard: str, letter: DeadLetter) -> dict[str, Any]:
    return {
        "shard": shard,
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
