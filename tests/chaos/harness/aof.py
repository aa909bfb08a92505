"""Cutting the server's append-only file as a crash of its machine would."""

from __future__ import annotations

from pathlib import Path


def boundaries(data: bytes) -> list[int]:
    """Offsets behind each complete record of an append-only file, the first being 0."""
    found = [0]
    at = 0
    while at < len(data):
        end = _end_of_record(data, at)
        if end is None:
            break
        found.append(end)
        at = end
    return found


def cut_tail(directory: Path, most: float, share: float) -> tuple[int, int]:
    """Cut the newest log at a record, within the last `most` of its records.

    ``share`` (0 to 1) picks the place. Returns how many records were cut and how many there were.
    """
    newest = max(directory.glob("appendonlydir/*.incr.aof"), key=lambda p: p.stat().st_mtime)
    data = newest.read_bytes()
    marks = boundaries(data)
    records = len(marks) - 1
    cut = round(records * most * share)
    with newest.open("r+b") as file:
        file.truncate(marks[records - cut])
    return cut, records


def _end_of_record(data: bytes, at: int) -> int | None:
    """Behind the record at `at`: a RESP array of bulk strings, or an annotation line."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    if data[at : at + 1] == b"#":
        return line + 2
    if data[at : at + 1] != b"*":
        raise ValueError(f"no record of an append-only file at {at}: {data[at : at + 20]!r}")
    end = line + 2
    for _ in range(int(data[at + 1 : line])):
        line = data.find(b"\r\n", end)
        if line < 0:
            return None
        end = line + 2 + int(data[end + 1 : line]) + 2
        if end > len(data):
            return None
    return end
