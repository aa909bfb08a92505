"""What handlers have logged, as it is kept with their jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_handle import LogLine
from flowforge.store.reading import moment, reading, typed
from flowforge.store.runner import ScriptRunner


class Line(NamedTuple):
    """A line to keep. ``packed``: of ``pack_line``."""

    job_id: str
    invocation: str
    packed: bytes


def pack_line(
    at_ms: int, level: str, logger: str, message: str, exception: str, attempt: int, worker: str
) -> bytes:
    """A line as it is stored. The texts are valid UTF-8; ``exception``: empty without one."""
    return pack_record(at_ms, level, logger, message, exception, attempt, worker)


def read_line(raw: list[Any], definition: Definition, job_id: str) -> LogLine:
    """An entry of the job's stream; CorruptRecordError when it cannot be read."""
    entry_id = raw[0].decode()
    what = f"log line {entry_id} of job {job_id}"
    with reading(what):
        pairs = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
        named = InvocationName.parse(pairs[b"t"].decode())
        at_ms, *texts, attempt, worker = unpack_record(pairs[b"p"], what, 7)
        level, logger, message, exception = (typed(text, str) for text in texts)
        routine_id, slot = definition.place_of(named)
        return LogLine(
            entry_id, moment(typed(at_ms, int)), level, logger, message, exception or None,
            named.number, routine_id, slot, typed(attempt, int), typed(worker, str),
        )  # fmt: skip


class LogLines:
    """Keeps lines with their jobs."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def keep(self, writer: str, batch: int, most: int, lines: Sequence[Line]) -> int:
        """Keep lines, of each job about ``most`` at most, the latest: how many were kept.

        Lines of jobs that are gone are not. ``writer``: a process; ``batch`` numbers its batches
        from 1. One that is sent again is kept once.
        """
        parts = [part for line in lines for part in line]
        kept: int = self._scripts.run("keep_lines", writer, batch, most, *parts)
        return kept
