"""The dashboard's pages of single invocations, and the lists of many."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from flowforge import JobState, web
from flowforge.engine.current import set_engine
from flowforge.local.server import LocalServer
from flowforge.store.transitions.log_lines import Line, pack_line
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.integration.mend_flows import nested, orders
from tests.integration.web_client import Browser, dashboard
from tests.integration.web_jobs import failed, link, text_of, waiting
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests, which keeps what handlers log."""
    flows = ("tests.integration.mend_flows",)
    directory = tmp_path_factory.mktemp("web")
    with installed(server, directory, flows, keep_logs=1000, **FAST) as installation:
        installation.fleet.start(pool="threads", concurrency=2)
        yield installation


@pytest.fixture
def operator(site: Installation) -> Iterator[Browser]:
    set_engine(site.engine)
    with dashboard(site.engine, web.Role.OPERATOR) as client:
        yield client


# --- looking ---------------------------------------------------------------------------------


def test_an_invocation_shows_all_that_is_known_of_it(operator: Browser) -> None:
    """Place, state, params without secrets, who emitted it, attempts, findings, and its log."""
    job, number = failed(10, -5)
    text = operator.page(link(job, number))
    for part in ("charge.input", "parked", "&#34;amount&#34;: -5", "***", "Emitted by"):
        assert part in text, part
    assert "-5 is no amount" in text
    assert "Traceback (most recent call last)" in text
    assert "raise ValueError" in text
    assert "it failed" in text  # explain
    assert "card-" not in text
    emitter = re.search(r'Emitted by <a href="([^"]+)"', text)
    assert emitter is not None
    first = text_of(operator.page(emitter[1]))
    assert "fetch" in first
    assert "completed" in first
    assert re.search("order . 2", first)
    assert "order → charge.input" in first


def test_an_invocation_on_a_timer(operator: Browser) -> None:
    """Until when, and what explain says of it."""
    job, number = waiting(-5)
    text = text_of(operator.page(link(job, number)))
    assert "on a timer until" in text
    assert "waits for its next attempt" in text
    assert "retried" in text


def test_an_invocation_at_a_breakpoint(operator: Browser) -> None:
    """It has stopped, is in the list of such, and can be edited and skipped."""
    job, number = failed(-5)
    job.break_at("charge")
    job.retry()
    eventually(lambda: job.counts["stopped"] == 1)
    text = operator.page(link(job, number))
    assert "has stopped at a breakpoint" in text_of(text)
    assert re.search(r"charge\.input \W+ stopped", text_of(text))
    assert {f"{link(job, number)}/edit", f"{link(job, number)}/skip"} <= set(
        re.findall('href="([^"]*)"', text)
    )
    for state in ("", "&state=stopped", "&state=failed"):
        found = operator.page(f"/jobs/{job.job_id}/invocations?routine=charge{state}")
        assert f'href="{link(job, number)}"' in found, state
    assert job.progress().waiting == {"breakpoint": 1}
    job.cancel()


def test_pages_of_a_job_lead_to_its_invocations(operator: Browser) -> None:
    """From the history, the finding, the error, and the box of the graph."""
    job, number = failed(-5)
    text = operator.page(f"/jobs/{job.job_id}")
    assert text.count(f'href="{link(job, number)}"') >= 3
    assert f'href="/jobs/{job.job_id}/invocations?routine=charge" class="box' in text


def test_an_invocation_that_never_was(operator: Browser) -> None:
    job, _ = failed(-5)
    assert "There is no such invocation" in operator.page(link(job, 99999), 404)
    assert "There is no such job" in operator.page("/jobs/none/invocations/1", 404)
    assert "There is no such job" in operator.page("/jobs/none/invocations", 404)
    assert operator.get(f"/jobs/{job.job_id}/invocations/x").status_code == 404


def test_lists_of_the_invocations_of_a_routine(operator: Browser) -> None:
    """By state; without one the first list that has any."""
    job, number = failed(10, -5)
    address = f"/jobs/{job.job_id}/invocations?routine=charge"
    own = f'href="{link(job, number)}"'
    for state in ("", "&state=parked", "&state=failed"):
        assert own in operator.page(address + state), state
    assert "ValueError: -5 is no amount" in operator.page(f"{address}&state=failed")
    assert "No invocation of it is running" in operator.page(f"{address}&state=running")
    assert "This cannot be done" in operator.page(f"{address}&state=lost", 409)
    assert "no routine" in operator.page(f"/jobs/{job.job_id}/invocations?routine=none", 409)
    timed, other = waiting(-5)
    text = operator.page(f"/jobs/{timed.job_id}/invocations?routine=charge")
    assert f'href="{link(timed, other)}"' in text
    assert "on a timer" in text


# --- the job ---------------------------------------------------------------------------------


def test_a_job_has_a_timeline(operator: Browser) -> None:
    """Waiting and running are apart, as words too."""
    job, number = waiting(10, -5)
    text = operator.page(f"/jobs/{job.job_id}")
    timeline = text[text.index("<h2>Timeline") : text.index("<h2>Data")]
    assert 'class="run r-completed"' in timeline
    assert 'class="wait w-next-attempt"' in timeline
    assert re.search(r"\d m?s queue", text_of(timeline))
    assert re.search(rf"charge {number} 1 [^-]*retried", text_of(timeline))
    assert "on a timer" in timeline


def test_parents_and_children_are_links_with_their_status(operator: Browser) -> None:
    job = nested.execute("begin", {"amounts": [-5]})
    eventually(lambda: job.status == "failed", LIMIT)
    (found,) = JobState.find(parent=job.job_id)
    own = f"/jobs?parent={job.job_id}"
    for address in (f"/jobs/{job.job_id}", own, f"{own}&status=failed"):
        text = text_of(operator.page(address))
        assert re.search(rf"{found.job_id} . failed orders .* no: it has ended charge", text)
    assert found.job_id not in operator.page(f"{own}&status=running")
    text = text_of(operator.page(f"/jobs/{found.job_id}"))
    assert re.search(rf"Started by nested {job.job_id} . failed .*, which waits for this job", text)
    assert "Child jobs" not in text


def test_many_child_jobs_are_paged(operator: Browser, site: Installation) -> None:
    """The page of the job has the newest ones, and leads to all; a former release had no list."""
    jobs = orders.execute_many("fetch", [{"amounts": []}] * 60, delay=3600)
    parent, *others = jobs
    key = site.key("started_jobs", parent.job_id)
    for place, one in enumerate(others):
        site.redis.zadd(key, {one.job_id: 1_700_000_000_000 + place})
    site.redis.hset(site.key("children", parent.job_id), others[-1].job_id, "7.0.99999")
    page = operator.page(f"/jobs/{parent.job_id}")
    text = text_of(page)
    assert page.count('href="/jobs/') > 20
    assert f'href="/jobs?parent={parent.job_id}">All 59</a>' in page
    assert re.search(rf"{others[-1].job_id} . pending .*? by 7 ", text)
    assert re.search(rf"{others[-2].job_id} . pending .*? 1 on a timer no ", text)
    assert others[0].job_id not in page
    first, second = operator.pages(f"/jobs?parent={parent.job_id}")
    assert others[0].job_id in second
    assert first.count("data-row") == 50
    site.redis.delete(key)
    text = text_of(operator.page(f"/jobs/{parent.job_id}"))
    assert re.search(rf"{others[-1].job_id} . pending .*? by 7 ", text)
    for one in jobs:
        one.cancel()


def test_the_log_of_a_job(operator: Browser, site: Installation) -> None:
    job, number = failed(-5)
    address = f"/jobs/{job.job_id}/log"
    assert "No lines are kept" in operator.page(address)
    line = pack_line(1000, "ERROR", "shop", "<b>no</b> such card", "Traceback: x", 2, "w1")
    definition = site.engine.inspector.definition(job.job_id)
    name = f"{number}.{definition.index('charge')}.0"
    site.engine.store.log_lines.keep("p1", 1, 1000, [Line(job.job_id, name, line)])
    for own in (address, link(job, number)):
        text = operator.page(own)
        assert "&lt;b&gt;no&lt;/b&gt; such card" in text
        assert "attempt 2" in text_of(text)
        assert "Traceback: x" in text
    assert f'href="{address}"' in operator.page(f"/jobs/{job.job_id}")
