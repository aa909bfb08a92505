"""Mending a job by hand: its invocations that are parked or on a timer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.execution.effects import Emitted
from flowforge.model.times.start import Start
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.transitions import commit
from flowforge.store.transitions.answers import EDIT, RESCHEDULE, RUN_NOW, SKIP, AnswerOrStatus


class Edit(NamedTuple):
    """An invocation, the record that it was found with, and the one that replaces it."""

    invocation: str
    before: bytes
    record: bytes
    #: Packed, for the history.
    details: bytes


class Mending:
    """Each method is one script, which operators run."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def edit(self, job_id: str, edits: Sequence[Edit]) -> tuple[AnswerOrStatus, str | None]:
        """Make all of the changes or none: OK, or why not and which invocation it is about.

        GONE, NEWER, UNDONE, the status of a job that is completed or cancelled; of an invocation
        DONE, WAITS, QUEUED, CLAIMED, JOIN, CHANGED.
        """
        arguments: list[str | bytes] = []
        for edit in edits:
            arguments += edit
        reply = self._scripts.run("edit", job_id, new_request(), *arguments)
        return EDIT[reply[0]], reply[1].decode() if len(reply) > 1 else None

    def skip(
        self, job_id: str, invocation: str, details: bytes, emitted: Sequence[Emitted],
        outputs: Sequence[bytes],
    ) -> AnswerOrStatus:  # fmt: skip
        """Commit an invocation in a handler's place. OK, or why not: GONE, NEWER, the status of a
        job that is completed or cancelled, DONE, WAITS, QUEUED, CLAIMED.
        """
        reply = self._scripts.run(
            "skip", job_id, invocation, new_request(), details,
            *commit.emitted(emitted), *commit.outputs(outputs),
        )  # fmt: skip
        return SKIP[reply]

    def run_now(self, job_id: str, invocation: str, details: bytes) -> AnswerOrStatus:
        """Let a timer be due. OK, or why not: GONE, NEWER, the status that does not allow it,
        DONE, WAITS, QUEUED, CLAIMED, PARKED, STOPPED.

        An empty ``invocation`` is the one that a job begins with which was put off and has not
        started; NONE for another job.
        """
        return RUN_NOW[self._scripts.run("run_now", job_id, invocation, details, new_request())]

    def reschedule(
        self, job_id: str, invocation: str, start: Start, details: bytes
    ) -> AnswerOrStatus:
        """Change when a timer is due. ``invocation`` and answers: as for ``run_now``, but only a
        job that is completed or cancelled does not allow it.
        """
        reply = self._scripts.run(
            "reschedule", job_id, invocation, start.sign, start.ms, details, new_request()
        )
        return RESCHEDULE[reply]
