"""Control of a job, and what users write to it."""

from __future__ import annotations

import secrets
from typing import Any

from flowforge.codec.binary import pack_record
from flowforge.store.link import Argument
from flowforge.store.runner import ScriptRunner


class JobControl:
    """Each method is one script, which whoever holds the job's handle may run."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def pause(self, job_id: str, reason: str, checkpoint: Any, has_checkpoint: bool) -> str:
        """``ok``, ``gone`` or the terminal status that forbids it."""
        packed = pack_record(checkpoint) if has_checkpoint else b""
        point = pack_record(reason, has_checkpoint, checkpoint)
        return self._request("pause", job_id, reason, packed, point)

    def resume(self, job_id: str) -> str:
        """``ok``, ``gone`` or the status that is not ``paused``."""
        return self._request("resume", job_id, 0)

    def retry(self, job_id: str) -> str:
        """``ok``, ``gone``, ``undefined``, ``orphaned`` (the job that started it was cancelled) or
        the status that is not ``failed``.
        """
        return self._request("resume", job_id, 1)

    def cancel(self, job_id: str, reason: str) -> str:
        """``ok``, ``gone`` or the terminal status that forbids it."""
        return self._request("cancel", job_id, reason, pack_record(reason))

    def note(self, job_id: str, record: bytes) -> str:
        """Add a note of the user's own to the history: ``ok``, ``gone``, ``newer``."""
        return self._request("note", job_id, record)

    def annotate(self, job_id: str, data: dict[str, bytes]) -> str:
        """Keep data of the user's own by ``<routine id>\\0<name>``: ``ok``, ``gone``, ``newer``."""
        pairs = [part for pair in data.items() for part in pair]
        return str(self._scripts.run("annotate", job_id, *pairs).decode())

    def _request(self, name: str, *arguments: Argument) -> str:
        # The link sends a request again when its reply is lost: it is told by its number.
        return str(self._scripts.run(name, *arguments, secrets.token_hex(8)).decode())
