"""A job as text for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.text import Text

from flowforge.cli.explain import print_findings, time_and_distance
from flowforge.cli.routine_table import ROUTINE_COLUMNS, routine_rows
from flowforge.cli.terminal.render import (
    amounts,
    compact,
    labels_shown,
    local_time,
    one_line,
    print_json,
    print_text,
    say,
    status_text,
)
from flowforge.cli.terminal.tables import print_pairs, print_table
from flowforge.common.duration import duration
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_report import job_snapshot
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.status import ENDED, JobStatus

#: Outputs that are shown as text; JSON has all.
OUTPUTS = 20


def print_job(job: dict[str, Any]) -> None:
    """Everything: what ``show`` prints."""
    _print_explanation(job)
    limits = job["limits"]
    kept = duration(limits["retention_seconds"])
    print_pairs(
        [
            ("job", job["job_id"]),
            ("flow", f"{job['flow_id']}, entry {job['entry']}"),
            ("params", _params(job)),
            ("status", status_text(job["status"])),
            *_optional("reason", one_line(_reason(job), 500)),
            *_optional("by", one_line(job["by"] or "")),
            *_optional("labels", labels_shown(job["labels"])),
            *_optional("fair key", _fair_key(job)),
            ("created", local_time(job["created_at"])),
            *_optional("starts", _starts(job)),
            *_optional("start by", _when(job["start_by"])),
            *_optional("finish by", _when(job["finish_by"])),
            *_optional("late", one_line(job["late"] or "")),
            *_optional("single", _single(job)),
            *_optional("debounce", _debounce(job)),
            *_optional("ended", _ended(job)),
            *_optional("done", _done(job["progress"])),
            ("work", amounts(job["counts"])),
            *_optional("trace", job["trace_id"] or ""),
            *_optional("parent job", job["parent_job_id"] or ""),
            *_optional("undoes", job["undoes"] or ""),
            *_optional("undone by", (job["undo"] or {}).get("job_id") or ""),
            *_optional("started by", job["started_by"] or ""),
            *_optional("schedule", _schedule(job)),
            *_optional("forked from", job["forked_from"] or ""),
            *_optional("forks", ", ".join(job["forks"])),
            *_optional("child jobs", ", ".join(job["open_child_job_ids"])),
            (
                "limits",
                f"{limits['max_in_flight']} in flight, priority {job['priority']}, "
                f"{limits['output_limit']} outputs, {limits['history_limit']} history entries, "
                f"retention {kept}",
            ),
        ]
    )
    say()
    print_table(ROUTINE_COLUMNS, routine_rows(job["routines"]))
    _print_latest_errors(job)
    print_error(job)
    _print_joins(job["open_joins"])
    _print_breakpoints(job["breakpoints"])
    _print_pauses(job["pause_points"])
    print_outputs(job, OUTPUTS)


def _fair_key(job: dict[str, Any]) -> str:
    if job["fair_key"] is None:
        return ""
    weight = "" if job["weight"] == 1 else f", weight {job['weight']:g}"
    return one_line(job["fair_key"]) + weight


def _starts(job: dict[str, Any]) -> str:
    return "" if job["starts_at"] is None else f"at {time_and_distance(job['starts_at'])}"


def _when(at: datetime | None) -> str:
    return "" if at is None else time_and_distance(at)


def _schedule(job: dict[str, Any]) -> str:
    return "" if job["schedule"] is None else f"{job['schedule']} for {_when(job['scheduled_at'])}"


def _single(job: dict[str, Any]) -> str:
    held = ", waits for its turn" if job["held"] else ""
    return "" if job["single"] is None else one_line(job["single"]) + held


def _debounce(job: dict[str, Any]) -> str:
    if job["debounce"] is None:
        return ""
    calls = "1 call" if job["calls"] == 1 else f"{job['calls']} calls"
    return f"{one_line(job['debounce'])}, stands for {calls}"


def _print_explanation(job: dict[str, Any]) -> None:
    """What runs and what waits; how the job ended is told below."""
    findings = [JobFinding(**one) for one in job["explanation"] if one["kind"] not in ENDED]
    if findings:
        print_findings(findings)
        say()


def print_result(job: dict[str, Any]) -> None:
    """How a job ended and what it gave: what ``run`` prints."""
    words = ["job", job["job_id"], job["status"]]
    if job["ended_at"] is not None:
        words.append(f"in {duration((job['ended_at'] - job['created_at']).total_seconds())}")
    reason = _reason(job)
    text = " ".join(words) + (f": {one_line(reason, 500)}" if reason else "")
    print_text(Text(text, status_text(job["status"]).style))
    print_error(job)
    print_outputs(job, OUTPUTS)


def print_end(engine: Engine, job_id: str, as_json: bool) -> int:
    """How a job that was waited for stands now; returns the exit status, 0 if it completed."""
    job = job_snapshot(engine, job_id)
    if as_json:
        print_json(job)
    else:
        print_result(job)
    return 0 if job["status"] == JobStatus.COMPLETED else 1


def _print_latest_errors(job: dict[str, Any]) -> None:
    """Of each routine, also those that were retried or passed over."""
    latest = {name: state.get("last_error") for name, state in job["routines"].items()}
    shown = {name: error for name, error in latest.items() if error is not None}
    if shown:
        say("\nlatest errors:")
    for name, error in shown.items():
        at = f" ({error['at']})" if error["at"] else ""
        told = one_line(f"{name}: {error['type']}: {error['message']}{at}", 500)
        say(f"  {local_time(error['when'])}  {told}")


def print_error(job: dict[str, Any]) -> None:
    """What failed the job, with the traceback if a frame of it is the user's own.

    Without one, the message says all that there is, unless the job's reason has said it already.
    """
    error = job["error"]
    if error is None:
        return
    place = [f"{name} {error[name]}" for name in ("invocation", "attempt") if name in error]
    where = f" in {error['routine_id']}" if "routine_id" in error else ""
    detail = f" ({', '.join(place)})" if place else ""
    head, message = f"error{where}{detail}", str(error.get("message", ""))
    if error.get("at") and error.get("traceback"):
        text = str(error["traceback"])
    else:
        head += f": {error.get('type', 'error')}"
        text = "" if " ".join(message.split()) in one_line(_reason(job), 500) else message
    say(f"\n{one_line(head)}{':' if text else ''}")
    for line in text.rstrip().splitlines():
        say(f"  {line}")


def _print_joins(joins: list[dict[str, Any]]) -> None:
    if joins:
        say("\njoins that collect:")
    for join in joins:
        key = f" for {join['key']!r}" if join["key"] else ""
        say(f"  {join['routine_id']}.{join['slot']}{key}: {join['items']} items")


def _print_breakpoints(found: list[dict[str, Any]]) -> None:
    if found:
        say("\nbreakpoints:")
    for one in found:
        condition = f" when {one_line(one['condition'], 200)}" if one["condition"] else ""
        numbers = ", ".join(str(number) for number in one["stopped"][:10])
        stopped = f"; stopped: {numbers}" if numbers else ""
        by = one_line(one["by"])
        say(f"  {one['routine_id']}{condition}, set by {by} {local_time(one['at'])}{stopped}")


def _print_pauses(points: list[dict[str, Any]]) -> None:
    if points:
        say("\npauses:")
    for point in points:
        checkpoint = point["checkpoint"]
        kept = "" if checkpoint is None else f"  checkpoint {compact(checkpoint)}"
        reason = one_line(point["reason"]) or "no reason was given"
        by = f"by {one_line(point['by'])}: " if point["by"] else ""
        say(f"  {local_time(point['at'])}  {by}{reason}{kept}")


def print_outputs(job: dict[str, Any], most: int) -> None:
    """The first outputs, and how many more there are."""
    outputs = job["outputs"]
    if outputs:
        say("\noutputs:")
    for output in outputs[:most]:
        place = one_line(f"{output['routine_id']}.{output['event']}")
        say(f"  {place}  {compact(output['params'])}")
    if len(outputs) > most:
        say(f"  and {len(outputs) - most} more: --json shows all that were kept")
    if job["output_count"] > len(outputs):
        say(f"  {job['output_count']} were emitted, the first {len(outputs)} are kept")


def _reason(job: dict[str, Any]) -> str:
    """Why the job stands as it does; of a failure by FlowForge itself, where and what to do."""
    error = job["error"]
    told = error["message"] if error is not None and "traceback" not in error else job["reason"]
    return told or ""


def _done(progress: dict[str, Any] | None) -> str:
    """How much is done of what is known."""
    if progress is None:
        return ""
    percent = "" if progress["percent"] is None else f" ({progress['percent']}%)"
    least = "" if progress["total_is_final"] else "at least "
    return f"{progress['done']} of {least}{progress['total']} invocations{percent}"


def _params(job: dict[str, Any]) -> str:
    if job["params"] is None:
        if job["forked_from"]:
            return "none: it began with deliveries of the job that it is a fork of"
        return "not kept: they are large, or a former release created the job"
    return compact(job["params"])


def _ended(job: dict[str, Any]) -> str:
    ended = job["ended_at"]
    if ended is None:
        return ""
    took = duration((ended - job["created_at"]).total_seconds())
    return f"{local_time(ended)}, {took} after it was created"


def _optional(name: str, value: str) -> list[tuple[str, str]]:
    return [(name, value)] if value else []
