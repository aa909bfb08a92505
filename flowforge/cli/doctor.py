"""``flowforge doctor``: what is wrong with a fleet, and what to do about it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict

import click
import redis
from rich.text import Text

from flowforge import __version__
from flowforge.cli.doctor_errors import examine_errors
from flowforge.cli.doctor_hooks import examine_hooks
from flowforge.cli.doctor_server import examine_server
from flowforge.cli.doctor_work import examine_delays, examine_work
from flowforge.cli.doctor_workers import (
    examine_needs,
    examine_reports,
    examine_workers,
    silenced,
)
from flowforge.cli.findings import Finding
from flowforge.cli.kept_engine import KeptEngine
from flowforge.cli.render import json_option, print_json, print_text
from flowforge.cli.session import Session, pass_session
from flowforge.common.versions import installed_version
from flowforge.engine.engine import Engine
from flowforge.errors import FlowForgeError
from flowforge.model.status import ACTIVE
from flowforge.store.worker_reports import WorkerReport, WorkerReports

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
        try:
            yield from examine_server(engine)
            yield from _examine_jobs(engine)
        except (FlowForgeError, redis.RedisError) as error:
            # Its text says what to do.
            yield Finding("fail", "server", str(error))


def _examine_jobs(engine: Engine) -> Iterator[Finding]:
    counts = engine.overview.counts()
    live: list[WorkerReport] = []
    if isinstance(engine, KeptEngine):
        where = engine.settings.data_dir
        yield Finding("ok", "workers", f"jobs in {where} go on when a program runs with it")
    else:
        workers, unreadable = WorkerReports(engine.store).read()
        live = [worker for worker in workers if worker.live]
        active = sum(counts[status] for status in ACTIVE)
        yield from examine_reports(unreadable)
        no_reports = silenced(engine, workers)
        if no_reports is not None:
            # Those who happen to have reported last are not all that are there.
            live = []
            yield no_reports
        else:
            yield from examine_workers(engine, workers, active)
        yield from examine_needs(engine, live)
        yield from examine_delays(engine)
    yield from examine_work(engine, live, counts)
    yield examine_errors(engine)
    yield from examine_hooks(engine)


def _print(finding: Finding) -> None:
    line = Text(f"{finding.level:<4}", _COLOURS[finding.level])
    line.append(f"  {finding.check:<13} {finding.text}", "default")
    if finding.fix:
        line.append(f"  -> {finding.fix}", "default")
    print_text(line)
