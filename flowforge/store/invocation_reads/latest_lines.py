"""The latest lines that handlers of a job have logged: a bounded look, however many are kept."""

from __future__ import annotations

from flowforge.model.definition import Definition
from flowforge.model.jobs.job_handle import LogLine
from flowforge.store.invocation_reads.invocation_looks import name_in
from flowforge.store.store import Store
from flowforge.store.transitions.log_lines import read_line

#: Lines that one command reads, and commands of one look.
_PAGE = 500
_PAGES = 20


def latest_lines(
    store: Store, job_id: str, definition: Definition, most: int, number: int | None = None
) -> list[LogLine]:
    """The latest lines of a job, oldest first; of one of its invocations, by its number."""
    key, end, found = store.keys.of("logs", job_id), "+", list[LogLine]()
    own = b"" if number is None else f"{number}.".encode()
    page = most if number is None else _PAGE
    for _ in range(_PAGES):
        raws = store.link.call("XREVRANGE", key, end, "-", "COUNT", page)
        own_ones = [raw for raw in raws if name_in(raw).startswith(own)]
        found += [read_line(raw, definition, job_id) for raw in own_ones[: most - len(found)]]
        if len(raws) < page or len(found) >= most:
            break
        end = f"({raws[-1][0].decode()}"
    return found[::-1]
