"""The stream of what people did: bounded, by time, and readable when an entry is damaged."""

from __future__ import annotations

import pytest

from flowforge.errors import RecordError
from flowforge.model.jobs.audit import AuditEntry, AuditRecord
from flowforge.store.fleet_reads import audit
from flowforge.store.fleet_reads.audit import AuditStream
from flowforge.store.server.link import Argument
from tests.contract.bench import Bench


def record(number: int) -> AuditRecord:
    return AuditRecord("kim", "dashboard", "pause", job_ids=(f"j{number}",), reason="look")


def names(stream: AuditStream) -> list[str]:
    return [one.record.job_ids[0] for one in stream.newest() if isinstance(one, AuditEntry)]


def test_an_entry_is_what_was_told(bench: Bench) -> None:
    """With its time and its server; long texts are cut, and so are long lists of jobs."""
    stream = AuditStream(bench.store)
    many = tuple(f"j{n}" for n in range(200))
    stream.add(AuditRecord("x" * 900, "dashboard", "pause", job_ids=many, what="y" * 900, count=3))
    (entry,) = stream.newest()
    assert isinstance(entry, AuditEntry)
    assert entry.server == bench.store.server_name
    assert entry.at.tzinfo is not None
    told = entry.record
    assert (len(told.by), len(told.what), len(told.job_ids), told.count) == (500, 500, 50, 3)


def test_an_entry_that_is_sent_again_is_kept_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link does so when it does not hear of the first; what is done twice is kept twice."""
    send = bench.link.call

    def twice(*command: Argument) -> object:
        send(*command)
        return send(*command)

    stream = AuditStream(bench.store)
    bench.link.call("XADD", bench.key("audit"), "*", "r", "of an earlier release")
    with monkeypatch.context() as lossy:
        lossy.setattr(bench.link, "call", twice)
        stream.add(record(1))
        stream.add(record(1))
    assert names(stream) == ["j1", "j1"]


def test_the_oldest_go_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT_ENTRIES", 100)
    stream = AuditStream(bench.store)
    for number in range(500):
        stream.add(record(number))
    left = names(stream)
    assert 100 <= len(left) < 300
    assert left[0] == "j499"


def test_it_is_read_in_pieces(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once: backwards from the end or an entry, and forwards behind one."""
    monkeypatch.setattr(audit, "_PAGE", 3)
    stream = AuditStream(bench.store)
    for number in range(10):
        stream.add(record(number))
    assert names(stream) == [f"j{n}" for n in range(9, -1, -1)]
    entries = [one for one in stream.newest() if isinstance(one, AuditEntry)]
    rest = [one for one in stream.newest(entries[7].id) if isinstance(one, AuditEntry)]
    assert rest == entries[7:]
    found, place = stream.behind(entries[4].id)
    assert found == entries[1:4][::-1]
    assert stream.behind(place) == ([entries[0]], entries[0].id)
    assert stream.behind(entries[0].id) == ([], entries[0].id)


@pytest.mark.parametrize("fields", [{"r": b"\x00"}, {"x": b"1"}, {"r": b"\x92\x01\x01"}])
def test_a_damaged_entry_is_an_error(bench: Bench, fields: dict[str, bytes]) -> None:
    """Those beside it are read, and a follower gets past it."""
    stream = AuditStream(bench.store)
    stream.add(record(1))
    pairs = [part for pair in fields.items() for part in pair]
    bench.link.call("XADD", bench.keys.of("audit"), "*", *pairs)
    stream.add(record(2))
    first, damaged, last = stream.newest()
    assert isinstance(damaged, RecordError)
    assert isinstance(first, AuditEntry)
    assert isinstance(last, AuditEntry)
    assert len(stream.behind(last.id)[0]) == 2


def test_what_cannot_travel_is_kept_escaped(bench: Bench) -> None:
    """A byte of a command line that is no UTF-8 does not lose the entry."""
    stream = AuditStream(bench.store)
    stream.add(AuditRecord("kim", "cli", "cancel", job_ids=("j\udcff",), reason="\udcff late"))
    (entry,) = stream.newest()
    assert isinstance(entry, AuditEntry)
    assert entry.record.reason == "\\udcff late"
    assert entry.record.job_ids == ("j\\udcff",)
