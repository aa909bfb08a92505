"""Judging the condition of a breakpoint: whether an invocation is to stop there."""

from __future__ import annotations

from flowforge.codec.binary import read_invocation
from flowforge.store.transitions.breakpoints import read_condition


def fulfils(record: bytes, condition: bytes) -> bool:
    """Whether the params of an invocation fulfil a condition. False for what cannot be read: the
    attempt itself finds out about its params.
    """
    try:
        _, params = read_invocation(record, "an invocation")
        return read_condition(condition).holds(params)
    except Exception:  # noqa: BLE001 - a breakpoint must not stop a worker
        return False
