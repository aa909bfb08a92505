"""What the counts of a job's work are called, on pages and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Where the name of a count is no word.
_WORDS = {
    "timers": "on a timer",
    "stopped": "at a breakpoint",
    "expected": "for an answer",
    "at_limits": "at a limit",
}


def count_words(counts: Mapping[str, int], number: Callable[[int], str] = str) -> str:
    """``2 queued, 1 on a timer``: what is not zero; empty without any."""
    return ", ".join(
        f"{number(count)} {_WORDS.get(name, name)}" for name, count in counts.items() if count
    )
