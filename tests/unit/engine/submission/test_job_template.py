"""What jobs that are submitted together have in common."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge import Flow
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.settings import MOST


@pytest.mark.parametrize("priority", [-1, 10, 1.0, True, "0"], ids=repr)
def test_a_priority_is_one_of_ten(priority: Any) -> None:
    """0 is served first."""
    with pytest.raises(InvalidValueError, match="priority must be a whole number from 0"):
        JobTemplate(Flow("f"), "it", priority)


@pytest.mark.parametrize("limit", [MOST + 1, 10**30])
def test_a_limit_is_no_more_than_the_server_counts(limit: int) -> None:
    """As the setting: the row of such a job could be read no more."""
    with pytest.raises(InvalidValueError, match=r"max_in_flight .* at most 1e\+12"):
        JobTemplate(Flow("f"), "it", max_in_flight=limit)
    with pytest.raises(DefinitionError, match=r"max_in_flight must be at most 1e\+12"):
        Flow("f", max_in_flight=limit)
    assert Flow("f", max_in_flight=MOST).max_in_flight == MOST


@pytest.mark.parametrize("limit", [0, -1, 1.0, True, "1"], ids=repr)
def test_a_job_has_at_least_one_invocation_in_flight(limit: Any) -> None:
    """Else it could not go on."""
    with pytest.raises(InvalidValueError, match="max_in_flight must be a whole number of at least"):
        JobTemplate(Flow("f"), "it", max_in_flight=limit)


def test_what_is_left_out_is_decided_by_the_server() -> None:
    """A template says what was asked for, and nothing that was not."""
    template = JobTemplate(Flow("f"), "it")
    assert (template.priority, template.max_in_flight) == (None, None)
