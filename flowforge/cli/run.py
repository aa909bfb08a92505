"""``flowforge run``: submit a job and wait for its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import click

from flowforge.cli.options.arguments import filled, params_options
from flowforge.cli.options.key_options import found_text, key_options, keys_of
from flowforge.cli.options.selection import label_values
from flowforge.cli.options.start_options import deadline_options, start_options, usable
from flowforge.cli.report import print_end
from flowforge.cli.session import Session, ends_with_process, pass_session
from flowforge.cli.target import choose_entry, load_flow
from flowforge.cli.terminal.progress_view import progress_view
from flowforge.cli.terminal.render import json_option, print_json, say
from flowforge.cli.waiting import saying_outlook, saying_where, timeout_option, wait_with_view
from flowforge.engine.engine import Engine
from flowforge.engine.explain.job_findings import unreported
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import ArgumentError
from flowforge.model.fair import LEAST_WEIGHT, MOST_WEIGHT
from flowforge.model.flow import FlowGraph
from flowforge.model.param_checks import check_entry
from flowforge.model.times.deadlines import deadlines_of
from flowforge.model.times.start import start_of
from flowforge.store.fleet_reads.worker_reports import WorkerReports


@click.command("run")
@click.argument("target", metavar="MODULE:FLOW")
@click.option("--entry", metavar="ID", help="Routine to start with, where the flow has several.")
@params_options(
    "One entry param; V is JSON if it reads as JSON, else text. May be repeated.",
    "All entry params as one JSON object; --param adds to it.",
)
@click.option(
    "--idempotency-key", metavar="KEY", callback=filled,
    help="A second run with KEY finds the first job.",
)  # fmt: skip
@click.option(
    "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=label_values,
    help="A label that the job is found by. May be repeated.",
)  # fmt: skip
@click.option("--priority", type=click.IntRange(0, 9), help="0 is served first.")
@click.option(
    "--max-in-flight",
    type=click.IntRange(min=1),
    help="Invocations in the broker and in workers at the same time.",
)
@click.option(
    "--fair-key", metavar="KEY", callback=filled,
    help="Whose work it is: keys take turns, so that none keeps others waiting.",
)  # fmt: skip
@click.option(
    "--weight", type=click.FloatRange(LEAST_WEIGHT, MOST_WEIGHT),
    help="How often the fair key has its turn, compared with others; default: 1.",
)  # fmt: skip
@start_options
@deadline_options
@key_options
@click.option("--no-wait", is_flag=True, help="Print the job's id and leave.")
@click.option("--watch", is_flag=True, help="Show a line of progress for each routine.")
@timeout_option
@json_option
@pass_session
def run(
    session: Session,
    /,
    target: str,
    entry: str | None,
    given: dict[str, Any],
    params_json: dict[str, Any] | None,
    no_wait: bool,
    watch: bool,
    timeout: float | None,
    as_json: bool,
    idempotency_key: str | None,
    labels: dict[str, str],
    delay: timedelta | None,
    at: datetime | None,
    start_within: timedelta | None,
    finish_within: timedelta | None,
    priority: int | None,
    max_in_flight: int | None,
    fair_key: str | None,
    weight: float | None,
    **keys: Any,
) -> None:
    """Start a job of a flow and wait for its end.

    MODULE:FLOW is package.module:flow or path/to/file.py:flow. Without a server the job runs
    inside this process. The exit status is 0 only if the job completed.
    """
    with _only_json(as_json):
        flow = load_flow(target)
        start, params = choose_entry(flow, entry), {**(params_json or {}), **given}
        _check_params(flow, start, params)
        submitter = session.running_engine()
        if no_wait and ends_with_process(submitter):
            raise click.UsageError(
                "--no-wait needs a server: without FLOWFORGE_REDIS_URL or --redis-url the job "
                "would end with this command"
            )
        deadlines = usable(deadlines_of, start_within, finish_within)
        template = JobTemplate(
            flow, start, priority, max_in_flight, deadlines, fair_key=fair_key, weight=weight
        )
        begins, named = usable(start_of, delay, at), keys_of(**keys)
        if named is not None:
            usable(named.start, begins)  # two times of one job
        with saying_where(flow.flow_id):
            submitted = submitter.submit_one(
                template, params, idempotency_key, labels, begins, named
            )
        job_id = submitted.job_id
        engine = submitter.of(job_id)
        found = found_text(submitted)
        if no_wait and found:
            say(f"job {job_id}{found}", err=True)
        elif not no_wait:
            with saying_outlook(engine, job_id):
                say(f"job {job_id} of flow {flow.flow_id}{found}{_remark(engine)}", err=True)
                view = progress_view(as_json) if watch else None
                wait_with_view(engine, job_id, timeout, view)
    if no_wait:
        made = {"job_id": job_id, "flow_id": flow.flow_id, "created": submitted.created}
        print_json(made) if as_json else say(job_id)
    else:
        click.get_current_context().exit(print_end(engine, job_id, as_json))


def _check_params(flow: FlowGraph, entry: str, params: dict[str, Any]) -> None:
    """ArgumentError for params that do not fit the handler of the entry."""
    definition = flow.definition()
    routine = definition.index(flow.entry_routine(entry))
    slot = definition.slot_names(routine).index(flow.entry_slot(entry))
    try:
        check_entry(definition, (routine, slot), params)
    except ArgumentError as error:
        if params:
            raise
        raise ArgumentError(f"{error}, with --param NAME=VALUE") from None


def _remark(engine: Engine) -> str:
    if engine.own_server:
        return ""
    workers, unreadable = WorkerReports(engine.store).read()
    if unreadable or any(worker.live for worker in workers):
        return ""
    outage = engine.outage()
    if outage is not None:
        return f": {unreported(outage)}; {outage.remedy}"
    return ": no worker is there, so it waits until one is started"


@contextlib.contextmanager
def _only_json(wanted: bool) -> Iterator[None]:
    """With --json what the flow's own code prints goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr) if wanted else contextlib.nullcontext():
        yield
