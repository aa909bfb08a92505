"""The layers of a flow: each edge leads down, but for those that close a cycle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowforge.cli.drawing.layers import layers


def test_a_diamond_with_a_shortcut() -> None:
    """A routine stands below all that lead to it."""
    found = layers(4, [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)])
    assert found.of == [0, 1, 1, 2]
    assert not found.back


def test_a_way_back_is_no_reason_to_stand_lower() -> None:
    found = layers(3, [(0, 1), (1, 2), (2, 0), (1, 1)])
    assert found.of == [0, 1, 2]
    assert found.back == {(2, 0), (1, 1)}


def test_a_long_chain_needs_no_deep_stack() -> None:
    found = layers(5000, [(n, n + 1) for n in range(4999)])
    assert found.of[-1] == 4999


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_whatever_is_no_way_back_leads_down(edges: list[tuple[int, int]]) -> None:
    found = layers(10, edges)
    assert found.back <= set(edges)
    assert all(found.of[a] < found.of[b] for a, b in edges if (a, b) not in found.back)
