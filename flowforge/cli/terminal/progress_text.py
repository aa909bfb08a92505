"""The progress of a job as lines: one for each change, or a frame that fits a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from flowforge.cli.terminal.render import local_time, one_line, status_text
from flowforge.common.duration import duration
from flowforge.common.plain_text import clean
from flowforge.common.rate import Rate
from flowforge.model.jobs.job_finding import FindingKind
from flowforge.model.jobs.job_progress import JobProgress, RoutineProgress, Share

#: The narrowest terminal that a frame is fitted to.
_NARROWEST = 40

#: Cells of the bar of a job.
_BAR = 20

#: Lines of a frame beside those of the routines: the job's, the header, and how many are left out.
_AROUND = 6

#: How work that waits for a cause is told.
_CAUSES = {
    FindingKind.QUEUED: "queued",
    FindingKind.TIMER: "on timers",
    FindingKind.BREAKPOINT: "stopped at breakpoints",
    FindingKind.LIMIT: "waiting at limits",
    FindingKind.EXPECTS: "expecting answers",
    FindingKind.CHILD: "waiting for child jobs",
    FindingKind.JOIN: "joins collecting",
    FindingKind.PAUSED: "parked by the pause",
    FindingKind.FAILED: "parked until a retry",
    FindingKind.MAX_IN_FLIGHT: "parked by max_in_flight",
    FindingKind.IN_TURN: "parked behind those queued",
}

#: Outcomes of attempts that are told of a routine.
_OUTCOMES = ("retried", "failed", "error_continued", "skipped", "lost")


class Rates:
    """How fast a job and each of its routines goes on."""

    def __init__(self) -> None:
        self.job = Rate()
        self._routines: dict[str, Rate] = {}

    def add(self, at: float, progress: JobProgress) -> None:
        """The job is so far now. ``at``: seconds of a clock that runs on."""
        self.job.add(at, progress.done)
        for routine in progress.routines:
            self.of(routine.routine_id).add(at, routine.done)

    def of(self, routine_id: str) -> Rate:
        return self._routines.setdefault(routine_id, Rate())


# --- a line for each change ----------------------------------------------------------------


def routine_words(routine: RoutineProgress) -> str:
    """``charge 12/40 30% (2 retried)``; ``40+``: at least so many."""
    percent = "" if routine.percent is None else f" {routine.percent}%"
    notes = _notes(routine, ("running", *_OUTCOMES))
    return one_line(
        f"{routine.routine_id} {_share(routine)}{percent}" + (f" ({notes})" if notes else "")
    )


def _share(routine: RoutineProgress) -> str:
    about = "~" if routine.is_estimate else ""
    return f"{routine.done}/{about}{routine.total}{'' if routine.total_is_final else '+'}"


def _notes(routine: RoutineProgress, names: Sequence[str]) -> str:
    return ", ".join(f"{getattr(routine, name)} {name}" for name in names if getattr(routine, name))


# --- a frame -------------------------------------------------------------------------------


def frame(
    progress: JobProgress, rates: Rates, width: int, height: int, remark: str = ""
) -> list[Text]:
    """Lines of at most ``width`` cells, fewer than ``height`` unless that is very low.

    ``remark``: what to say in place of the time of creation.
    """
    width = max(width, _NARROWEST)
    shown, left_out = _most_telling(progress.routines, max(1, height - _AROUND - 1))
    head = Text(f"job {clean(progress.job_id)}: ").append_text(status_text(progress.status))
    head.append(f"; {remark}" if remark else f", created {local_time(progress.created_at)}")
    lines = [head, Text(_overall(progress, rates.job)), Text(_work(progress)), Text("")]
    lines += _table(shown, rates, width)
    if left_out:
        done = sum(routine.done for routine in left_out)
        lines.append(Text(f"and {len(left_out)} more routines, {done} invocations done"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return lines


def rows_of(lines: Sequence[Text], width: int) -> int:
    """Rows of a terminal of this width that the lines take, once it has folded them."""
    return sum(max(1, -(-cell_len(line.plain) // max(1, width))) for line in lines)


def _overall(progress: JobProgress, rate: Rate) -> str:
    words = []
    if progress.percent is not None:
        full = _BAR * progress.percent // 100
        words.append(f"[{'#' * full}{'-' * (_BAR - full)}] {progress.percent}%")
    least = "" if progress.total_is_final else "at least "
    words.append(f"{progress.done} of {least}{progress.total} invocations")
    if progress.ended_at is None:
        if rate.per_second is not None:
            words.append(_per_second(rate))
        if (left := _left(progress, rate)) is not None:
            words.append(f"{least}{left} left")
    return "  ".join(words)


def _work(progress: JobProgress) -> str:
    words = [f"{progress.running} running"] if progress.running else []
    words += [f"{count} {_CAUSES[FindingKind(kind)]}" for kind, count in progress.waiting.items()]
    if progress.ended_at is not None:
        took = (progress.ended_at - progress.created_at).total_seconds()
        words.insert(0, f"ended {duration(took)} after it was created")
    return ", ".join(words) or "nothing runs or waits"


def _rate(routine: RoutineProgress, rates: Rates) -> Rate:
    """That of a routine; none once it is done."""
    return Rate() if routine.percent == 100 else rates.of(routine.routine_id)


def _per_second(rate: Rate) -> str:
    per_second = rate.per_second
    if per_second is None:
        return "-"
    if per_second >= 1:
        return f"{per_second:.3g}/s" if per_second < 1000 else f"{round(per_second)}/s"
    return f"{60 * per_second:.2g}/min"


def _left(share: Share, rate: Rate) -> str | None:
    """Time until the rest is done; None where nothing is left, or there is no rate."""
    seconds = rate.left(share.total - share.done) if share.total > share.done else None
    if seconds is None:
        return None
    return f"{max(1, round(seconds))} s" if seconds < 60 else duration(seconds)


def _most_telling(
    routines: Sequence[RoutineProgress], most: int
) -> tuple[list[RoutineProgress], list[RoutineProgress]]:
    """As many as there is room for, in the order of the flow, and those that are left out.

    First come those that go on or have failed.
    """
    if len(routines) <= most:
        return list(routines), []
    places = sorted(range(len(routines)), key=lambda place: (-_weight(routines[place]), place))
    chosen = set(places[:most])
    parts: tuple[list[RoutineProgress], list[RoutineProgress]] = ([], [])
    for place, routine in enumerate(routines):
        parts[place not in chosen].append(routine)
    return parts


def _weight(routine: RoutineProgress) -> int:
    return 2 * bool(routine.running or routine.failed) + (routine.done < routine.total)


class _Column(NamedTuple):
    """A column of the table. ``spare``: it may be left out, the highest first; 0: never."""

    name: str
    cells: list[str]
    spare: int = 0

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.name, *self.cells)))


def _table(routines: Sequence[RoutineProgress], rates: Rates, width: int) -> list[Text]:
    """A header and a line for each routine; the names and the notes are cut to fit."""
    rate = [_rate(routine, rates) for routine in routines]
    pairs = list(zip(routines, rate, strict=True))
    numbers = [
        _Column("DONE", [_share(routine) for routine in routines]),
        _Column("%", ["-" if r.percent is None else f"{r.percent}%" for r in routines]),
        _Column("RUNNING", [str(routine.running) for routine in routines], 1),
        _Column("RATE", [_per_second(one) for one in rate], 2),
        _Column("LEFT", [_left_of(routine, one) for routine, one in pairs]),
        _Column("USUAL", [_usual(routine) for routine in routines], 3),
    ]
    names = _Column("ROUTINE", [one_line(routine.routine_id) for routine in routines])
    notes = _Column("", [_notes(routine, _OUTCOMES) for routine in routines])
    room = min(notes.width, 10)
    while _taken(numbers) + min(names.width, 12) + room > width and any(c.spare for c in numbers):
        numbers.remove(max(numbers, key=lambda column: column.spare))
    name_width = max(7, min(names.width, width - _taken(numbers) - room))
    lines = [Text("", style="bold"), *(Text("") for _ in routines)]
    for place, line in enumerate(lines):
        line.append(_fitted((names.name, *names.cells)[place], name_width), _style(routines, place))
        for column in numbers:
            line.append(f"  {(column.name, *column.cells)[place]:>{column.width}}")
        line.append(f"  {('', *notes.cells)[place]}".rstrip())
    return lines


def _taken(numbers: Sequence[_Column]) -> int:
    """Cells of the columns with their gaps, and of the gap before the notes."""
    return sum(column.width + 2 for column in numbers) + 2


def _fitted(text: str, width: int) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, width)


def _style(routines: Sequence[RoutineProgress], place: int) -> str:
    if place == 0:
        return ""
    routine = routines[place - 1]
    if routine.failed:
        return "red"
    if routine.running:
        return "cyan"
    return "green" if routine.percent == 100 else ""


def _left_of(routine: RoutineProgress, rate: Rate) -> str:
    left = _left(routine, rate)
    if left is None:
        return "-"
    return left if routine.total_is_final else f"{left}+"


def _usual(routine: RoutineProgress) -> str:
    return "-" if routine.usual_seconds is None else duration(routine.usual_seconds)
