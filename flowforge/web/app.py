"""The dashboard as an ASGI application: alone, or mounted in another one below any path."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flowforge.composition import current_engine
from flowforge.engine.engine import Submitter
from flowforge.web.audit import Audit
from flowforge.web.dashboard import Dashboard, made_secret, templates
from flowforge.web.live_page import live_route
from flowforge.web.page import Pages
from flowforge.web.security.guard import LOOPBACK, Guard
from flowforge.web.security.identity import Authentication, Token
from flowforge.web.security.sessions import Sessions
from flowforge.web.views import PAGES
from flowforge.web.views.answer_link import answer_routes
from flowforge.web.views.login import login_routes

logger = logging.getLogger(__name__)


def app(
    engine: Submitter | None = None,
    *,
    authentication: Authentication | None = None,
    hosts: Iterable[str] | None = LOOPBACK,
    read_only: bool = False,
    secret: str | None = None,
) -> Starlette:
    """The dashboard of an engine, by default the one of this process.

    ``authentication``: who may use it; by default users with a token that is made now and written
    to the log. ``hosts``: the names in the browser's address bar that lead to it, without ports;
    None when the application around it checks them. ``read_only``: no user changes anything.
    ``secret``: signs cookies; give one, the same for all, when several processes serve the
    dashboard, or when sessions have to outlast a restart.
    """
    if authentication is None:
        authentication = token = Token()
        logger.warning("the dashboard's token is %s: open /login?token=...", token.token)
    secret = made_secret(secret)
    dashboard = Dashboard(
        engine or current_engine(),
        Sessions(authentication, secret),
        templates(),
        URLSafeTimedSerializer(secret, salt="flowforge.saying"),
        read_only,
        Audit(writes=not read_only),
    )
    pages = Pages(dashboard, PAGES)
    static = StaticFiles(directory=Path(__file__).with_name("static"))
    return Starlette(
        routes=[
            Mount("/static", static),
            *login_routes(dashboard),
            *answer_routes(dashboard),
            live_route(dashboard, pages),
            *pages.routes,
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
    )
