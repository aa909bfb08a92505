"""An attempt of a worker that makes no spans: it hands on the context that it was given."""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import split_trace, traced_record
from flowforge.execution.attempt import Attempt
from flowforge.tracing.carried import trace_id_of


class CarryingAttempt(Attempt):
    """What it emits, and the jobs that it starts, carry the context of its own record.

    ``raw`` is the record without it: a trace takes no place in the history.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.raw, self.carried = split_trace(self.raw)

    def context_now(self) -> bytes:
        """The packed context that what is emitted now carries."""
        return self.carried

    def trace_ids(self) -> tuple[str, str]:
        """The trace; no span."""
        return trace_id_of(self.carried), ""

    def encode(self, params: dict[str, Any], where: str) -> bytes:
        return traced_record(super().encode(params, where), self.context_now())
