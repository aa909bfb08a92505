"""Any sequence of transitions: the Lua scripts on a real server against a model in Python.

Hypothesis picks the transitions, among them duplicates, stale tokens, lost messages and lost
workers, joins, staged emissions and jobs that start jobs, and compares every answer and all of what
is stored after each.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from flowforge.store.server.link import ServerLink
from flowforge.store.transitions import keyed_submission
from tests.contract.finale import Finale
from tests.contract.machine import Transitions
from tests.contract.reference import calling


class Undoing(Finale):
    """All jobs can be undone, and of the transitions there are those that matter for that."""

    all_undoable = True


#: Transitions that have little to do with it.
_LEFT_OUT = (
    "find", "label", "keep_a_line", "keep_an_input", "delete_what_goes_on", "stage",
    "stage_from_threads", "lose_staged", "view", "break_at", "clear_break", "step", "go_on",
    "pause_a_queue", "resume_a_queue", "answer_anything", "come_due", "fork", "resend", "give_back",
)  # fmt: skip
for name in _LEFT_OUT:
    setattr(Undoing, name, None)


@pytest.fixture
def link(real: ServerLink, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_CALLS", "MOST_WAITING"):
        monkeypatch.setattr(keyed_submission, name, getattr(calling, name))
    Transitions.link = real


def play(machine: type[Transitions], examples: int, steps: int) -> None:
    """Play so many games of so many transitions, always the same ones."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            report_multiple_bugs=False,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("link")
@pytest.mark.timeout(600)
def test_any_sequence_of_transitions() -> None:
    """Scripts and model agree on every answer and on everything that is stored."""
    play(Finale, examples=250, steps=50)


@pytest.mark.usefixtures("link")
@pytest.mark.timeout(600)
def test_any_sequence_of_undoing() -> None:
    """What a job has committed is compensated once each, the latest first, whatever happens."""
    play(Undoing, examples=60, steps=30)
