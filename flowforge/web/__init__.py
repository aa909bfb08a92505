"""The dashboard: pages of jobs, flows and workers for a browser. Needs ``flowforge[web]``."""

from __future__ import annotations

from flowforge.web.app import app
from flowforge.web.security.guard import LOOPBACK
from flowforge.web.security.identity import (
    Authentication,
    PasswordFile,
    Role,
    Token,
    TrustedHeaders,
    User,
)
from flowforge.web.security.passwords import add as add_user
from flowforge.web.serve import serve

__all__ = [
    "LOOPBACK",
    "Authentication",
    "PasswordFile",
    "Role",
    "Token",
    "TrustedHeaders",
    "User",
    "add_user",
    "app",
    "serve",
]
