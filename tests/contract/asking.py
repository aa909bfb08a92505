"""Jobs of the bench that expect answers, and answering them."""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import pack_record
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.expectations import Delivery
from tests.contract.bench import Bench, record

HOUR = 3_600_000
DETAILS = pack_record("kim", {})


def expected(
    key: str = "", *, slot: int = 1, within: int = 0, remind: int = 0, first: int = 1,
    last: int | None = None, otherwise: bytes = b"", any_otherwise: bool | None = None,
    mode: str = "", assign: str = "", form: str = "", schema: str = "", token: str = "",
    trace: bytes = b"",
) -> tuple[Argument, ...]:  # fmt: skip
    """What a commit is given of one expectation, of routine 0."""
    given = bool(otherwise) if any_otherwise is None else any_otherwise
    return (
        slot, key, within, remind, first, first if last is None else last, int(given), otherwise,
        mode, assign, form, schema, token, "r0", "r0.s1", pack_record({"key": key, "assign": []}),
        trace,
    )  # fmt: skip


def expecting(bench: Bench, *wanted: tuple[Argument, ...], joins: str = "", **changes: Any) -> str:
    """A job whose first invocation has committed and expects these answers, or one."""
    job = bench.submit(joins=joins, **changes)
    bench.start(job)
    assert bench.commit(job, expected=wanted or (expected(),)) is Answer.OK
    return job


def answer(
    bench: Bench, job: str, key: str = "", *, slot: int = 1, number: int | None = None,
    by: str = "kim", delivery_id: str = "", mode: str = "", **params: Any,
) -> Delivery:  # fmt: skip
    return bench.store.expectations.deliver(
        job, (0, slot), key, number, mode, record(0, **params), by, delivery_id, DETAILS
    )


def finish(bench: Bench, job: str, *invocations: str) -> None:
    for invocation in invocations:
        bench.start(job, invocation)
        assert bench.commit(job, invocation) is Answer.OK


def shared(bench: Bench) -> tuple[set[str], set[str]]:
    """What all jobs share of expectations: members of the index, and timers."""
    return set(bench.members("open_expectations")), set(bench.members("timers"))
