"""Timers: one table of kinds reads every member that a script writes, and nothing else."""

from __future__ import annotations

import pytest

from tests.contract.bench import Bench
from tests.contract.timer_members import parsed

#: A member of each kind, and what it is about.
MEMBERS = {
    "id/1.0.0": ("invocation", "1.0.0"),
    "id/3.0.1.2": ("invocation", "3.0.1.2"),
    "id/2.0.99999": ("invocation", "2.0.99999"),
    "id/join/4 1.0/": ("join", "4 1.0/"),
    "id/join/4 1.0/a/b c": ("join", "4 1.0/a/b c"),
    "id/children/0": ("children", "0"),
    "id/retry/parent/2.0.99999": ("retry", "parent/2.0.99999"),
}

#: Kinds that are about the job alone.
PLAIN = ("late", "more", "look")


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_is_read_by_its_kind(bench: Bench, member: str) -> None:
    """Job, kind and what the timer is about come back."""
    assert parsed(bench, [member]) == [("id", *MEMBERS[member])]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_member_may_be_about_the_job_alone(bench: Bench, kind: str) -> None:
    """Nothing stands behind the kind."""
    ((job, found, _),) = parsed(bench, [f"id/{kind}"])
    assert (job, found) == ("id", kind)


@pytest.mark.parametrize(
    "member",
    [
        "id", "id/", "/look", "id/nothing", "id/look/", "id/more/1", "id/late/1", "id/join/4",
        "id/join/4 1/", "id/children/", "id/children/x", "id/retry/2.0.99999", "id/retry/p/x",
        "id/invocation/1.0.0", "id/1.0", "id/1.0.0/t",
    ],
)  # fmt: skip
def test_what_no_script_writes_is_no_timer(bench: Bench, member: str) -> None:
    """Such members are damage."""
    assert parsed(bench, [member]) == [()]
