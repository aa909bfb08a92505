"""The context of a trace as it travels in records."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.tracing.carried import (
    BAGGAGE_LIMIT,
    TRACESTATE_LIMIT,
    Carried,
    pack,
    trace_id_of,
    unpack,
)

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.mark.parametrize(
    ("tracestate", "baggage"), [("", ""), ("vendor=1", ""), ("", "tenant=acme"), ("v=1", "t=a")]
)
def test_a_context_survives_the_trip(tracestate: str, baggage: str) -> None:
    """As W3C's texts."""
    carried = Carried(0xA0, 0xB0, 1, tracestate, baggage)
    packed = pack(carried)
    assert unpack(packed) == carried
    assert trace_id_of(packed) == f"{0xA0:032x}"
    (parent, *_) = msgpack.unpackb(packed)
    assert parent == f"00-{0xA0:032x}-{0xB0:016x}-01"


@pytest.mark.parametrize(
    "fields",
    [
        None, 1, "text", {}, [], [1], [None], [PARENT, 1], [PARENT.upper()], [PARENT + "0"],
        [PARENT.replace("a", "0")], [PARENT.replace("b", "0")], ["01" + PARENT[2:]], [PARENT[:-1]],
        [PARENT.encode()],
    ],
)  # fmt: skip
def test_what_is_no_context_is_none(fields: Any) -> None:
    """Nothing is guessed."""
    assert unpack(msgpack.packb(fields)) is None
    assert trace_id_of(msgpack.packb(fields)) == ""


@given(st.binary(max_size=80))
def test_reading_never_fails(data: bytes) -> None:
    """Whatever stands there."""
    assert unpack(data) is None or len(data) > 30


def test_what_is_too_long_is_left_out() -> None:
    """The trace itself goes on."""
    kept = [PARENT, "s" * TRACESTATE_LIMIT, "b" * BAGGAGE_LIMIT]
    found = unpack(msgpack.packb(kept))
    assert found is not None
    assert [found.tracestate, found.baggage] == kept[1:]
    found = unpack(msgpack.packb([PARENT, kept[1] + "s", kept[2] + "b", "more"]))
    assert found is not None
    assert (found.tracestate, found.baggage, found.span_id) == ("", "", 0xBBBBBBBBBBBBBBBB)
