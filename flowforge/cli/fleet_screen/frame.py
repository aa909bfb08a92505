"""The screen as lines of text. Every state has a word or a sign of its own, beside its colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from flowforge.cli.fleet_screen.grid import Column, fitted, grid
from flowforge.cli.fleet_screen.look import Look, RoutineTotals, View
from flowforge.cli.fleet_screen.open_job import open_job_lines
from flowforge.cli.fleet_screen.state import Act, Screen
from flowforge.cli.terminal.render import amounts, labels_shown, local_time, one_line
from flowforge.cli.terminal.sparkline import sparkline
from flowforge.common.duration import duration
from flowforge.common.rate import Rate
from flowforge.engine.fleet.queues import QueueReport
from flowforge.store.fleet_reads.worker_reports import WorkerReport
from flowforge.store.job_reads.job_rows import JobSummary

#: Lines around the table: two of a head, one of a remark, one of the foot.
_AROUND = 4

#: Seconds after which a look that has not ended is told of.
_SLOW = 2.0

#: Characters of the bars of an hour.
_BARS = 15

_KEYS = "/ search  Enter open  p pause  r resume  c cancel  ? keys  q quit"

_HELP = """\
Tab, 1 to 4   next view; jobs, routines, queues, workers
j k, arrows   next row, row before
Enter, e      open the job of the row: what it waits for, its routines, its errors
Esc           back; forget what is marked; forget the search
/             search: a status, flow:NAME, a label NAME=VALUE, or other words
x             mark the job of the row; p, r and c are then for all that are marked
[ ]           failed job before, next failed job
p             pause
r             resume, or retry a job that has failed
c             cancel
?             these keys
q             quit

p, r and c first say what will happen, and ask."""

_STYLES = {
    "failed": "red", "paused": "yellow", "running": "cyan", "completed": "green",
    "cancelled": "magenta", "silent": "red", "unserved": "red",
}  # fmt: skip


def frame(screen: Screen, width: int, height: int, now: float) -> list[Text]:
    """``height`` lines of at most ``width`` cells. ``now``: of a clock that runs on, in seconds."""
    lines = [*_head(screen, width), _remark(screen, now)]
    room = max(1, height - _AROUND)
    body = _body(screen, width, room)[:room]
    lines += [*body, *([Text("")] * (room - len(body))), _foot(screen)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    # The foot stays on a very low terminal.
    return [*lines[: height - 1], lines[-1]] if len(lines) > height else lines


def page(screen: Screen, width: int) -> list[Text]:
    """The head and all rows of the view, for a file or a pipe."""
    return [*_head(screen, width), _remark(screen, 0.0), *_body(screen, width, 10**6)]


def _head(screen: Screen, width: int) -> list[Text]:
    tabs = Text("flowforge  ", style="bold")
    for number, view in enumerate(View, 1):
        name = f"[{number} {view}]" if view is screen.view else f" {number} {view} "
        tabs.append(name, "bold" if view is screen.view else "default")
    look = screen.look
    if look is None:
        return [tabs, Text("")]
    pace = f"every {screen.delay:.0f} s, {screen.commands_a_second:.0f} commands/s"
    if tabs.cell_len + len(pace) + 2 <= width:
        tabs.append(pace.rjust(width - tabs.cell_len), "not bold")
    counts = Text("jobs: ")
    for at, (status, count) in enumerate(look.counts.items()):
        counts.append(", " if at else "")
        counts.append(f"{count:,} {status}", _STYLES.get(status, "") if count else "default")
    if any(look.ended):
        bars = f"  ended/h {sparkline(look.ended, _BARS)}"
        if counts.cell_len + len(bars) <= width:
            counts.append(bars)
    return [tabs, counts]


def _remark(screen: Screen, now: float) -> Text:
    """What is wrong, or what is told, on one line."""
    if screen.away_since is not None:
        since = duration(round(now - screen.away_since))
        why = one_line(screen.problem, 300)
        return Text(f"no answer from the server for {since}; still trying: {why}", "red")
    if screen.asked_at is not None and now - screen.asked_at > _SLOW:
        return Text(f"no answer for {duration(round(now - screen.asked_at))}; waiting", "yellow")
    if screen.message:
        return Text(one_line(screen.message, 300), "bold")
    look = screen.look
    if look is not None and look.silent:
        return Text(f"left out: {one_line('; '.join(look.silent), 300)}", "red")
    if look is not None and not look.leading:
        return Text("no worker does the upkeep: retries and lost work wait", "yellow")
    return Text("")


def _foot(screen: Screen) -> Text:
    if screen.question is not None:
        return _question(screen.question)
    if screen.typing is not None:
        return Text(f"search: {one_line(screen.typing) if screen.typing else ''}_", "bold")
    words = [f"search: {one_line(screen.search)}"] if screen.search else []
    words += [f"{len(screen.marked)} marked"] if screen.marked else []
    return Text(
        "  ".join([*words, "/ search  Enter open  p pause  r resume  c cancel  ? keys  q quit"])
    )


def _question(question: Act) -> Text:
    count = len(question.job_ids)
    what = f"job {question.job_ids[0]}" if count == 1 else f"{count} jobs"
    text = f"{question.action.name} {what}? y or n"
    return Text(text, "bold reverse")


def _body(screen: Screen, width: int, room: int) -> list[Text]:
    if screen.helping:
        return [Text(line) for line in _HELP.splitlines()]
    does = [] if screen.question is None else _consequence(screen.question, width)
    look = screen.shown
    if look is None:
        return [*does, Text("reading ..." if screen.away_since is None else "")]
    if screen.job_id is not None:
        lines = [] if look.job is None else open_job_lines(look.job, width)
        return [*does, *lines]
    return [*does, *_table(screen, look, width, room - len(does))]


def _consequence(question: Act, width: int) -> list[Text]:
    """What will happen, where the eye is."""
    return [Text(fitted(question.action.does, width), "bold"), Text("")]


def _table(screen: Screen, look: Look, width: int, room: int) -> list[Text]:
    columns, rows, empty = _rows(screen, look)
    if not rows:
        return [Text(empty)]
    at = screen.rows[screen.view]
    first = max(0, min(at - room // 2, len(rows) - (room - 1)))
    part = slice(first, first + max(1, room - 1))
    head, *lines = grid(columns, rows[part], width - 2)
    found = [Text(f"  {head}", "bold")]
    for place, (row, line) in enumerate(zip(rows[part], lines, strict=True), first):
        here = ">" if place == at else " "
        mark = "x" if screen.view is View.JOBS and _job(look, place) in screen.marked else " "
        text = Text(f"{here}{mark}{line}", "reverse" if place == at else "")
        for word in set(row) & _STYLES.keys():
            text.highlight_words([f" {word} "], _STYLES[word])
        found.append(text)
    return found


def _job(look: Look, place: int) -> str:
    return look.jobs[place].job_id


def _rows(screen: Screen, look: Look) -> tuple[list[Column], list[list[str]], str]:
    """The columns, the rows, and what is said where there are none."""
    if screen.view is View.JOBS:
        none = "no such jobs" if screen.search else "no jobs yet"
        return _JOBS, [_job_row(one) for one in look.jobs], none
    if screen.view is View.ROUTINES:
        rows = [_routine_row(one, screen.rates.get(_place(one))) for one in look.routines]
        return _ROUTINES, rows, "no attempt has been counted yet"
    if screen.view is View.QUEUES:
        rows = [
            _queue_row(one, fleet.name, complete=fleet.complete)
            for fleet in look.fleets
            for one in fleet.queues
        ]
        return _QUEUES, rows, "no queue has had a message yet"
    rows = [
        _worker_row(one, fleet.name, fleet.busy[one.name])
        for fleet in look.fleets
        for one in fleet.workers
    ]
    command = look.fleets[0].command if look.fleets else "flowforge worker"
    return _WORKERS, rows, f"no worker is there; start one: {command}"


_JOBS = [
    Column("STATUS"), Column("JOB"), Column("FLOW", cut=True), Column("WORK", cut=True),
    Column("CREATED", spare=2), Column("LABELS", cut=True, spare=3),
    Column("REASON", cut=True, spare=1),
]  # fmt: skip


def _job_row(job: JobSummary) -> list[str]:
    return [
        job.status.value, job.job_id, job.flow_id, amounts(job.counts),
        local_time(job.created_at, "%m-%d %H:%M:%S"), labels_shown(job.labels),
        one_line(job.reason or "", 100),
    ]  # fmt: skip


_ROUTINES = [
    Column("FLOW", cut=True), Column("ROUTINE", cut=True), Column("RATE", right=True),
    Column("DONE", right=True), Column("FAILED", right=True), Column("RETRIED", right=True),
    Column("LOST", right=True, spare=1), Column("MEAN", right=True, spare=2),
]  # fmt: skip


def _place(one: RoutineTotals) -> tuple[str, str]:
    return one.flow_id, one.routine_id


def _routine_row(one: RoutineTotals, rate: Rate | None) -> list[str]:
    per_second = None if rate is None else rate.per_second
    return [
        one.flow_id, one.routine_id, "-" if per_second is None else f"{per_second:.3g}/s",
        f"{one.done:,}", f"{one.failed:,}", f"{one.retried:,}", f"{one.lost:,}",
        "-" if one.mean is None else duration(one.mean),
    ]  # fmt: skip


_QUEUES = [
    Column("SERVER", cut=True, spare=3), Column("QUEUE", cut=True), Column("STATE"),
    Column("WAITING", right=True), Column("TAKEN", right=True, spare=1),
    Column("SERVED BY", cut=True, spare=2),
]  # fmt: skip


def _queue_row(one: QueueReport, server: str, *, complete: bool) -> list[str]:
    state = "served" if one.workers else "unserved" if complete else "unknown"
    state = state if one.pause is None else "paused"
    served = ", ".join(one.workers) or one.command
    return [server, one.name, state, f"{one.waiting:,}", f"{one.popped:,}", served]


_WORKERS = [
    Column("SERVER", cut=True, spare=4), Column("WORKER", cut=True), Column("STATE"),
    Column("RUNS", right=True), Column("OF", right=True), Column("POOL", spare=3),
    Column("QUEUES", cut=True, spare=1), Column("VERSION", spare=2),
]  # fmt: skip


def _worker_row(one: WorkerReport, server: str, runs: int) -> list[str]:
    state = "live" if one.live else f"silent {one.age} s"
    return [
        server, one.name, state, str(runs), str(one.concurrency), one.pool,
        ", ".join(sorted(one.queues)), one.version,
    ]  # fmt: skip


def as_lines(texts: Sequence[Text]) -> list[str]:
    """Without colours."""
    return [text.plain.rstrip() for text in texts]
