"""Who uses the dashboard: by a token, a file of passwords, or what a proxy says."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from starlette.requests import Request

from flowforge.common.bounded_repr import shown
from flowforge.errors import ConfigurationError
from flowforge.web.security import passwords

logger = logging.getLogger(__name__)


class Role(IntEnum):
    """What a user may do: each role may do what those before it may."""

    #: See everything but secrets.
    VIEWER = 1
    #: Start, pause, resume, cancel, retry and mend jobs.
    OPERATOR = 2
    #: Delete jobs and what is kept of them.
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role:
        """ConfigurationError for a name that is no role."""
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(role.name.lower() for role in cls)
            raise ConfigurationError(f"{shown(name)} is no role; the roles are {known}") from None


@dataclass(frozen=True)
class User:
    """``name`` is kept in the history of what the user changes."""

    name: str
    role: Role


class Authentication(Protocol):
    """How the dashboard learns who asks. Your own class can do the same, for example with the
    session of the application in which the dashboard is mounted.
    """

    #: Whether users log in at the dashboard's own page. It asks for a name when ``named``.
    has_login: bool
    named: bool

    def of(self, request: Request) -> User | None:
        """The user that the request itself tells of; None when it tells of none."""
        ...

    def log_in(self, name: str, secret: str) -> User | None:
        """The user with this name and secret; None when there is none."""
        ...

    def known(self, user: User) -> bool:
        """Whether a user who has logged in earlier is still one, with the same role."""
        ...


class Token:
    """One secret for all users, who have this ``role``; by default a new one for each process."""

    has_login = True
    named = False

    def __init__(self, token: str | None = None, role: Role = Role.ADMIN) -> None:
        if token is not None and len(token) < 16:
            raise ConfigurationError("a dashboard token must have 16 characters or more")
        self.token = token or secrets.token_urlsafe(24)
        # Two tokens are two users: a session of an old token ends with it.
        mark = hashlib.sha256(self.token.encode()).hexdigest()[:6]
        self._user = User(f"token-{mark}", role)

    def of(self, request: Request) -> User | None:
        return None

    def log_in(self, name: str, secret: str) -> User | None:
        return self._user if hmac.compare_digest(secret.encode(), self.token.encode()) else None

    def known(self, user: User) -> bool:
        return user == self._user


class PasswordFile:
    """Users with passwords in a file: ``name:role:hash`` on each line.

    ``flowforge ui --add-user`` writes them. A change of the file is seen at once.
    """

    has_login = True
    named = True

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._users()

    def of(self, request: Request) -> User | None:
        return None

    def log_in(self, name: str, secret: str) -> User | None:
        user, hashed = self._users().get(name, (None, passwords.NO_PASSWORD))
        # The time tells nothing: a hash is computed for a name that does not exist, too.
        right = passwords.matches(secret, hashed)
        return user if right else None

    def known(self, user: User) -> bool:
        return self._users().get(user.name, (None, ""))[0] == user

    def _users(self) -> dict[str, tuple[User | None, str]]:
        found: dict[str, tuple[User | None, str]] = {}
        for name, role, hashed in passwords.read(self._path):
            found[name] = (User(name, Role.named(role)), hashed)
        return found


class TrustedHeaders:
    """The proxy in front has authenticated the user, and says so in headers.

    ``user``: the header with the name. ``role``: the header with a role's name, where there is one;
    else everyone is ``default``. Only for a dashboard that nothing but the proxy can reach, and a
    proxy that removes these headers from what it is sent.
    """

    has_login = False
    named = True

    def __init__(self, user: str, role: str | None = None, default: Role = Role.VIEWER) -> None:
        self._user = user
        self._role = role
        self._default = default

    def of(self, request: Request) -> User | None:
        name = request.headers.get(self._user, "").strip()
        if not name:
            return None
        given = request.headers.get(self._role, "").strip() if self._role else ""
        try:
            return User(name[:100], Role.named(given) if given else self._default)
        except ConfigurationError as error:
            logger.warning("the proxy's header %s of %s: %s", self._role, shown(name), error)
            return None

    def log_in(self, name: str, secret: str) -> User | None:
        return None

    def known(self, user: User) -> bool:
        return False
