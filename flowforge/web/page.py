"""A page of the dashboard: its address, who may use it, and what answers.

Every request passes ``Pages.answer``: nothing else decides who may do what.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from flowforge.engine.engine import Engine
from flowforge.errors import (
    FlowForgeError,
    JobNotFoundError,
    StoreUnavailableError,
)
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia
from flowforge.web.dashboard import Dashboard
from flowforge.web.fragments import FragmentInputs, Fragments
from flowforge.web.open_page import OpenPage
from flowforge.web.security.forms import FormError, read_form
from flowforge.web.security.identity import Role, User

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """A template and what it shows."""

    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    #: Whether the page may be at rest, so that ``Page.mark`` is worth a look.
    rests: bool = False


@dataclass(frozen=True)
class Leave:
    """Go to another page. ``path``: below the dashboard's root; ``said``: what to tell there."""

    path: str
    said: str = ""


@dataclass(frozen=True)
class Call:
    """One request, as a page sees it."""

    dashboard: Dashboard
    request: Request
    user: User
    #: What a form has sent; empty for GET.
    form: FormData
    #: Whether a page that is open is read again.
    again: bool = False
    #: Those parts of it that can be closed and are open; None: all are shown.
    parts: Collection[str] | None = None

    @property
    def engines(self) -> Sequence[Engine]:
        return self.dashboard.submitter.each

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def engine(self, job_id: str) -> Engine:
        """The engine of the server that a job lives on."""
        return self.dashboard.submitter.of(job_id)

    def shows(self, part: str) -> bool:
        """Whether a part of the page that can be closed is shown."""
        return self.parts is None or part in self.parts

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.request.path_params[name])

    def may(self, role: Role) -> bool:
        """Whether the user may do what this role may, on a dashboard that lets it."""
        return self.user.role >= role and not (self.dashboard.read_only and role > Role.VIEWER)


Handler: TypeAlias = Callable[[Call], "View | Leave | Response"]


@dataclass(frozen=True)
class Page:
    """``path``: as Starlette's routes write it. ``nav``: its name in the menu; empty: not there.

    ``does``: what a POST does, as the audit stream has it; empty: the last word of the path.
    ``mark``: a cheap look that tells a page at rest apart from itself after a change; it answers
    None for a page that is not at rest.
    """

    path: str
    handler: Handler
    role: Role = Role.VIEWER
    method: str = "GET"
    nav: str = ""
    does: str = ""
    mark: Callable[[Call], object] | None = None

    @property
    def action(self) -> str:
        return self.does or self.path.rpartition("/")[2]


class Pages:
    """Answers for all pages."""

    def __init__(self, dashboard: Dashboard, pages: Sequence[Page]) -> None:
        self._dashboard = dashboard
        self._pages = pages
        self._inputs = FragmentInputs(dashboard.templates)
        self.menu = [(page.nav, page.path) for page in pages if page.nav]
        self.routes = [
            Route(page.path, self._endpoint(page), methods=[page.method]) for page in pages
        ]

    def page_of(self, request: Request) -> tuple[Page, Scope] | None:
        """The page at the address of a GET request, and the scope with its parts."""
        for page, route in zip(self._pages, self.routes, strict=True):
            match, child = route.matches(request.scope)
            if match is Match.FULL and page.method == "GET":
                return page, {**request.scope, **child}
        return None

    def _endpoint(self, page: Page) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await self.answer(page, request)

        return endpoint

    async def answer(self, page: Page, request: Request) -> Response:
        """Whether the user may use the page, and if so what it answers."""
        try:
            user = await run_in_threadpool(self._dashboard.sessions.user, request)
        except FlowForgeError as error:
            logger.error("the dashboard cannot tell who asks: %s", error)
            return Response("The users of this dashboard cannot be read.\n", 503)
        if user is None:
            return self._unknown_user(page, request)
        form = FormData()
        if page.method != "GET":
            try:
                form = await read_form(request)
            except FormError as error:
                return Response(f"{error}\n", 400, media_type="text/plain")
        call = Call(self._dashboard, request, user, form)
        return await run_in_threadpool(self._answer, page, call)

    def _answer(self, page: Page, call: Call) -> Response:
        refusal = self._refusal(page, call)
        found: View | Leave | Response = refusal or self._handled(page, call)
        if page.method != "GET":
            # Of a form that nobody was allowed to send, the address may name anything.
            job_ids = named_jobs(call) if refusal is None else _own_job(call)
            self._audit(page, call, found, job_ids)
        if isinstance(found, View):
            return self.rendered(call, found)
        if isinstance(found, Leave):
            return self._leave(call.request, found)
        return found

    def _refusal(self, page: Page, call: Call) -> View | None:
        if self._dashboard.read_only and page.method != "GET":
            return _message(403, "This dashboard is read-only", "It was started with --read-only.")
        if not call.may(page.role):
            return _message(
                403, "You may not do this",
                f"It takes the role {page.role.name.lower()}; {call.user.name} is "
                f"{call.user.role.name.lower()}.",
            )  # fmt: skip
        token = str(call.form.get("token", ""))
        if page.method != "GET" and not self._dashboard.sessions.sent_by(call.user, token):
            return _message(
                403, "The form is too old", "Go back, load the page again, and send it once more."
            )
        return None

    def _handled(self, page: Page, call: Call) -> View | Leave | Response:
        try:
            return page.handler(call)
        except JobNotFoundError as error:
            return _message(404, "There is no such job", str(error))
        except StoreUnavailableError as error:
            return _message(503, "The server does not answer", str(error))
        except (FlowForgeError, ValueError) as error:
            return _message(409, "This cannot be done", str(error))

    def _audit(
        self, page: Page, call: Call, found: View | Leave | Response, job_ids: list[str]
    ) -> None:
        """Keep what was done, or refused; a page that asks further has done nothing."""
        outcome, what = AuditOutcome.DONE, ""
        if isinstance(found, Leave):
            what = found.said
            created = re.match(r"/jobs/([^/?]+)", found.path)
            if created and created[1] not in job_ids:
                job_ids.append(created[1])
        elif isinstance(found, View):
            what = str(found.context.get("problem") or found.context.get("text") or "")
            if found.status < 400 or not what:
                return
            outcome = AuditOutcome.REFUSED
            # What was typed into the fields may stand in it.
            what = "" if "fields" in found.context or "filled" in found.context else what
        record = AuditRecord(
            call.user.name, AuditVia.DASHBOARD, page.action, outcome,
            call.user.role.name.lower(), tuple(job_ids), str(call.form.get("reason", "")), what,
        )  # fmt: skip
        self._dashboard.audit.tell(_home(call, job_ids), record)

    def rendered(self, call: Call, view: View) -> Response:
        """The page of a view."""
        text = self._text(call, view, Fragments(still=call.request.method != "GET"))
        response = Response(text, view.status, media_type="text/html")
        if "flowforge_said" in call.request.cookies:
            response.delete_cookie("flowforge_said", path=root_of(call.request) or "/")
        return response

    def fragments(self, page: Page, call: Call, opened: OpenPage) -> Mapping[str, str]:
        """The parts of a page that change while it is open; none of one that cannot be shown."""
        # Before the page is read: what changes meanwhile is seen at the next look.
        mark = _mark(page, call) if opened.may_rest else None
        if mark is not None and opened.rests(mark):
            return opened.fragments
        with ExitStack() as stack:
            for engine in call.engines:
                stack.enter_context(engine.store.look.begun())
            found = self._refusal(page, call) or self._handled(page, call)
        fragments: Mapping[str, str] = {}
        opened.may_rest = False
        if isinstance(found, View) and found.status == 200:
            made = Fragments(inputs=self._inputs.of(found.template), memory=opened.memory)
            self._text(call, found, made)
            fragments, opened.may_rest = made.found, found.rests
        opened.keep(mark, fragments)
        return fragments

    def _text(self, call: Call, view: View, fragments: Fragments) -> str:
        return self._dashboard.templates.get_template(view.template).render(
            call=call,
            user=call.user,
            root=root_of(call.request),
            menu=self.menu,
            path=call.request.url.path.removeprefix(root_of(call.request)),
            token=self._dashboard.sessions.form_token(call.user),
            said=self._dashboard.said(call.request.cookies.get("flowforge_said", "")),
            live=fragments,
            **view.context,
        )

    def _leave(self, request: Request, leave: Leave) -> Response:
        response = RedirectResponse(root_of(request) + leave.path, 303)
        if leave.said:
            response.set_cookie(
                "flowforge_said", self._dashboard.saying(leave.said), max_age=60,
                path=root_of(request) or "/", httponly=True, samesite="lax",
            )  # fmt: skip
        return response

    def _unknown_user(self, page: Page, request: Request) -> Response:
        if page.method != "GET" or not self._dashboard.sessions.authentication.has_login:
            return Response("You are not logged in.\n", 401, media_type="text/plain")
        here = request.url.path.removeprefix(root_of(request))
        if request.url.query:
            here += f"?{request.url.query}"
        return RedirectResponse(f"{root_of(request)}/login?{urlencode({'next': here})}", 303)


def _mark(page: Page, call: Call) -> object:
    """Of a page that cannot be looked at none: reading it says why."""
    try:
        return None if page.mark is None else page.mark(call)
    except FlowForgeError:
        return None


def _home(call: Call, job_ids: Sequence[str]) -> Engine:
    """The server of the jobs; any when it is not known, or does not answer."""
    try:
        return call.engine(job_ids[0]) if job_ids else call.engines[0]
    except FlowForgeError:
        return call.engines[0]


def named_jobs(call: Call) -> list[str]:
    """The jobs that the address of a page names."""
    return _own_job(call) or call.request.query_params.getlist("job")


def _own_job(call: Call) -> list[str]:
    """The job that a page is about."""
    own = call.request.path_params.get("job_id")
    return [str(own)] if own else []


def root_of(request: Request) -> str:
    """Where the dashboard is mounted: empty, or a path that begins with a slash."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _message(status: int, title: str, text: str) -> View:
    return View("message.html", {"title": title, "text": text}, status)
