"""Any sequence of transitions: the Lua scripts on a real server against a model in Python.

Hypothesis picks the transitions, among them duplicates, stale tokens, lost messages and lost
workers, joins, staged emissions and jobs that start jobs, and compares every answer and all of what
is stored after each.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from flowforge.store import keyed_submission
from flowforge.store.link import ServerLink
from tests.contract.finale import Finale
from tests.contract.machine import Transitions
from tests.contract.reference import calling


@pytest.fixture
def machine(real: ServerLink, monkeypatch: pytest.MonkeyPatch) -> type[Transitions]:
    for name in ("MOST_CALLS", "MOST_WAITING"):
        monkeypatch.setattr(keyed_submission, name, getattr(calling, name))
    Transitions.link = real
    return Finale


@pytest.mark.timeout(300)
def test_any_sequence_of_transitions(machine: type[Transitions]) -> None:
    """Scripts and model agree on every answer and on everything that is stored."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=250,
            stateful_step_count=50,
            report_multiple_bugs=False,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
