"""The span of a call that creates jobs, where this process makes spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from flowforge.engine.submission.job_items import Submitted
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.tracing.switch import spans_of

#: Is told of the jobs that a call has created or found.
Tell: TypeAlias = Callable[[Sequence[Submitted]], None]


@contextmanager
def sending(traces: bool | None, template: JobTemplate) -> Iterator[tuple[JobTemplate, Tell]]:
    """Within, jobs are created: of the template that comes back. ``traces``: the setting."""
    spans = spans_of(traces)
    if spans is None:
        yield template, _ignore
        return
    with spans.sending(template.flow.flow_id, template.entry_routine_id) as sent:
        yield replace(template, trace=sent.context), sent.tell


@contextmanager
def sending_again(
    traces: bool | None, flow_id: str, entry: str, former: bytes = b""
) -> Iterator[tuple[bytes, Tell]]:
    """Within, a job like another one is created: it carries the packed context that comes back.

    ``former``: that of the other job, to which the span is linked; empty: there is none.
    """
    spans = spans_of(traces)
    if spans is None:
        yield b"", _ignore
        return
    with spans.sending(flow_id, entry, links=[former]) as sent:
        yield sent.context, sent.tell


def _ignore(_: Sequence[Submitted]) -> None: ...
