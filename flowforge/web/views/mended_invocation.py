"""What pages share that mend an invocation: what they are about, and that another was faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.errors import FlowForgeError, JobStateError
from flowforge.model.definition import Definition
from flowforge.model.handler_params import HandlerParams
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.invocation_reads.invocation_looks import InvocationLook, InvocationReader
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary
from flowforge.web.changed_by import changed_by, latest_entry
from flowforge.web.page import Call, Handler, Leave, View
from flowforge.web.param_form import ParamForm
from flowforge.web.views.invocation_page import actions_of, no_invocation, state_of

#: The address of an invocation.
INVOCATION = "/jobs/{job_id}/invocations/{number:int}"


@dataclass(frozen=True)
class Subject:
    """What an action is about, as it is now."""

    engine: Engine
    job: JobSummary
    details: JobDetails
    definition: Definition
    look: InvocationLook
    by: str

    @property
    def job_id(self) -> str:
        return self.job.job_id

    @property
    def number(self) -> int:
        return self.look.number

    @property
    def form(self) -> ParamForm:
        """Its params as the fields of a form."""
        look = self.look
        takes = handler_params(self.engine, self.definition, look.routine_id, look.slot)
        return ParamForm(look.given.params or {}, look.secret, takes)

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What can be done about it now."""
        return actions_of(self.look, self.job, self.details)

    def shown(self, action: str, **more: Any) -> dict[str, Any]:
        """What each of the pages shows."""
        fits = dict(self.actions)
        return {
            "job": self.job,
            "look": self.look,
            "word": state_of(self.look),
            "action": action,
            "fits": action in fits,
            "seen": latest_entry(self.engine, self.job_id),
            "problem": "",
            **more,
        }

    def stale_text(self, call: Call) -> str:
        """What has changed since the form was shown; empty when nothing has."""
        if call.form.get("mark") == self.look.mark:
            return ""
        who = self._changed_by(call)
        what = f"It was {who}." if who else "It has gone on since you looked."
        return f"{what} Nothing was done. It is {state_of(self.look)} now, as this page shows it."

    def refusal(self, call: Call, error: FlowForgeError) -> str:
        """The refusal of the engine, with who was faster."""
        who = self._changed_by(call) if isinstance(error, JobStateError) else ""
        return f"It was {who}. {error}" if who else str(error)

    def back(self, said: str) -> Leave:
        """To the page of the invocation, which tells what was done."""
        return Leave(
            f"/jobs/{self.job_id}/invocations/{self.number}",
            f"Invocation {self.number} of job {self.job_id} {said}.",
        )

    def _changed_by(self, call: Call) -> str:
        return changed_by(self.engine, self.job_id, str(call.form.get("seen", "")), self.number)


def handler_params(
    engine: Engine, definition: Definition, routine_id: str, slot: str
) -> HandlerParams | None:
    """What the handler of a slot takes, as workers have said; None where that is not known."""
    routine = definition.index(routine_id)
    names = list(definition.slot_names(routine))
    if slot not in names:
        return None
    return HandlerRecords(engine.store).of_slot(definition, routine, names.index(slot))


def subject_of(call: Call) -> Subject | None:
    """What the address names; None where there is no trace of it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    definition = engine.inspector.definition(job_id)
    look = InvocationReader(engine.store, job_id, definition).look(int(call.path("number")))
    if look is None:
        return None
    summary, details = engine.inspector.describe(job_id)
    return Subject(engine, summary, details, definition, look, call.user.name)


def of_invocation(handler: Callable[[Call, Subject], View | Leave]) -> Handler:
    """The handler with what the address names; a page that says so where there is none."""

    def answer(call: Call) -> View | Leave:
        subject = subject_of(call)
        if subject is None:
            return no_invocation(call.path("job_id"), int(call.path("number")))
        return handler(call, subject)

    return answer
