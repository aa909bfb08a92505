"""What users keep with a job: data with a routine, and notes in the history."""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import encode_payload, pack_record, packb
from flowforge.common.bounded_repr import shown
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError, PayloadError
from flowforge.model.jobs.status import RoutineStatus
from flowforge.store.job_reads.routine_states import FLOWFORGE_KEPT


def check_routine_data(routine_id: str, data: dict[str, Any]) -> None:
    """ValueError for what FlowForge keeps itself, and for a ``status`` that is none."""
    where = f"state of {routine_id!r}"
    _check_dict(where, data)
    refused = sorted(FLOWFORGE_KEPT & set(data))
    if refused:
        raise InvalidValueError(
            f"{where}: {', '.join(refused)} is kept by FlowForge itself; choose another name"
        )
    status = data.get("status", RoutineStatus.PENDING)
    if status not in list(RoutineStatus):
        known = ", ".join(RoutineStatus)
        raise InvalidValueError(f"{where}: unknown status {shown(status)}; known: {known}")


def pack_routine_data(routine_id: str, data: dict[str, Any], limit: int) -> dict[str, bytes]:
    """The data as it is stored, by name; PayloadError when it has more than ``limit`` bytes."""
    encode_payload(data, limit, f"state of {routine_id!r}")
    return {f"{routine_id}\x00{name}": packb(value) for name, value in data.items()}


def check_note(event_name: str, data: dict[str, Any]) -> None:
    """PayloadError for data that are no dict with text keys, ValueError for a name that is none."""
    _check_dict("data of record_execution", data)
    checked_text("event_name of record_execution", event_name)


def pack_note(routine_id: str, event_name: str, data: dict[str, Any], limit: int) -> bytes:
    """The note as it is stored; PayloadError when its data have more than ``limit`` bytes."""
    encode_payload(data, limit, "record_execution")
    return pack_record(routine_id, event_name, data)


def _check_dict(where: str, data: object) -> None:
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise PayloadError(f"{where} must be a dict with text keys, not {shown(data)}")
