"""Breakpoints on the dashboard: set, stepped through and cleared, each after a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from flowforge import Flow, JobState, Routine, routine, web
from flowforge.local.server import LocalServer
from tests.integration.installation import Installation, installed
from tests.integration.web_client import Browser, dashboard
from tests.integration.web_jobs import text_of

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


class Charge(Routine):
    """Nothing is done: no worker is there."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.charge, secret=["card"])
        self.define_event("charged", ["amount"])

    def charge(self, amount: int, card: str = "") -> None:
        """Nothing."""


@routine
def mail(amount: int) -> None:
    """Nothing."""


flow = Flow("charges")
flow.add_routine(Charge(), "charge")
flow.add_routine(mail, HOSTILE)
flow.connect("charge", "charged", HOSTILE, "input")


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Without a worker: a test claims what is to stop."""
    with installed(server, tmp_path_factory.mktemp("web")) as installation:
        yield installation


def own(job: JobState, what: str, routine: str = "charge") -> str:
    return f"/jobs/{job.job_id}/{what}?routine={routine}"


def stopped(site: Installation, **options: object) -> JobState:
    """A job whose first invocation has stopped at a breakpoint."""
    job = flow.execute("charge", {"amount": 7, "card": "card-7"})
    job.break_at("charge", by="anna")
    site.engine.store.invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    assert job.counts["stopped"] == 1
    return job


def test_a_breakpoint_is_set_with_a_condition(admin: Browser) -> None:
    """From the graph and from the table; the page of the job says what there is."""
    job = flow.execute("charge", {"amount": 7})
    page = admin.page(f"/jobs/{job.job_id}")
    link = f'href="/jobs/{job.job_id}/break?routine=charge" data-action="break"'
    assert page.count(link) == 2
    assert "Breakpoints, and what has stopped there" not in page
    said = admin.act(own(job, "break"), when="amount>5\r\nnote contains late\r\n", routine="charge")
    assert f"Job {job.job_id} stops at routine charge." in said
    (found,) = job.breakpoints
    assert found.condition == "amount > 5 and note contains 'late'"
    assert found.by.startswith("token-")
    page = admin.page(f"/jobs/{job.job_id}")
    assert "amount &gt; 5 and note contains" in page
    assert '<a class="pin set"' in page
    text = text_of(admin.page(own(job, "break")))
    assert "It has a breakpoint now, set by token-" in text
    assert "This one takes its place" in text
    admin.act(own(job, "break"), when="", routine="charge")
    assert job.breakpoints[0].condition == ""


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("amount", "is no comparison such as amount&gt;100"),
        ("amount>", "has no value"),
        ("\n".join(f"amount>{n}" for n in range(21)), "has 21 comparisons; at most 20"),
    ],
)
def test_a_wrong_condition_is_said_and_kept(admin: Browser, when: str, problem: str) -> None:
    job = flow.execute("charge", {"amount": 7})
    page = admin.act(own(job, "break"), 409, when=when, routine="charge")
    assert problem in page
    assert when.partition("\n")[0].replace(">", "&gt;") in page
    assert job.breakpoints == []


def test_a_secret_of_a_condition_is_not_shown(admin: Browser) -> None:
    """Neither when it is set nor when something else is wrong with the form."""
    job = flow.execute("charge", {"amount": 7})
    page = admin.act(own(job, "break"), 409, when="card==4242\namount", routine="charge")
    assert "4242" not in page
    assert ">amount</textarea>" in page
    admin.act(own(job, "break"), when="card==4242", routine="charge")
    for address in (f"/jobs/{job.job_id}", own(job, "break"), own(job, "break/clear"), "/audit"):
        assert "4242" not in admin.page(address), address
    assert "card == ***" in admin.page(own(job, "break/clear"))


def test_an_unknown_routine_is_refused(admin: Browser) -> None:
    job = flow.execute("charge", {"amount": 7})
    for what in ("break", "break/clear", "break/continue"):
        assert "no routine" in admin.page(own(job, what, "chrage"), 409)
    assert "There is no such job" in admin.page("/jobs/none/break", 404)


def test_a_step_lets_one_go(site: Installation, admin: Browser) -> None:
    """The one that the question names, and no other; a second person is told so."""
    job = stopped(site)
    page = admin.page(f"/jobs/{job.job_id}")
    for address in (f"/jobs/{job.job_id}/step", f"/jobs/{job.job_id}/step?invocation=1"):
        assert f'href="{address}"' in page, address
        question = text_of(admin.page(address))
        assert "Let invocation 1 go?" in question
        assert "&#34;amount&#34;: 7" in question
        assert "card-7" not in question
    assert f'href="/jobs/{job.job_id}/step?invocation=1"' in admin.page(
        f"/jobs/{job.job_id}/invocations/1"
    )
    form = admin.hidden(admin.page(f"/jobs/{job.job_id}/step"))
    assert f"Invocation 1 of job {job.job_id} goes on." in admin.act(f"/jobs/{job.job_id}/step")
    assert job.counts["stopped"] == 0
    late = admin.post(f"/jobs/{job.job_id}/step", data=form)
    assert late.status_code == 409
    assert re.search(r"was let go by token-\S+ at \d", text_of(late.text))
    assert "Nothing of the job has stopped" in admin.page(f"/jobs/{job.job_id}/step")
    assert "is not stopped" in text_of(admin.page(f"/jobs/{job.job_id}/step?invocation=1"))


def test_a_form_without_an_invocation_lets_nothing_go(site: Installation, admin: Browser) -> None:
    job = stopped(site)
    page = admin.act(f"/jobs/{job.job_id}/step", 409, invocation="x")
    assert "names no invocation" in page
    assert job.counts["stopped"] == 1


def test_what_has_stopped_at_a_routine_goes_on(site: Installation, admin: Browser) -> None:
    """The breakpoint stays; of two people one continues, and the other is told who it was."""
    job = stopped(site)
    question = text_of(admin.page(own(job, "break/continue")))
    assert "charge : always, 1 stopped" in question
    assert "The breakpoint stays" in question
    form = admin.hidden(admin.page(own(job, "break/continue")))
    assert "What had stopped at routine charge goes on." in admin.act(own(job, "break/continue"))
    assert (job.counts["stopped"], len(job.breakpoints)) == (0, 1)
    late = admin.post(own(job, "break/continue"), data=form)
    assert late.status_code == 409
    assert "it was changed by token-" in text_of(late.text)


def test_what_may_have_stopped_behind_many_others_goes_on(
    site: Installation, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a look does not come to the end, a breakpoint with nothing named keeps its button."""
    job = stopped(site)
    job.break_at(HOSTILE)
    button = f'/break/continue?{urlencode({"routine": HOSTILE})}"'
    assert button not in admin.page(f"/jobs/{job.job_id}")
    monkeypatch.setattr("flowforge.web.views.job_page.LOOKED", 0)
    page = admin.page(f"/jobs/{job.job_id}")
    assert button in page
    assert "none of those that stopped first" in text_of(page)


def test_a_breakpoint_is_cleared(site: Installation, admin: Browser) -> None:
    """What has stopped there goes on."""
    job = stopped(site)
    job.break_at(HOSTILE, by="anna")
    page = admin.page(f"/jobs/{job.job_id}/break/clear")
    assert "Clear all breakpoints?" in text_of(page)
    assert HOSTILE not in page
    said = admin.act(own(job, "break/clear"))
    assert f"Job {job.job_id} has no more breakpoint at routine charge." in said
    assert [one.routine_id for one in job.breakpoints] == [HOSTILE]
    assert job.counts["stopped"] == 0
    assert "There is no breakpoint" in admin.page(own(job, "break/clear"))
    admin.act(f"/jobs/{job.job_id}/break/clear")
    assert job.breakpoints == []


def test_of_two_people_one_sets_a_breakpoint(admin: Browser) -> None:
    """The other sees what the first has set, before anything takes its place."""
    job = flow.execute("charge", {"amount": 7})
    job.break_at("charge", {"amount": (">", 1)})
    forms = {what: admin.hidden(admin.page(own(job, what))) for what in ("break", "break/clear")}
    job.break_at("charge", {"amount": (">", 5)}, by="kim")
    for what, form in forms.items():
        data = {**form, "when": "amount>9", "routine": "charge"}
        late = admin.post(own(job, what), data=data)
        assert late.status_code == 409, what
        text = text_of(late.text)
        assert re.search(r"nothing was done: it was changed by kim \d", text), what
        assert "amount &gt; 5" in text, what
    assert job.breakpoints[0].condition == "amount > 5"


def test_a_job_that_has_ended_cannot_stop(site: Installation, admin: Browser) -> None:
    job = stopped(site)
    form = admin.hidden(admin.page(own(job, "break")))
    job.cancel()
    for what in ("break", "break/clear", "break/continue"):
        assert "nothing of it can stop any more" in admin.page(own(job, what))
    late = admin.post(own(job, "break"), data={**form, "routine": "charge", "mark": "none"})
    assert late.status_code == 409
    assert 'data-action="break"' not in admin.page(f"/jobs/{job.job_id}")


def test_each_has_its_entry_in_the_audit(site: Installation, admin: Browser) -> None:
    job = stopped(site)
    admin.act(f"/jobs/{job.job_id}/step")
    admin.act(own(job, "break"), when="amount>1", routine=HOSTILE)
    admin.act(own(job, "break/clear"))
    text = text_of(admin.page(f"/audit?job={job.job_id}"))
    for action in ("step", "break", "clear breakpoint"):
        assert f" {action} " in text, action


def test_a_viewer_sees_them_and_has_no_buttons(site: Installation) -> None:
    job = stopped(site)
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        page = viewer.page(f"/jobs/{job.job_id}")
        assert "Breakpoints, and what has stopped there" in page
        assert '<circle class="pin set"' in page
        assert "data-action" not in page
        for what in ("break", "break/clear", "break/continue", "step"):
            assert "takes the role operator" in viewer.page(f"/jobs/{job.job_id}/{what}", 403)
