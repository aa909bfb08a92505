"""The addresses of all pages of the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from flowforge import Bulk, JobState, web
from flowforge.engine.current import current_engine
from flowforge.web.views import PAGES
from flowforge.web.views.job_list import BULK


def addresses(
    job: JobState, more: Mapping[str, str], queries: Mapping[str, str], method: str,
    most: web.Role = web.Role.ADMIN,
) -> list[str]:  # fmt: skip
    """The address of every page that takes this method, for a role at most.

    The pages of jobs and flows are those of ``job``, those of bulk operations of the latest one.
    ``more``: what stands in the place of further parts of a path, such as ``{group}``.
    ``queries``: how a path begins, and the query of all such paths.
    """
    flow = f"?id={quote(job.flow_id, safe='')}"
    parts = {
        **more, "{job_id}": job.job_id, "{number:int}": "1", "{letter:int}": "1",
        "/flows/one": f"/flows/one{flow}", "/flows/run": f"/flows/run{flow}",
        **{f"/bulk/new/{name}": f"/bulk/new/{name}?job={job.job_id}" for name in BULK},
        "{bulk_id}": Bulk.recent(1)[0].bulk_id,
        "{server}": current_engine().each[0].store.server_name,
    }  # fmt: skip
    return [
        _filled(page.path, parts, queries)
        for page in PAGES
        if page.method == method and page.role <= most
    ]


def _filled(path: str, parts: Mapping[str, str], queries: Mapping[str, str]) -> str:
    for name, value in parts.items():
        path = path.replace(name, value)
    assert "{" not in path, path
    query = next((query for start, query in queries.items() if path.startswith(start)), "")
    return f"{path}{query}"
