"""The state of the screen, and what each key does to it. Knows no terminal and no server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flowforge.cli.fleet_screen import keys
from flowforge.cli.fleet_screen.look import Look, View, Wanted, query_of
from flowforge.common.rate import Rate
from flowforge.engine.jobs.job_actions import JOB_ACTIONS, JobAction
from flowforge.model.jobs.status import JobStatus
from flowforge.store.job_reads.job_rows import JobSummary

_VIEWS = list(View)

#: Rows by which Page Up and Page Down move.
_PAGE = 10


class Act(NamedTuple):
    """Do this to these jobs."""

    action: JobAction
    job_ids: tuple[str, ...]


@dataclass
class Screen:
    """What a person has chosen, and what was read last."""

    view: View = View.JOBS
    search: str = ""
    #: The search while it is typed; the question that waits for y or n.
    typing: str | None = None
    question: Act | None = None
    helping: bool = False
    job_id: str | None = None
    marked: set[str] = field(default_factory=set)
    #: Row of each view, and of the jobs the job on it.
    rows: dict[View, int] = field(default_factory=lambda: dict.fromkeys(View, 0))
    selected: str | None = None
    look: Look | None = None
    message: str = ""
    ended: bool = False
    #: Why there is no answer, and since when on a clock that runs on; when the latest look began.
    problem: str = ""
    away_since: float | None = None
    asked_at: float | None = None
    commands_a_second: float = 0.0
    delay: float = 1.0
    rates: dict[tuple[str, str], Rate] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.view, query_of(self.search), self.job_id)

    @property
    def shown(self) -> Look | None:
        """The latest look, if it is of what is wanted now."""
        return self.look if self.look is not None and self.look.wanted == self.wanted else None

    @property
    def jobs(self) -> Sequence[JobSummary]:
        return [] if self.shown is None else self.shown.jobs

    def see(self, look: Look, at: float) -> None:
        """A look has come; ``at``: seconds of a clock that runs on."""
        self.look, self.problem, self.away_since, self.asked_at = look, "", None, None
        for one in look.routines:
            rate = self.rates.setdefault((one.flow_id, one.routine_id), Rate())
            rate.add(at, one.done + one.failed + one.retried)
        ids = [job.job_id for job in self.jobs]
        if self.selected in ids:
            self.rows[View.JOBS] = ids.index(self.selected)
        self._go(0)

    def fail(self, problem: str, at: float) -> None:
        """A look has failed."""
        self.problem, self.asked_at = problem, None
        self.away_since = self.away_since or at

    # --- keys -----------------------------------------------------------------------------

    def press(self, key: str) -> Act | None:
        """What is to be done now; None where the key has changed this state alone."""
        self.message = ""
        if self.question is not None:
            return self._answer(key)
        if self.typing is not None:
            self._type(key)
        elif self.helping:
            self.helping = False
        elif key in _KEYS:
            _KEYS[key](self)
        elif key in _ACTIONS:
            self._ask(_ACTIONS[key])
        elif key in ("1", "2", "3", "4"):
            self.view, self.job_id = _VIEWS[int(key) - 1], None
        return None

    def _answer(self, key: str) -> Act | None:
        question, self.question = self.question, None
        if key in ("y", "Y"):
            self.marked.clear()
            return question
        self.message = "nothing was done"
        return None

    def _type(self, key: str) -> None:
        typed = self.typing or ""
        if key == keys.ENTER:
            self.search, self.typing = typed.strip(), None
            self.rows[View.JOBS], self.selected = 0, None
        elif key == keys.ESCAPE:
            self.typing = None
        elif key == keys.BACKSPACE:
            self.typing = typed[:-1]
        elif len(key) == 1:
            self.typing = typed + key

    def _go(self, by: int) -> None:
        view, look = self.view, self.shown
        if look is None or self.job_id is not None:
            return
        at = self.rows[view] + by
        self.rows[view] = max(0, min(at, _length(look, view) - 1))
        if view is View.JOBS and self.jobs:
            self.selected = self.jobs[self.rows[view]].job_id

    def _next_failed(self, by: int) -> None:
        failed = [at for at, job in enumerate(self.jobs) if job.status is JobStatus.FAILED]
        here = self.rows[View.JOBS]
        found = [at for at in failed if (at > here if by > 0 else at < here)]
        if self.view is not View.JOBS or not found:
            self.message = "no failed job in this direction; /failed lists all"
            return
        self._go((found[0] if by > 0 else found[-1]) - here)

    def _mark(self) -> None:
        if self.view is View.JOBS and self.job_id is None and self.selected is not None:
            self.marked ^= {self.selected}

    def _open(self) -> None:
        if self.view is View.JOBS and self.selected is not None:
            self.job_id = self.selected

    def _back(self) -> None:
        if self.job_id is not None:
            self.job_id = None
        elif self.marked:
            self.marked.clear()
        else:
            self.search = ""

    def _switch(self) -> None:
        self.view = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        self.job_id = None

    def _start_search(self) -> None:
        self.view, self.job_id, self.typing = View.JOBS, None, self.search

    def _help(self) -> None:
        self.helping = True

    def _quit(self) -> None:
        self.ended = True

    def _ask(self, names: Sequence[str]) -> None:
        jobs = self._chosen()
        for action in (JOB_ACTIONS[name] for name in names):
            fitting = tuple(job.job_id for job in jobs if job.status in action.fits)
            if fitting:
                self.question = Act(action, fitting)
                return
        what = " or ".join(names)
        self.message = f"{what} fits no job that is chosen" if jobs else "no job is chosen"

    def _chosen(self) -> list[JobSummary]:
        """The job that is open; else those that are marked; else the one in the row."""
        if self.job_id is not None:
            job = None if self.shown is None else self.shown.job
            return [] if job is None else [job.summary]
        if self.view is not View.JOBS:
            return []
        marked = [job for job in self.jobs if job.job_id in self.marked]
        return marked or [job for job in self.jobs if job.job_id == self.selected]


def _length(look: Look, view: View) -> int:
    if view is View.JOBS:
        return len(look.jobs)
    if view is View.ROUTINES:
        return len(look.routines)
    parts = [fleet.queues if view is View.QUEUES else fleet.workers for fleet in look.fleets]
    return sum(map(len, parts))


_KEYS = {
    "/": Screen._start_search,
    "j": lambda screen: screen._go(1),
    "k": lambda screen: screen._go(-1),
    keys.DOWN: lambda screen: screen._go(1),
    keys.UP: lambda screen: screen._go(-1),
    keys.PAGE_DOWN: lambda screen: screen._go(_PAGE),
    keys.PAGE_UP: lambda screen: screen._go(-_PAGE),
    "x": Screen._mark,
    "e": Screen._open,
    keys.ENTER: Screen._open,
    keys.ESCAPE: Screen._back,
    keys.TAB: Screen._switch,
    "[": lambda screen: screen._next_failed(-1),
    "]": lambda screen: screen._next_failed(1),
    "?": Screen._help,
    "q": Screen._quit,
}

_ACTIONS = {"p": ("pause",), "r": ("resume", "retry"), "c": ("cancel",)}
