"""Jobs that start with copies of another one's deliveries, and the params that are kept for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import FORK, Answer
from flowforge.store.transitions.submission import Submission

#: Bytes of the params of one invocation up to which they are kept after its end, of all of a job,
#: and how many invocations of a job: what the server frees at once when the job expires.
KEPT_INPUT = 64 * 1024
KEPT_BYTES = 16 * 1024 * 1024
KEPT_INPUTS = 10_000


class Copy(NamedTuple):
    """A delivery that a fork starts with. ``edit``: packed, for the history; empty: as it was."""

    routine: int
    slot: int
    mode: str
    record: bytes
    edit: bytes = b""


class Forking:
    """Each method is one script. Operators run the first one, workers the second one."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def fork(
        self, common: Submission, origin: str, job_id: str, labels: str, told: bytes, own: bytes,
        copies: Sequence[Copy],
    ) -> Answer:  # fmt: skip
        """Create a job: OK, or why not: GONE, NEWER, UNDEFINED. A job of this id is left alone.

        ``told``, ``own``: packed, for the history of the origin and of the new job.
        """
        arguments: list[Argument] = [*common.arguments(), origin, job_id, labels, told, own]
        for copy in copies:
            arguments += copy
        return FORK[self._scripts.run("fork", *arguments)]

    def keep_input(self, job_id: str, invocation: str, record: bytes) -> bool:
        """Keep the params of an invocation, without secret ones; whether the job has room."""
        if len(record) > KEPT_INPUT:
            return False
        return bool(
            self._scripts.run("keep_input", job_id, invocation, record, KEPT_BYTES, KEPT_INPUTS)
        )
