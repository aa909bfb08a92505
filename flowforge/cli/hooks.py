"""``flowforge hooks``: who hears of failures, how that goes, and what was given up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from flowforge.cli.audited import audited
from flowforge.cli.group import CommandFailedError
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_pairs, print_table
from flowforge.common.bounded_repr import shown
from flowforge.common.duration import duration
from flowforge.engine.engine import Engine
from flowforge.errors import RecordError
from flowforge.model.hooks.hook_event import sample_event
from flowforge.store.fleet_reads.hook_reports import DeliveryReport, HookReport, HookReports
from flowforge.store.fleet_reads.outbox import pack_event
from flowforge.store.reading import moment

#: Deliveries of each kind that are listed.
_LISTED = 20

#: Seconds between two looks whether a test is over.
_LOOK = 0.2

_COLUMNS = ("NAME", "<TO", "LAST SUCCESS", "FAILING SINCE", ">WAITING", ">DEAD", ">LOST")

#: How times are shown in a list.
_TIME = "%m-%d %H:%M:%S"


@click.group("hooks")
def hooks() -> None:
    """Functions and webhooks that are told when a job fails."""


@hooks.command("list")
@click.argument("name", required=False)
@json_option
@pass_session
def list_hooks(session: Session, name: str | None, as_json: bool) -> None:
    """List the hooks that workers have; or show one, NAME, with its deliveries."""
    corrupt: list[RecordError] = []
    engines = session.engines()
    found = [(engine, one) for engine in engines for one in HookReports(engine.store).read(corrupt)]
    if name is not None:
        found = [(engine, one) for engine, one in found if one.name == name]
        if not found and not corrupt:
            raise _unknown(name)
    deliveries = [
        HookReports(engine.store).deliveries(one.name, _LISTED) if name is not None else []
        for engine, one in found
    ]
    if as_json:
        _print_json(found, deliveries, shows_one=name is not None)
    elif name is None:
        _print_hooks(found, several=len(engines) > 1)
    else:
        for (engine, one), of_one in zip(found, deliveries, strict=True):
            _print_hook(engine.store.server_name, one, of_one)
    for error in corrupt:
        say(f"left out: {one_line(str(error), 500)}", err=True)


@hooks.command("test")
@click.argument("name")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=30.0, show_default=True,
    help="Seconds to wait for the answer.",
)  # fmt: skip
@json_option
@pass_session
def test(session: Session, name: str, timeout: float, as_json: bool) -> None:
    """Let a worker send a test event to the hook NAME, and print what it answers.

    The exit status is 1 if the receiver did not take it, or if no worker sent it in time.
    """
    engines = _with_hook(session.engines(), name)
    answers = [_test(engine, name, timeout) for engine in engines]
    if as_json:
        print_json(
            [
                {"shard": engine.store.server_name, "ok": good, "answer": answer}
                for engine, (good, answer) in zip(engines, answers, strict=True)
            ]
        )
    else:
        for engine, (good, answer) in zip(engines, answers, strict=True):
            where = f"{engine.store.server_name}: " if len(engines) > 1 else ""
            say(f"{where}{'ok' if good else 'failed'}: {one_line(answer, 500)}")
    click.get_current_context().exit(0 if all(good for good, _ in answers) else 1)


@hooks.command("replay")
@click.argument("name")
@click.argument("delivery", nargs=-1)
@json_option
@pass_session
@audited("replay deliveries")
def replay(session: Session, name: str, delivery: Sequence[str], as_json: bool) -> None:
    """Try dead deliveries of the hook NAME again: all of them, or those with these ids."""
    engines = _with_hook(session.engines(), name)
    count = sum(engine.store.hooks.replay(name, delivery) for engine in engines)
    _say_done("replayed", count, delivery, as_json)


@hooks.command("drop")
@click.argument("name")
@click.argument("delivery", nargs=-1)
@click.option("--hook", is_flag=True, help="Forget the hook, and all that waits for it.")
@json_option
@pass_session
@audited("drop deliveries")
def drop(session: Session, name: str, delivery: Sequence[str], hook: bool, as_json: bool) -> None:
    """Forget dead deliveries of the hook NAME: all of them, or those with these ids.

    With --hook forget the hook itself, as when no worker has it any more. A worker that has it
    declares it again within a minute.
    """
    engines = _with_hook(session.engines(), name)
    if hook and delivery:
        raise click.UsageError("--hook forgets all deliveries: give no ids")
    if hook:
        count = sum(engine.store.hooks.forget(name) for engine in engines)
    else:
        count = sum(engine.store.hooks.drop(name, delivery) for engine in engines)
    _say_done("dropped", count, delivery, as_json)


def _with_hook(engines: Sequence[Engine], name: str) -> list[Engine]:
    found = [
        engine
        for engine in engines
        if any(one.name == name for one in HookReports(engine.store).read())
    ]
    if not found:
        raise _unknown(name)
    return found


def _unknown(name: str) -> CommandFailedError:
    return CommandFailedError(
        f"no worker has a hook {shown(name)}; flowforge hooks list shows those that there are"
    )


def _say_done(verb: str, count: int, wanted: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json({verb: count})
    else:
        say(f"{verb} {count}")
    if count < len(set(wanted)):
        raise CommandFailedError(
            f"{len(set(wanted)) - count} of the ids name no dead delivery of this hook"
        )


def _test(engine: Engine, name: str, timeout: float) -> tuple[bool, str]:
    reports, now = HookReports(engine.store), moment(engine.overview.now())
    event = sample_event(f"test_{secrets.token_hex(12)}", now)
    engine.store.hooks.test(name, event.id, pack_event(event))
    deadline = time.monotonic() + timeout
    while (answer := reports.test_answer(name, event.id)) is None:
        if time.monotonic() >= deadline:
            return False, (
                f"no worker has sent it within {duration(timeout)}: start one that imports the "
                "hook, or look for its name in the workers' logs"
            )
        time.sleep(_LOOK)
    return answer


# --- output ------------------------------------------------------------------------------


def _print_json(
    found: list[tuple[Engine, HookReport]],
    deliveries: list[list[DeliveryReport]],
    *,
    shows_one: bool,
) -> None:
    rows = []
    for (engine, one), of_one in zip(found, deliveries, strict=True):
        row: dict[str, Any] = {"shard": engine.store.server_name, **vars(one)}
        if shows_one:
            row["deliveries"] = [_plain(delivery) for delivery in of_one]
        rows.append(row)
    print_json(rows)


def _plain(delivery: DeliveryReport) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "dead": delivery.next_at is None,
        "attempts": delivery.attempts,
        "next_at": delivery.next_at,
        "why": delivery.why,
        "event": delivery.event.payload(),
    }


def _print_hooks(found: list[tuple[Engine, HookReport]], *, several: bool) -> None:
    if not found:
        say("no hooks", err=True)
        return
    rows: list[list[str | Text]] = []
    for engine, one in found:
        shard = [engine.store.server_name] if several else []
        rows.append(
            [
                *shard, one.name, one.place,
                local_time(one.last_success_at, _TIME) if one.last_success_at else "-",
                Text(local_time(one.failing_since, _TIME), "red") if one.failing_since else "-",
                str(one.waiting), str(one.dead), str(one.lost),
            ]
        )  # fmt: skip
    print_table((("SHARD",) if several else ()) + _COLUMNS, rows)


def _print_hook(shard: str, one: HookReport, deliveries: list[DeliveryReport]) -> None:
    pairs: list[tuple[str, str | Text]] = [
        ("hook", one.name),
        ("shard", shard),
        ("to", one.place),
        ("events", " ".join(one.events)),
        ("flow", one.flow_id or "all"),
        ("worker", one.worker or "none delivers to it now"),
        ("success", local_time(one.last_success_at) if one.last_success_at else "-"),
    ]
    if one.failing_since:
        pairs.append(("failing", f"since {local_time(one.failing_since)}"))
        pairs.append(("why", one_line(one.why or "", 500)))
    counts = f"{one.delivered} delivered, {one.waiting} waiting, {one.dead} dead"
    pairs.append(("count", f"{counts}, {one.lost} events lost"))
    print_pairs(pairs)
    say()
    rows: list[list[str | Text]] = [
        [
            delivery.id,
            local_time(delivery.next_at, "%H:%M:%S") if delivery.next_at else "dead",
            str(delivery.attempts),
            delivery.event.type,
            f"{delivery.event.count} x {delivery.event.error.type} in {delivery.event.flow_id}",
            one_line(delivery.why or ""),
        ]
        for delivery in deliveries
    ]
    if rows:
        print_table(("DELIVERY", "NEXT", ">ATTEMPTS", "EVENT", "<OF", "<WHY"), rows)
    else:
        say("no deliveries wait, and none is dead")
