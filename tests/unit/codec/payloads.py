"""Values that a payload may hold, as hypothesis makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30))]) | st.timezones()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
hashable = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=8)
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.decimals(allow_nan=False)
    | st.uuids()
)
hashable_trees = st.recursive(hashable, lambda inner: st.tuples(inner, inner), max_leaves=4)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(hashable_trees, max_size=3)
        | st.dictionaries(hashable_trees, inner, max_size=3)
    ),
    max_leaves=12,
)
payloads = st.dictionaries(texts, values, max_size=4)


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    if isinstance(one, datetime):
        return (one.replace(tzinfo=None), one.fold, str(one.tzinfo)) == (
            other.replace(tzinfo=None), other.fold, str(other.tzinfo),
        )  # fmt: skip
    return bool(one == other)
