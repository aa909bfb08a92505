"""``flowforge doctor``: what is wrong with a fleet, and what to do about it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict

import click
from rich.text import Text

from flowforge import __version__
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, print_json, print_text
from flowforge.common.versions import installed_version
from flowforge.doctor.examination import examine
from flowforge.doctor.findings import Finding
from flowforge.errors import FlowForgeError

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("doctor")
@json_option
@pass_session
def doctor(session: Session, as_json: bool) -> None:
    """Examine the server, the workers and the work, with a fix for whatever is wrong.

    The exit status is 1 if anything failed; warnings leave it at 0.
    """
    findings: list[Finding] = []
    for finding in _examine(session):
        findings.append(finding)
        if not as_json:
            _print(finding)
    ok = all(finding.level != "fail" for finding in findings)
    if as_json:
        print_json(
            {"ok": ok, "versions": versions(), "findings": [asdict(item) for item in findings]}
        )
    click.get_current_context().exit(0 if ok else 1)


def versions() -> dict[str, str]:
    """Of what runs here; a worker elsewhere may have others."""
    found = {"flowforge": __version__, "python": platform.python_version()}
    for name in ("celery", "kombu", "redis"):
        found[name] = installed_version(name)
    return found


def _examine(session: Session) -> Iterator[Finding]:
    yield Finding("ok", "versions", ", ".join(f"{k} {v}" for k, v in versions().items()))
    try:
        engines = session.engines()
    except FlowForgeError as error:
        yield Finding("fail", "configuration", "no server can be asked", str(error))
        return
    for engine in engines:
        yield from examine(engine)


def _print(finding: Finding) -> None:
    line = Text(f"{finding.level:<4}", _COLOURS[finding.level])
    line.append(f"  {finding.check:<13} {finding.text}", "default")
    if finding.fix:
        line.append(f"  -> {finding.fix}", "default")
    print_text(line)
