"""Who is logged in, in a signed cookie; and the token that each form has to send back."""

from __future__ import annotations

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

from flowforge.web.security.identity import Authentication, Role, User

COOKIE = "flowforge_session"

#: Seconds until a user logs in again, and until a form that was left open has to be loaded again.
_SESSION = 12 * 3600
_FORM = 12 * 3600


class Sessions:
    """Reads and writes sessions with one ``secret``, which all processes of a dashboard share."""

    def __init__(self, authentication: Authentication, secret: str) -> None:
        self.authentication = authentication
        self._sessions = URLSafeTimedSerializer(secret, salt="flowforge.session")
        self._forms = URLSafeTimedSerializer(secret, salt="flowforge.form")

    def user(self, request: Request) -> User | None:
        """The user who asks; None when it is no known one."""
        told = self.authentication.of(request)
        if told is not None or not self.authentication.has_login:
            return told
        try:
            name, role = self._sessions.loads(request.cookies.get(COOKIE, ""), max_age=_SESSION)
            user = User(str(name), Role(role))
        except (BadData, ValueError, TypeError):
            return None
        return user if self.authentication.known(user) else None

    def begin(self, request: Request, response: Response, user: User) -> None:
        """Log the user in."""
        response.set_cookie(
            COOKIE,
            self._sessions.dumps([user.name, int(user.role)]),
            max_age=_SESSION,
            path=_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )

    def end(self, request: Request, response: Response) -> None:
        """Log the user out."""
        response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="lax")

    def form_token(self, user: User) -> str:
        """What a form of this user has to send back."""
        return str(self._forms.dumps([user.name, int(user.role)]))

    def sent_by(self, user: User, token: str) -> bool:
        """Whether the token was in a form of this user."""
        try:
            return bool(self._forms.loads(token, max_age=_FORM) == [user.name, int(user.role)])
        except BadData:
            return False


def _path(request: Request) -> str:
    """The dashboard's own part of the site."""
    return str(request.scope.get("root_path") or "/")
