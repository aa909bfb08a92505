"""How often a fleet is looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest

from flowforge.engine.fleet.look_pace import LookPace
from flowforge.store.server.link import Argument, ServerLink


@pytest.mark.parametrize(("took", "delay"), [(0.0, 1.0), (0.05, 1.0), (0.5, 5.0), (60.0, 15.0)])
def test_a_slow_server_is_looked_at_less_often(
    monkeypatch: pytest.MonkeyPatch, took: float, delay: float
) -> None:
    """Ten times as long as a look took, from one second to fifteen."""
    clock = iter([100.0, 100.0 + took])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    pace = LookPace([])
    pace.begin()
    pace.end()
    assert pace.delay == pytest.approx(delay)


class _Silent:
    """A link that sends nothing."""

    def call(self, *command: Argument) -> Any:
        """No reply."""

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return []


@pytest.mark.parametrize(("commands", "delay"), [(400, 1.0), (4000, 8.0), (100_000, 15.0)])
def test_looks_that_send_many_commands_are_further_apart(commands: int, delay: float) -> None:
    """About 500 a second, as a search for words that few jobs have would send thousands."""
    link = cast(ServerLink, _Silent())
    pace = LookPace([link])
    pace.begin()
    link.many([("PING",)] * commands)
    pace.end()
    assert pace.delay == pytest.approx(delay)
    assert pace.commands_a_second == pytest.approx(commands / delay, rel=0.05)
