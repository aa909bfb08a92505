"""Control of a job, and what users write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.codec.binary import pack_record
from flowforge.model.jobs.labels import MOST_LABELS
from flowforge.store.history import pause_record, who_and_why
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import (
    ANNOTATE,
    CANCEL,
    DELETE_JOB,
    LABEL,
    NOTE,
    PAUSE,
    RESUME,
    Answer,
    AnswerOrStatus,
)


class JobControl:
    """Each method is one script. Producers, handlers and workers run them."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def pause(
        self, job_id: str, reason: str, checkpoint: Any, has_checkpoint: bool, by: str = ""
    ) -> AnswerOrStatus:
        """OK, or why not: GONE, NEWER, the status of a job that has ended."""
        packed = pack_record(checkpoint) if has_checkpoint else b""
        point = pause_record(by, reason, has_checkpoint, checkpoint)
        return PAUSE[self._request("pause", job_id, by, reason, packed, point)]

    def resume(self, job_id: str, by: str = "", reason: str = "") -> AnswerOrStatus:
        """OK, or why not: GONE, NEWER, UNDEFINED, the status that is not ``paused``."""
        return RESUME[self._request("resume", job_id, 0, who_and_why(by, reason), "")]

    def retry(
        self, job_id: str, by: str = "", reason: str = "", finish_ms: int = 0,
        edited: Mapping[str, bytes] | None = None,
    ) -> AnswerOrStatus:  # fmt: skip
        """``finish_ms``: in which it is to finish; 0: a deadline that has not passed holds on.
        ``edited``: records that invocations must still have.

        OK, or why not: GONE, NEWER, UNDEFINED, ORPHANED, UNDONE, CHANGED, the status that is not
        ``failed``.
        """
        records = [part for one in (edited or {}).items() for part in one]
        reply = self._scripts.run(
            "resume", job_id, 1, who_and_why(by, reason), finish_ms or "", new_request(), *records
        )
        return RESUME[reply]

    def cancel(self, job_id: str, reason: str, by: str = "", undo: bool = False) -> AnswerOrStatus:
        """OK, or why not: GONE, NEWER, UNDOES, the status of a job that has ended.

        ``undo``: what its invocations have committed is compensated.
        """
        details = who_and_why(by, reason)
        return CANCEL[self._request("cancel", job_id, by, reason, details, int(undo))]

    def note(self, job_id: str, record: bytes) -> Answer:
        """Add a note of the user's own to the history. OK, or why not: GONE, NEWER."""
        return NOTE[self._request("note", job_id, record)]

    def annotate(self, job_id: str, data: dict[str, bytes]) -> Answer:
        """Keep data of the user's own by ``<routine id>\\0<name>``. Answers as ``note``."""
        pairs = [part for pair in data.items() for part in pair]
        return ANNOTATE[self._scripts.run("annotate", job_id, *pairs)]

    def delete(self, job_id: str) -> AnswerOrStatus:
        """OK, or why not: GONE, NEWER, AWAITED, UNDOING, the status of a job that has not ended."""
        return DELETE_JOB[self._scripts.run("delete_job", job_id)]

    def label(self, job_id: str, changes: dict[str, str]) -> Answer:
        """Change labels; an empty value takes one away. OK, or why not: GONE, NEWER, FULL."""
        pairs = [part for pair in changes.items() for part in pair]
        return LABEL[self._scripts.run("label", job_id, MOST_LABELS, *pairs)]

    def _request(self, name: str, *arguments: Argument) -> bytes:
        reply: bytes = self._scripts.run(name, *arguments, new_request())
        return reply
