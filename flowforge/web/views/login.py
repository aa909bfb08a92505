"""Logging in and out. The only pages that are open to everyone."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from flowforge.model.jobs.audit import AuditOutcome, AuditRecord
from flowforge.web.audit import logged_out, login
from flowforge.web.dashboard import Dashboard
from flowforge.web.page import root_of
from flowforge.web.security.attempts import WrongGuesses


def login_routes(dashboard: Dashboard) -> list[Route]:
    """The routes of the login."""
    pages = _Login(dashboard)
    return [
        Route("/login", pages.show, methods=["GET"]),
        Route("/login", pages.log_in, methods=["POST"]),
        Route("/logout", pages.log_out, methods=["POST"]),
    ]


_WRONG_TOKEN = "This is not the token of the dashboard."


class _Login:
    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._sessions = dashboard.sessions
        self._wrong = WrongGuesses()

    async def show(self, request: Request) -> Response:
        """The form; or, with the token in the address as the command prints it, the overview."""
        token = request.query_params.get("token")
        if token is not None and not self._sessions.authentication.named:
            return await self._entered(request, "", token, "/")
        return self._form(request, request.query_params.get("next", "/"))

    async def log_in(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        name, secret = str(form.get("name", "")), str(form.get("secret", ""))
        return await self._entered(request, name, secret, str(form.get("next", "/")))

    async def log_out(self, request: Request) -> Response:
        response = RedirectResponse(f"{root_of(request)}/login", 303)
        user = await run_in_threadpool(self._sessions.user, request)
        if user is not None:
            await self._tell(logged_out(user.name, user.role.name.lower()))
        self._sessions.end(request, response)
        return response

    async def _entered(self, request: Request, name: str, secret: str, target: str) -> Response:
        address = str((request.scope.get("client") or [""])[0])
        # Behind a proxy all visitors may have one address: other names are not kept out.
        guessing = f"{address} {name[:80]}"
        if self._wrong.too_many(guessing):
            return self._form(request, target, "Too many wrong passwords. Wait a minute.", 429)
        user = await run_in_threadpool(self._sessions.authentication.log_in, name, secret)
        if user is None:
            named = self._sessions.authentication.named
            if named:  # a token is too long to be guessed
                self._wrong.add(guessing)
            await self._tell(login("", "", address, AuditOutcome.REFUSED))
            wrong = "Name or password is wrong." if named else _WRONG_TOKEN
            return self._form(request, target, wrong, 403)
        await self._tell(login(user.name, user.role.name.lower(), address, AuditOutcome.DONE))
        response = RedirectResponse(root_of(request) + _own_path(target), 303)
        self._sessions.begin(request, response, user)
        return response

    async def _tell(self, record: AuditRecord) -> None:
        engine = self._dashboard.submitter.each[0]
        await run_in_threadpool(self._dashboard.audit.tell, engine, record)

    def _form(self, request: Request, target: str, wrong: str = "", status: int = 200) -> Response:
        text = self._dashboard.templates.get_template("login.html").render(
            root=root_of(request),
            named=self._sessions.authentication.named,
            has_login=self._sessions.authentication.has_login,
            target=_own_path(target),
            wrong=wrong,
        )
        return Response(text, status, media_type="text/html")


def _own_path(target: str) -> str:
    """A path of the dashboard: never an address of another site."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if plain and target.isprintable() else "/"
