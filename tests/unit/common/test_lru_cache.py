"""A cache that keeps what is in use."""

from __future__ import annotations

from flowforge.common.lru_cache import Recent


def test_what_is_used_all_the_time_stays() -> None:
    """However many others come and go."""
    cache: Recent[str, int] = Recent(3)
    cache.add("hot", 0)
    for number in range(100):
        cache.add(f"cold {number}", number)
        assert cache.get("hot") == 0
    assert len(cache) == 3
    assert cache.get("cold 98") == 98
    assert cache.get("cold 97") is None


def test_the_least_recently_used_goes_first() -> None:
    """A look counts as a use, also one at what was added first."""
    cache: Recent[str, int] = Recent(2)
    cache.add("a", 1)
    cache.add("b", 2)
    assert cache.get("a") == 1
    cache.add("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_the_first_of_two_that_come_together_is_kept() -> None:
    """Both then use the same object: what one sets up, the other need not."""
    cache: Recent[str, object] = Recent(2)
    first = object()
    assert cache.add("a", first) is first
    assert cache.add("a", object()) is first
