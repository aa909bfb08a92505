"""The two-minute cut: every fault once, at a small scale."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.chaos.harness.arena import environment_scale
from tests.chaos.harness.round import Round, play
from tests.chaos.harness.rounds import discover

ROUNDS = [one for one in discover() if one.cut]


@pytest.mark.parametrize("one", ROUNDS, ids=lambda one: f"{one.row}-{one.name}")
def test_round(one: Round, tmp_path: Path) -> None:
    """The invariants hold after this fault."""
    seed = secrets.randbits(32)
    result = play(one, tmp_path, seed, one.cut * environment_scale())
    print(result.figures)
    again = f"python -m tests.chaos.run --only {one.name} --seed {seed} --scale {result.scale}"
    assert result.passed, "\n".join([*result.violations, f"to repeat: {again}"])
