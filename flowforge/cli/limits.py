"""``flowforge limits``: what is in force, what holds places, what waits; changing it at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.arguments import by_option
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_table
from flowforge.engine.limits import LimitControl, holder_number, in_force, settings_in_force
from flowforge.errors import FlowForgeError
from flowforge.model.limit import LimitSettings, parsed_settings
from flowforge.model.names import did_you_mean
from flowforge.settings import MOST
from flowforge.store.reading import moment
from flowforge.store.transitions.limits import LimitUsage

_COLUMNS = ("KEY", ">TAKEN", ">WAITING", "LIMIT", "STATE")

_SETTINGS = ("SETTING", "VALUE", "FROM")

#: What ``show`` names of what holds places.
_HOLDERS = 20

_SETTING = re.compile(r"(running|rate|period|burst)=(.+)")


@click.group("limits")
def limits() -> None:
    """Limits of what runs at once and of what starts in a period, over the whole fleet."""


def _page_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which of the keys are shown: they are in the order of their names."""
    behind = click.option(
        "--cursor", metavar="NAME[/KEY]", default="", help="Go on behind this key of a list."
    )
    most = click.option("--limit", type=click.IntRange(1, MOST), default=200, show_default=True)
    return most(behind(command))


@limits.command("list")
@_page_options
@json_option
@pass_session
def list_limits(session: Session, limit: int, cursor: str, as_json: bool) -> None:
    """List the limits, and their keys at which something runs or waits, by name."""
    rows, more = _rows(_control(session), None, limit, cursor)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(_COLUMNS, [_cells(row) for row in rows])
        _say_more(rows, more)
    elif cursor:
        say("no more keys", err=True)
    else:
        say("no limit is known: a worker writes those of the modules that it imports", err=True)


@limits.command("show")
@click.argument("key", metavar="NAME[/KEY]")
@_page_options
@json_option
@pass_session
def show(session: Session, key: str, limit: int, cursor: str, as_json: bool) -> None:
    """Show what is in force for a limit or a key and where it comes from, what waits, and what
    holds places. Of a limit also its keys at which something runs or waits, by name.
    """
    control = _control(session)
    found, more = _rows(control, key, limit, cursor)
    for row in found:
        row["held_by"] = [
            {"job_id": job_id, "invocation": holder_number(invocation)}
            for job_id, invocation in control.holders(row["key"], _HOLDERS)
        ]
    if not found:
        what = f"there is no limit {one_line(key)}; see flowforge limits list"
        raise CommandFailedError("no more keys" if cursor else what)
    force = settings_in_force(key, control.stored())
    if as_json:
        sources = {one.name: one.source for one in force}
        print_json([row | {"from": sources} if row["key"] == key else row for row in found])
        return
    print_table(_COLUMNS, [_cells(row) for row in found])
    say()
    print_table(_SETTINGS, [[one.name, one.text, one_line(one.source)] for one in force])
    _say_if_unknown(control, key)
    for row in found:
        for one in row["held_by"]:
            what = one["job_id"]
            what += "" if one["invocation"] is None else f" invocation {one['invocation']}"
            say(f"{one_line(row['key'])} is held by {what}")
    _say_more(found, more)


def _change(
    action: str,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that changes a limit or one of its keys, and is kept in the audit stream."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        call = json_option(pass_session(audited(action)(command)))
        reason = click.option(
            "--reason", default="", metavar="TEXT", help="Why; kept in the audit stream."
        )
        return click.argument("limit", metavar="NAME[/KEY]")(reason(by_option(call)))

    return decorate


@limits.command("set")
@_change("set limit")
@click.argument("settings", metavar="SETTING=NUMBER...", nargs=-1, required=True)
def set_limit(
    session: Session, limit: str, settings: tuple[str, ...], as_json: bool, **_: object
) -> None:
    """Change a limit, or one of its keys, for running jobs too.

    Settings: running, rate, period (seconds), burst; ``none``: without bound. A key wins over its
    limit, and both win over what the code says.
    """
    control = _control(session)
    control.set(limit, _parsed(limit, settings))
    _say_if_unknown(control, limit)
    _say_in_force(control, limit, as_json)


@limits.command("disable")
@_change("disable limit")
def disable(session: Session, limit: str, as_json: bool, **_: object) -> None:
    """Let a limit, or one of its keys, let everything in."""
    control = _control(session)
    control.switch(limit, on=False)
    _say_if_unknown(control, limit)
    _say_in_force(control, limit, as_json)


@limits.command("enable")
@_change("enable limit")
def enable(session: Session, limit: str, as_json: bool, **_: object) -> None:
    """Have a limit that was disabled count again. What runs meanwhile has its places."""
    control = _control(session)
    control.switch(limit, on=True)
    _say_if_unknown(control, limit)
    _say_in_force(control, limit, as_json)


@limits.command("remove")
@_change("remove limit")
def remove(session: Session, limit: str, as_json: bool, **_: object) -> None:
    """Forget what was set; what the code says counts again, as soon as a worker has said it."""
    control = _control(session)
    if not control.remove(limit):
        raise CommandFailedError(f"nothing is set for {one_line(limit)}")
    _say_in_force(control, limit, as_json)


def _parsed(key: str, settings: Sequence[str]) -> LimitSettings:
    given = {}
    for text in settings:
        match = _SETTING.fullmatch(text)
        if match is None:
            raise click.UsageError(
                f"{one_line(text)} is no setting: write running=8, rate=100, period=60 or burst=20"
            )
        given[match[1]] = match[2]
    try:
        return parsed_settings(f"limit {key!r}", given)
    except FlowForgeError as error:
        raise click.UsageError(str(error)) from error


def _control(session: Session) -> LimitControl:
    return session.submitter().limit_home.find().limits


def _rows(
    control: LimitControl, wanted: str | None, limit: int, cursor: str
) -> tuple[list[dict[str, Any]], bool]:
    """The keys of a page, and whether there are more."""
    found, more = control.listed(limit, wanted, cursor)
    return [{**_usage(one.usage), "limit": _plain(one.settings)} for one in found], more


def _say_more(rows: Sequence[dict[str, Any]], more: bool) -> None:
    if more:
        cursor = shlex.quote(one_line(rows[-1]["key"], 500))
        say(f"there are more: --cursor {cursor}", err=True)


def _usage(usage: LimitUsage) -> dict[str, Any]:
    return {
        "key": usage.key,
        "running": usage.running,
        "reserved": usage.reserved,
        "waiting": usage.waiting,
        "waits_since_ms": usage.waits_since,
        "rests_until_ms": usage.rests_until,
    }


def _plain(force: LimitSettings) -> dict[str, Any]:
    return {
        "running": force.most_running,
        "rate": force.most_started,
        "period": None if force.period_ms is None else force.period,
        "burst": force.burst,
        "when_full": force.when_full,
        "hold": force.hold,
        "enabled": force.state != "off",
        "text": force.text(),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    state = "on" if row["limit"]["enabled"] else "disabled"
    if row["rests_until_ms"] is not None:
        state = f"rests until {local_time(moment(row['rests_until_ms']))}"
    return [
        one_line(row["key"]), str(row["running"] + row["reserved"]), str(row["waiting"]),
        row["limit"]["text"], state,
    ]  # fmt: skip


def _say_in_force(control: LimitControl, key: str, as_json: bool) -> None:
    force = in_force(key, control.stored())
    if as_json:
        print_json({"key": key, "limit": _plain(force)})
        return
    off = ", disabled" if force.state == "off" else ""
    say(f"limit {one_line(key)}: {force.text()}{off}")


def _say_if_unknown(control: LimitControl, key: str) -> None:
    name, declared = key.partition("/")[0], {one.key for one in control.stored() if one.declared}
    if name not in declared:
        say(
            f"no worker has said that its code has a limit {one_line(name)}: it lets everything in "
            f"until one does, but for what is set here{did_you_mean(name, declared)}",
            err=True,
        )
