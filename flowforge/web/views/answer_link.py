"""The page behind the link of an answer: open to whoever has it, for this answer alone.

GET shows the form and changes nothing, because programs that look at messages follow links. The
token is 128 random bits, of which the server has a hash; an address that guesses is refused. The
address is the secret, and the guard's policy keeps it from other sites. With the policy
``no-referrer`` browsers would send the form as that of an unknown site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowforge.engine.engine import Engine
from flowforge.errors import AnsweredError, FlowForgeError, StoreUnavailableError
from flowforge.execution.expecting import token_hash
from flowforge.model.answers.expectation import Expectation
from flowforge.model.invocation_id import JOB_ID
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia
from flowforge.store.transitions.expectations import told
from flowforge.web.answer_form import answer_entry, describes
from flowforge.web.dashboard import Dashboard
from flowforge.web.page import root_of
from flowforge.web.run_form import RunForm, empty_form, filled_form
from flowforge.web.security.attempts import WrongGuesses
from flowforge.web.security.forms import FormError, read_form
from flowforge.web.security.identity import Role, User
from flowforge.web.views.answers import deliver

#: Who has answered, in the history.
BY = "the link"

#: What a form of a link has to send back is made for.
_VISITOR = User("the link of ", Role.VIEWER)

_UNKNOWN = (404, "There is no such link", "It is mistyped, or what it was for is over.")


def answer_routes(dashboard: Dashboard) -> list[Route]:
    """The routes of the links."""
    links = _Links(dashboard)
    path = "/answer/{job_id}/{ticket}"
    return [
        Route(path, links.show, methods=["GET"]),
        Route(path, links.answer, methods=["POST"]),
    ]


class _Links:
    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._wrong = WrongGuesses()

    async def show(self, request: Request) -> Response:
        return await run_in_threadpool(self._answered, request, None)

    async def answer(self, request: Request) -> Response:
        try:
            form = await read_form(request)
        except FormError as error:
            return Response(f"{error}\n", 400, media_type="text/plain")
        return await run_in_threadpool(self._answered, request, form)

    def _answered(self, request: Request, form: FormData | None) -> Response:
        job_id = str(request.path_params["job_id"])
        # Behind a proxy all visitors may have one address: those of other jobs are not kept out.
        address = f"{(request.scope.get('client') or [''])[0]} {job_id[:80]}"
        if self._wrong.too_many(address):
            return self._said(
                request, 429, "Too many wrong links", "Wait a minute and try it again."
            )
        if self._dashboard.read_only:
            return self._said(request, 403, "This dashboard is read-only", "It takes no answers.")
        try:
            return self._page(request, address, form)
        except StoreUnavailableError:
            return self._said(request, 503, "The server does not answer", "Try it again later.")

    def _page(self, request: Request, address: str, form: FormData | None) -> Response:
        job_id, ticket = request.path_params["job_id"], request.path_params["ticket"]
        if not re.fullmatch(JOB_ID, job_id):
            return self._said(request, *_UNKNOWN)
        engine = self._dashboard.submitter.of(job_id)
        found = engine.store.expectations.of_link(job_id, token_hash(ticket))
        if found is None:
            self._wrong.add(address)
            return self._said(request, *_UNKNOWN)
        number, closed = found
        try:
            if closed is not None:
                why = told(closed, engine.inspector.definition(job_id))
                return self._said(request, 410, "It is not waited for any more", f"{why}.")
            expectation = engine.expectations.find(job_id, number)
        except FlowForgeError:
            expectation = None
        if expectation is None:
            return self._said(request, *_UNKNOWN)
        return self._open(request, engine, expectation, form)

    def _open(
        self, request: Request, engine: Engine, found: Expectation, form: FormData | None
    ) -> Response:
        if form is None:
            entry = answer_entry(engine, found)
            return self._form(request, found, empty_form(entry, None), entry)
        if not self._dashboard.sessions.sent_by(_visitor(request), str(form.get("token", ""))):
            return self._said(
                request, 403, "The form is too old", "Open the link again, and send it once more."
            )
        entry = answer_entry(engine, found)
        filled = filled_form(entry, None, form)
        if filled.params is None:
            return self._form(request, found, filled, entry, status=409)
        by = self._who(request)
        try:
            deliver(engine, found, filled.params, by)
        except AnsweredError as error:
            self._tell(engine, found, by, AuditOutcome.REFUSED)
            return self._said(request, 410, "It is not waited for any more", _short(error, found))
        except FlowForgeError as error:
            return self._form(request, found, filled, entry, problem=str(error), status=409)
        self._tell(engine, found, by, AuditOutcome.DONE)
        return self._said(request, 200, "Thank you", "Your answer was delivered.")

    def _who(self, request: Request) -> str:
        user = self._dashboard.sessions.user(request)
        return BY if user is None else user.name

    def _tell(self, engine: Engine, found: Expectation, by: str, outcome: AuditOutcome) -> None:
        record = AuditRecord(
            by, AuditVia.DASHBOARD, "answer", outcome, "", (found.job_id,), "", found.place
        )
        self._dashboard.audit.tell(engine, record)

    def _form(
        self, request: Request, found: Expectation, filled: RunForm, entry: Any, *,
        problem: str = "", status: int = 200,
    ) -> Response:  # fmt: skip
        title, description = describes(found)
        return self._rendered(
            request, status,
            {
                "heading": title or found.place, "description": description, "filled": filled,
                "entry": entry, "problem": problem,
                "token": self._dashboard.sessions.form_token(_visitor(request)),
            },
        )  # fmt: skip

    def _said(self, request: Request, status: int, heading: str, text: str) -> Response:
        return self._rendered(request, status, {"heading": heading, "text": text, "filled": None})

    def _rendered(self, request: Request, status: int, context: Mapping[str, Any]) -> Response:
        template = self._dashboard.templates.get_template("answer_link.html")
        text = template.render(root=root_of(request), **context)
        return Response(text, status, media_type="text/html")


def _visitor(request: Request) -> User:
    """Whom a form of this link is made for: nobody else's form fits."""
    ticket = token_hash(str(request.path_params["ticket"]))
    return User(_VISITOR.name + ticket, _VISITOR.role)


def _short(error: AnsweredError, found: Expectation) -> str:
    """What the error says, without the job."""
    return str(error).partition(f"for {found.place}: ")[2] or "Another answer was first."
