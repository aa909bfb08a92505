"""The dashboard's pages of flows: counts by status, and one flow with graph, versions and jobs."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from flowforge import Flow, Routine, routine
from flowforge.store.definitions import definition_of
from flowforge.store.fleet_reads.throughput import Throughput
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, fail_job

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>/a?b#c&d"


@routine(events=["paid"])
def charge(self: Routine, amount: int) -> None:
    """Nothing is done: no worker is there."""


@routine
def ship(amount: int) -> None:
    """Nothing is done either."""


def shop(flow_id: str = "shop", *, ships: bool = True, queue: str | None = None) -> Flow:
    flow = Flow(flow_id)
    flow.add_routine(charge, "charge")
    if ships:
        flow.add_routine(ship, "ship", queue=queue)
        flow.connect("charge", "paid", "ship", "input")
    return flow


def test_no_flows(admin: Browser) -> None:
    assert "There are no jobs yet" in admin.page("/flows")
    assert "no such flow" in admin.page("/flows/one?id=shop", 404)
    assert "no such flow" in admin.page("/flows/one", 404)


def test_each_flow_has_its_counts(site: Installation, admin: Browser) -> None:
    """By status; each count leads to these jobs."""
    jobs = [shop().execute("charge", {"amount": 1}) for _ in range(3)]
    fail_job(site.engine, jobs[0])
    jobs[1].pause("look")
    shop("mail").execute("charge", {"amount": 1})
    text = admin.page("/flows")
    rows = dict(re.findall(r'one\?id=([^"]+)".*?</th>(.*?)</tr>', text, re.DOTALL))
    assert list(rows) == ["mail", "shop"]
    links = dict(re.findall(r'href="(/jobs\?[^"]+)">(\d+)<', rows["shop"]))
    assert sorted(links.values()) == ["1", "1", "1"]
    (failed,) = [link for link in links if "failed" in link]
    found = admin.page(failed.replace("&amp;", "&"))
    assert jobs[0].job_id in found
    assert jobs[1].job_id not in found


def test_flows_are_found_by_a_part_of_the_name(admin: Browser) -> None:
    for flow_id in ("shop", "mail"):
        shop(flow_id).execute("charge", {"amount": 1})
    text = admin.page("/flows?name=SHO")
    assert "id=shop" in text
    assert "id=mail" not in text
    assert "There is no such flow" in admin.page("/flows?name=none")


def test_a_flow_shows_its_graph_and_its_jobs(admin: Browser) -> None:
    job = shop(queue="parcels").execute("charge", {"amount": 1})
    text = admin.page("/flows/one?id=shop")
    for part in ("<svg", "paid → ship.input", "parcels", "test_web_flows.ship", job.job_id):
        assert part in text, part
    assert len(re.findall('class="box"', text)) == 2


def test_a_flow_shows_which_versions_its_jobs_have(site: Installation, admin: Browser) -> None:
    """The newest is drawn."""
    old = shop(ships=False)
    jobs = [old.execute("charge", {"amount": 1}) for _ in range(2)]
    jobs.append(shop().execute("charge", {"amount": 1}))
    names = [definition_of(site.engine.store, job.job_id) for job in jobs]
    text = admin.page("/flows/one?id=shop")
    found = re.findall(r'<th scope="row"><code>(\w+)</code></th><td>(\d+)</td>', text)
    assert found == [(names[2], "1"), (names[0], "2")]
    assert "the latest: 3" in text
    assert "ship.input" in text


def test_a_definition_that_is_gone_is_said(site: Installation, admin: Browser) -> None:
    """The jobs are shown all the same."""
    job = shop().execute("charge", {"amount": 1})
    name = definition_of(site.engine.store, job.job_id)
    assert name is not None
    site.redis.delete(site.key("definition", name))
    text = admin.page("/flows/one?id=shop")
    assert "The graph cannot be shown" in text
    assert job.job_id in text


def test_names_are_text_and_nothing_else(admin: Browser) -> None:
    """Also where the name has what an address is made of."""
    shop(HOSTILE).execute("charge", {"amount": 1})
    text = admin.page("/flows")
    assert "<script>alert" not in text
    found = re.search(r'href="(/flows/one[^"]+)"', text)
    assert found is not None
    text = admin.page(found[1].replace("&amp;", "&"))
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert admin.get(f"/flows/one?id={quote(HOSTILE, safe='')}").status_code == 200


def test_what_was_done_lately_is_drawn(
    site: Installation, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the overview, in the list of flows and on the page of a flow; also as a table."""
    assert "Nothing is known yet" in admin.page("/")
    shop().execute("charge", {"amount": 1})
    store = site.engine.store
    minute = site.engine.overview.now() // 60_000

    def forget() -> None:
        # No worker keeps a minute that has long been over, as the test does now.
        monkeypatch.setattr(site.engine, "throughput", Throughput(store))

    forget()
    for ago in (30, 2, 1, 0, -1):
        totals = "10 7 1 0 20 0 0" if ago > 1 else "13 9 2 0 25 0 0"
        store.tallies.keep_minute(minute - ago, 600_000, {"shop": totals})
    for address in ("/", "/?period=none", "/flows/one?id=shop"):
        text = admin.page(address)
        for words in (
            "Jobs created: 3 in all, at most 3 in a minute",
            "Jobs completed: 2 in all",
            "Jobs failed: 1 in all",
            "Attempts: 5 in all",
            "<td>3</td><td>2</td><td>1</td><td>5</td>",
        ):
            assert words in text, (address, words)
    for address in ("/", "/flows"):
        text = admin.page(address)
        assert 'aria-label="Jobs ended: 3 in all' in text, address
    quarter = minute // 15 * 15
    for ago, totals in ((60, "1 0 0 0 0 0 0"), (45, "8 0 0 0 0 0 0")):
        store.tallies.keep_minute(quarter - ago, 600_000, {"shop": totals})
    forget()
    for address in ("/?period=day", "/flows/one?id=shop&period=day"):
        assert "at most 7 in a quarter of an hour" in admin.page(address), address
    many = {f"f{number}": "900 500 400 0 900 0 0" for number in range(100)}
    store.tallies.keep_minute(quarter - 30, 600_000, dict.fromkeys(many, "0 0 0 0 0 0 0"))
    store.tallies.keep_minute(quarter - 15, 600_000, many)
    forget()
    assert len(admin.page("/?period=day")) < 60_000
