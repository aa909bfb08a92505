"""Reading what is kept of bulk operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flowforge.errors import CorruptRecordError
from flowforge.model.jobs.bulk import BulkInfo, BulkProgress, BulkRefusal, refusal_text
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store

_REFUSED, _SAMPLE = "refused ", "sample "


class Bulks:
    """The bulk operations of one fleet, those that run and those that have ended lately."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def find(self, bulk_id: str) -> BulkInfo | None:
        """One of them; None when there is none."""
        reply = self._link.call("HGETALL", self._keys.of("bulk", bulk_id))
        return _info(bulk_id, reply) if reply else None

    def recent(self, most: int) -> Iterator[BulkInfo | CorruptRecordError]:
        """The latest first; of an unreadable one the error."""
        found = self._link.call("ZRANGE", self._keys.of("bulks"), 0, most - 1, "REV")
        for raw in found if most else ():
            bulk_id = raw.decode(errors="backslashreplace")
            try:
                info = self.find(bulk_id)
            except CorruptRecordError as error:
                yield error
            else:
                if info is not None:
                    yield info


def _info(bulk_id: str, reply: list[Any]) -> BulkInfo:
    with reading(f"the bulk operation {bulk_id}"):
        record = {k.decode(): v for k, v in zip(reply[::2], reply[1::2], strict=True)}
        labels = [line.partition("=") for line in record["labels"].decode().split("\n") if line]
        return BulkInfo(
            bulk_id=bulk_id,
            action=record["action"].decode(),
            selection=record["selection"].decode(),
            reason=record["reason"].decode(),
            by=record["by"].decode(),
            created_at=moment(record["created"]),
            ended_at=moment(record["ended"]) if "ended" in record else None,
            rate=float(record["rate"]) if record["rate"] else None,
            labels={name: value or None for name, _, value in labels},
            aborted_by=record["aborted_by"].decode() if "aborted_by" in record else None,
            progress=_progress(record),
        )


def _progress(record: dict[str, bytes]) -> BulkProgress:
    refusals = [
        BulkRefusal(
            refusal_text(word := name.removeprefix(_REFUSED)),
            whole(count),
            record.get(_SAMPLE + word, b"").decode().split(),
        )
        for name, count in record.items()
        if name.startswith(_REFUSED)
    ]
    refusals.sort(key=lambda one: (-one.count, one.reason))
    matched, done = whole(record["matched"]), whole(record.get("done", b"0"))
    refused = sum(one.count for one in refusals)
    return BulkProgress(
        record["status"].decode(),
        matched,
        done,
        refused,
        matched - done - refused,
        refusals,
        record.get("taken", b"").decode().split(),
    )
