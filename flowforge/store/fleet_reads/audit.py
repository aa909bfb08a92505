"""The stream of what people did, on one server: bounded, the oldest entries go first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.model.jobs.audit import AuditEntry, AuditRecord
from flowforge.store.reading import moment, reading, typed, whole
from flowforge.store.store import Store

#: Entries that are kept, a few more at times: about 3 MB.
KEPT_ENTRIES = 10_000

#: Entries that are read at once.
_PAGE = 500

#: Characters of each text, and jobs that an entry names.
_TEXT, _JOBS = 500, 50


class AuditStream:
    """The entries of one fleet's server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._key = store.keys.of("audit")

    def add(self, record: AuditRecord) -> None:
        """Append an entry; the server gives it its time."""
        packed = pack_record(
            *map(_kept, _texts(record)),
            [_kept(job_id) for job_id in record.job_ids[:_JOBS]],
            record.count,
        )
        # The link sends an entry again when its reply is lost: the number shows that it is.
        self._store.scripts.run("audit", packed, KEPT_ENTRIES, secrets.token_bytes(8))

    def newest(self, before: str = "+") -> Iterator[AuditEntry | RecordError]:
        """The newest first, from the entry ``before`` on, that one too; of an unreadable one the
        error.
        """
        end = before
        while True:
            reply = self._link.call("XREVRANGE", self._key, end, "-", "COUNT", _PAGE)
            for entry in reply:
                yield self._entry(entry)
            if len(reply) < _PAGE:
                return
            end = f"({reply[-1][0].decode()}"

    def behind(self, place: str) -> tuple[list[AuditEntry | RecordError], str]:
        """The entries behind a place, the oldest first, at most a page, and the next place."""
        reply = self._link.call("XRANGE", self._key, f"({place}", "+", "COUNT", _PAGE)
        return [self._entry(entry) for entry in reply], reply[-1][0].decode() if reply else place

    def _entry(self, entry: Any) -> AuditEntry | RecordError:
        entry_id = entry[0].decode(errors="backslashreplace")
        try:
            return _read(entry_id, self._store.server_name, entry[1])
        except RecordError as error:
            return error


def _texts(record: AuditRecord) -> tuple[str, ...]:
    return (
        record.by, record.via, record.action, record.outcome, record.role, record.reason,
        record.what,
    )  # fmt: skip


def _read(entry_id: str, server: str, fields: Any) -> AuditEntry:
    what = f"the audit entry {entry_id}"
    with reading(what):
        packed = dict(zip(fields[::2], fields[1::2], strict=True))[b"r"]
        *texts, job_ids, count = unpack_record(packed, what, 9)
        by, via, action, outcome, role, reason, words = (typed(one, str) for one in texts)
        named = tuple(typed(one, str) for one in typed(job_ids, list))
        record = AuditRecord(
            by, via, action, outcome, role, named, reason, words, typed(count, int)
        )
        return AuditEntry(entry_id, moment(whole(entry_id.partition("-")[0])), server, record)


def _kept(text: str) -> str:
    """As much of a text as an entry has, without what cannot travel: halves of surrogate pairs."""
    return text[:_TEXT].encode("utf-8", "backslashreplace").decode()
