"""What pages share that mend an invocation: what they are about, and that another was faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.errors import FlowForgeError, JobStateError
from flowforge.model.definition import Definition
from flowforge.store.invocation_looks import InvocationLook, InvocationReader
from flowforge.store.job_rows import JobSummary
from flowforge.web.changed_by import changed_by, latest_entry
from flowforge.web.page import Call, Handler, Leave, View
from flowforge.web.views.invocation_page import actions_of, no_invocation, state_of

#: The address of an invocation.
INVOCATION = "/jobs/{job_id}/invocations/{number:int}"


@dataclass(frozen=True)
class Subject:
    """What an action is about, as it is now."""

    engine: Engine
    job: JobSummary
    definition: Definition
    look: InvocationLook
    by: str

    @property
    def job_id(self) -> str:
        return self.job.job_id

    @property
    def number(self) -> int:
        return self.look.number


def subject_of(call: Call) -> Subject | None:
    """What the address names; None where there is no trace of it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    definition = engine.inspector.definition(job_id)
    look = InvocationReader(engine.store, job_id, definition).look(int(call.path("number")))
    if look is None:
        return None
    summary, _ = engine.inspector.describe(job_id)
    return Subject(engine, summary, definition, look, call.user.name)


def shown_of(subject: Subject, action: str, **more: Any) -> dict[str, Any]:
    """What each of the pages shows."""
    fits = dict(actions_of(subject.look, subject.job))
    return {
        "job": subject.job,
        "look": subject.look,
        "word": state_of(subject.look),
        "action": action,
        "fits": action in fits,
        "seen": latest_entry(subject.engine, subject.job_id),
        "problem": "",
        **more,
    }


def stale_text(call: Call, subject: Subject) -> str:
    """What has changed since the form was shown; empty when nothing has."""
    if call.form.get("mark") == subject.look.mark:
        return ""
    seen = str(call.form.get("seen", ""))
    who = changed_by(subject.engine, subject.job_id, seen, subject.number)
    what = f"It was {who}." if who else "It has gone on since you looked."
    return f"{what} Nothing was done. It is {state_of(subject.look)} now, as this page shows it."


def refused(call: Call, subject: Subject, error: FlowForgeError) -> str:
    """The refusal of the engine, with who was faster."""
    who = changed_by(subject.engine, subject.job_id, str(call.form.get("seen", "")), subject.number)
    return f"It was {who}. {error}" if who and isinstance(error, JobStateError) else str(error)


def back(subject: Subject, said: str) -> Leave:
    """To the page of the invocation, which tells what was done."""
    return Leave(
        f"/jobs/{subject.job_id}/invocations/{subject.number}",
        f"Invocation {subject.number} of job {subject.job_id} {said}.",
    )


def of_invocation(handler: Callable[[Call, Subject], View | Leave]) -> Handler:
    """The handler with what the address names; a page that says so where there is none."""

    def answer(call: Call) -> View | Leave:
        subject = subject_of(call)
        if subject is None:
            return no_invocation(call.path("job_id"), int(call.path("number")))
        return handler(call, subject)

    return answer
