"""The stream of a page's changes, as server-sent events (HTML standard)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flowforge.web.dashboard import Dashboard
from flowforge.web.live import LiveReader
from flowforge.web.open_page import OpenPage
from flowforge.web.page import Call, Pages, root_of


def live_route(dashboard: Dashboard, pages: Pages) -> Route:
    """``/live?page=...``: what changes of a page, for users who may see the page.

    ``part=...``: a part of it that can be closed and is open.
    """
    reader = LiveReader([engine.link for engine in dashboard.submitter.each])

    async def stream(request: Request) -> Response:
        user = await run_in_threadpool(dashboard.sessions.user, request)
        if user is None:
            return PlainTextResponse("You are not logged in.\n", 401)
        path, _, query = request.query_params.get("page", "").partition("?")
        scope = {
            **request.scope, "path": root_of(request) + path, "query_string": query.encode()
        }  # fmt: skip
        found = pages.page_of(Request(scope))
        if found is None:
            return PlainTextResponse("There is no such page.\n", 404)
        page, own_scope = found
        parts = frozenset(request.query_params.getlist("part"))
        call = Call(dashboard, Request(own_scope), user, FormData(), again=True, parts=parts)
        render = partial(pages.fragments, page, call, OpenPage())
        key = f"{int(user.role)} {sorted(parts)} {path}?{query}"
        texts = reader.watch(key, render, lambda: dashboard.sessions.user(request) == user)
        return EventSourceResponse(_events(texts), ping=15)

    return Route("/live", stream, methods=["GET"])


async def _events(texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Each text as an event: JSON has no line ends, which the event would need lines for."""
    async for text in texts:
        yield f"data: {text}\r\n\r\n".encode()
