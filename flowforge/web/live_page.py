"""The stream of a page's changes, as server-sent events (HTML standard)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flowforge.web.dashboard import Dashboard
from flowforge.web.live import LiveReader
from flowforge.web.page import Call, Pages, root_of


def live_route(dashboard: Dashboard, pages: Pages) -> Route:
    """``/live?page=...``: what changes of a page, for users who may see the page."""
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
        call = Call(dashboard, Request(own_scope), user, FormData(), again=True)

        async def still_in() -> bool:
            return await run_in_threadpool(dashboard.sessions.user, request) == user

        key = f"{int(user.role)} {path}?{query}"
        return EventSourceResponse(
            _events(reader.watch(key, partial(pages.fragments, page, call)), still_in), ping=15
        )

    return Route("/live", stream, methods=["GET"])


async def _events(
    messages: AsyncIterator[str], still_in: Callable[[], Awaitable[bool]]
) -> AsyncIterator[dict[str, str]]:
    """Until the user is logged out, or is no user any more."""
    async for message in messages:
        if not await still_in():
            return
        yield {"data": message}
