"""How a handler starts a job: when, and whether and how its own job waits for it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

from flowforge.common.bounded_repr import shown
from flowforge.errors import EmissionError, InvalidValueError
from flowforge.model.times.start import Delay, Start, start_of

#: What the parent job does when a job that it waits for has failed or was cancelled.
OnFailure: TypeAlias = Literal["stop", "continue"]


class ChildStart(NamedTuple):
    """``event``: what its end emits; None: the job is detached, and nothing waits for it.

    ``start``: when it starts; None: at once.
    """

    event: str | None = None
    goes_on: bool = False
    start: Start | None = None


def child_start(
    event: str | None, detached: object, on_failure: object, delay: Delay | None
) -> ChildStart:
    """What is meant. EmissionError for an event of a detached job, and for none of another one."""
    if on_failure not in get_args(OnFailure):
        raise InvalidValueError(f"on_failure must be 'stop' or 'continue', not {shown(on_failure)}")
    if not isinstance(detached, bool):
        raise InvalidValueError(f"detached must be True or False, not {shown(detached)}")
    goes_on = on_failure == "continue"
    if detached and (event is not None or goes_on):
        raise EmissionError(
            "a detached job has neither event nor on_failure: nothing waits for its end"
        )
    if not detached and event is None:
        raise EmissionError(
            "start needs the event that the end of the job emits, or detached=True for a job that "
            "nothing waits for"
        )
    return ChildStart(event, goes_on, start_of(delay, None))
