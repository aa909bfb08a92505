"""The names of invocations, leases and tasks: what is written can be read, and nothing else."""

from __future__ import annotations

import json
import re

import pytest

from flowforge.broker.message import message_template
from flowforge.model import invocation_id
from flowforge.model.invocation_id import InvocationName


@pytest.mark.parametrize(
    ("text", "parts"),
    [("7.2.0", (7, 2, 0, 0)), ("12.0.1.3", (12, 0, 1, 3)), ("1.4.99999", (1, 4, 99_999, 0))],
)
def test_an_invocation_is_parsed_and_printed(text: str, parts: tuple[int, ...]) -> None:
    """Number, routine, slot and position; the pattern that guards messages knows them as well."""
    found = InvocationName.parse(text)
    assert (found, str(found)) == (parts, text)
    assert re.fullmatch(invocation_id.INVOCATION, text)
    assert invocation_id.number_of(text) == str(found.number)
    assert invocation_id.routine_of(text) == found.routine


@pytest.mark.parametrize("text", ["", "7", "7.2", "x.2.0", "7.2.y", "-1.0.0", f"{10**15}.0.0"])
def test_anything_else_is_refused(text: str) -> None:
    """The error shows the text."""
    with pytest.raises(ValueError, match=f"^'{re.escape(text)}' does not name an invocation$"):
        InvocationName.parse(text)
    assert not re.fullmatch(invocation_id.INVOCATION, text)


def test_a_huge_number_is_shown_in_short() -> None:
    """Python refuses to read or print so many digits."""
    with pytest.raises(ValueError, match="does not name an invocation") as caught:
        InvocationName.parse("9" * 5000 + ".0.0")
    assert len(str(caught.value)) < 500


def test_a_lease_names_job_invocation_and_token() -> None:
    """Of the form that the scripts split as well."""
    lease = invocation_id.lease_of("j1", "7.2.0", "t1")
    assert lease == "j1/7.2.0/t1"
    assert invocation_id.parse_lease(lease) == ("j1", "7.2.0", "t1")
    for text in ("j1/7.2.0", "j1/7.2.0/t1/x"):
        with pytest.raises(ValueError, match="unpack"):
            invocation_id.parse_lease(text)


def test_a_job_is_found_in_the_name_of_its_invocation() -> None:
    """``job/invocation``, as the store's members are."""
    name = invocation_id.in_job("j1", "7.2.0")
    assert (name, invocation_id.job_of(name)) == ("j1/7.2.0", "j1")


def test_a_task_has_the_id_of_its_message() -> None:
    """Whether it comes from the broker or a commit has claimed it."""
    job_id = f"ab12-{'0f' * 10}"
    holes = {1: job_id, 2: "7.2.0", 3: "7", 4: "1", 5: "0"}
    sent = json.loads(message_template("app.It", "celery", "input").translate(holes))
    task_id = invocation_id.task_id(job_id, "7.2.0")
    assert task_id == f"{job_id}-7" == sent["headers"]["id"]
    assert invocation_id.is_task_id(task_id)
    assert invocation_id.job_of_task(task_id) == job_id


@pytest.mark.parametrize(
    "text", ["", "j1-7", "1b671a64-40d5-491e-99b0-da01ff1f3341", f"ab12-{'0' * 20}"]
)
def test_the_id_of_another_task_is_told_apart(text: str) -> None:
    """Celery's own are UUIDs, and an app's may be anything."""
    assert not invocation_id.is_task_id(text)
