"""A job as JSON: what ``JobState.serialize`` returns, and a file that holds it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flowforge.codec.jsonable import from_jsonable, to_jsonable
from flowforge.common.bounded_repr import shown
from flowforge.errors import RecordError

#: Version of the snapshot.
VERSION = 1


def encode(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The snapshot as JSON-able data, with the version."""
    encoded: dict[str, Any] = to_jsonable(snapshot)
    return {"version": VERSION, **encoded}


def decode(data: Any) -> dict[str, Any]:
    """The snapshot of such data; RecordError when it is none, or of a newer release."""
    if not isinstance(data, dict) or not isinstance(data.get("job_id"), str):
        raise RecordError("this is no snapshot of a job: it has no job_id")
    if data.get("version", 0) > VERSION:
        raise RecordError(
            f"the snapshot has version {shown(data['version'])}, this process reads up to "
            f"{VERSION}: upgrade FlowForge here"
        )
    snapshot: dict[str, Any] = from_jsonable({k: v for k, v in data.items() if k != "version"})
    return snapshot


def write(path: str | os.PathLike[str], data: dict[str, Any]) -> None:
    """Write the data as JSON; folders that are missing are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(data, indent=1), encoding="utf-8")


def read(path: str | os.PathLike[str]) -> Any:
    """The data of a file; RecordError when it holds no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{os.fspath(path)} is no snapshot of a job: {error}") from error
