"""Mending on the dashboard: each action asks, is done once, and names who was faster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest

from flowforge import Debounce, JobState, web
from flowforge.codec.binary import read_invocation
from flowforge.engine.current import set_engine
from flowforge.engine.jobs.job_report import routines
from flowforge.local.server import LocalServer
from flowforge.model import registry
from flowforge.store.invocation_reads.invocation_lookup import InvocationLookup
from tests.integration.installation import FAST, LIMIT, Installation, installed, outputs
from tests.integration.mend_flows import orders
from tests.integration.web_client import Browser, dashboard
from tests.integration.web_jobs import failed, link, text_of, waiting

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    flows = ("tests.integration.mend_flows",)
    with installed(server, tmp_path_factory.mktemp("web"), flows, **FAST) as installation:
        installation.fleet.start(pool="threads", concurrency=2)
        yield installation


@pytest.fixture
def operator(site: Installation) -> Iterator[Browser]:
    set_engine(site.engine)
    with dashboard(site.engine, web.Role.OPERATOR) as client:
        yield client


def form_of(page: str) -> dict[str, str]:
    """What a browser sends of the form, as it is: hidden fields, texts, first options."""
    form = page[page.index('<form method="post">') :]
    found = dict.fromkeys(re.findall(r'<input type="password" name="([^"]+)"', form), "")
    found |= re.findall(r'<input (?:type="hidden" )?name="([^"]+)" value="([^"]*)"', form)
    found |= re.findall(r'<textarea name="([^"]+)"[^>]*>([^<]*)</textarea>', form)
    found |= re.findall(r'<select name="([^"]+)"><option value="([^"]*)"', form)
    # As browsers send lines.
    return {name: unescape(text).replace("\n", "\r\n") for name, text in found.items()}


def field_of(page: str, param: str) -> str:
    """The name of the field of a param."""
    found = re.search(rf"<label><bdi>{param}</bdi>.*?name=\"(value\.\d+)\"", page, re.DOTALL)
    assert found is not None
    return found[1]


def send(browser: Browser, address: str, form: dict[str, str], status: int = 200) -> str:
    reply = browser.post(address, data=form)
    assert reply.status_code == status, reply.text
    return reply.text


def params_of(site: Installation, job: JobState, number: int) -> dict[str, object]:
    """The params as they are stored, with secrets."""
    definition = site.engine.inspector.definition(job.job_id)
    found = InvocationLookup(site.engine.store).find(job.job_id, definition, number)
    assert found is not None
    return read_invocation(found.record, "it")[1]


def test_the_page_of_a_failed_job_leads_to_the_edit(site: Installation, operator: Browser) -> None:
    """Of the invocation that failed it; viewers are not offered it."""
    job, number = failed(10, -5)
    assert f'href="{link(job, number)}/edit">Edit and retry</a>' in operator.page(
        f"/jobs/{job.job_id}"
    )
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        assert "Edit and retry" not in viewer.page(f"/jobs/{job.job_id}")


# --- what is put off -------------------------------------------------------------------------


def test_a_job_that_is_put_off_is_shown_and_moved(operator: Browser) -> None:
    """Lists and pages say when it starts; operators change that, and start it."""
    job = orders.execute("fetch", {"amounts": [10]}, delay=7200)
    address = f"/jobs/{job.job_id}/invocations/1"
    for page in ("/jobs", f"/jobs/{job.job_id}"):
        assert re.search(r"[Ss]tarts at .*\(in 1 h 59 min", text_of(operator.page(page)), re.DOTALL)
    page = operator.page(f"{address}/reschedule")
    said = send(operator, f"{address}/reschedule", form_of(page) | {"when": "soon"}, 409)
    assert "is no time: give one such as 30m" in text_of(said)
    before = job.starts_at
    assert "has another time" in send(
        operator, f"{address}/reschedule", form_of(page) | {"when": "1h"}
    )
    assert before is not None
    assert job.starts_at is not None
    assert 3500 < (before - job.starts_at).total_seconds() <= 3600
    late = send(operator, f"{address}/reschedule", form_of(page) | {"when": "5h"}, 409)
    assert "It was changed by" in text_of(late)
    send(operator, f"{address}/run-now", form_of(operator.page(f"{address}/run-now")))
    assert outputs(job) == [{"orders": 1, "amount": 10}]


def test_a_job_that_is_put_off_is_started_from_its_page(operator: Browser) -> None:
    """The button is there as long as the job is to start later."""
    job = orders.execute("fetch", {"amounts": [10]}, delay=7200)
    own = f"/jobs/{job.job_id}"
    assert f'href="{own}/invocations/1/reschedule">Reschedule</a>' in operator.page(own)
    assert "The job starts at once" in operator.page(f"{own}/start-now")
    assert f"Job {job.job_id} starts now." in operator.act(f"{own}/start-now")
    assert outputs(job) == [{"orders": 1, "amount": 10}]
    page = operator.page(own)
    assert "Start now" not in page
    assert "Reschedule" not in page
    assert "does not fit any more" in operator.page(f"{own}/start-now")


def test_keys_are_shown(operator: Browser) -> None:
    """Lists and pages say for what a job waits, and how many calls it stands for."""
    first = orders.execute("fetch", {"amounts": [10]}, single="acme", delay=7200)
    held = orders.execute("fetch", {"amounts": [10]}, single="acme", when_running="queue")
    listed = text_of(operator.page("/jobs"))
    assert re.search(r"waits for its turn: another job has the key\s+acme", listed)
    assert re.search(r"acme\s*, waits for its turn", text_of(operator.page(f"/jobs/{held.job_id}")))
    rule = Debounce("d", wait=7200)
    job, _ = (orders.execute("fetch", {"amounts": [10]}, debounce=rule) for _ in range(2))
    assert re.search(r"d\s*, stands for 2 calls", text_of(operator.page(f"/jobs/{job.job_id}")))
    for one in (held, first, job):
        one.cancel()


# --- edit ------------------------------------------------------------------------------------


def test_params_are_edited_and_the_job_is_retried(operator: Browser) -> None:
    """The difference is shown before; the history says who did it and why."""
    job, number = failed(10, -5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    assert "card-" not in page
    form = form_of(page)
    form[field_of(page, "amount")] = "20"
    page = send(operator, address, form)
    assert '<pre class="old">-5</pre>' in page
    assert '<pre class="new">20</pre>' in page
    assert "Then: retry the job" in page
    assert job.status == "failed"
    form = form_of(page) | {"reason": "a typing error"}
    assert "has new params, and the job was retried" in send(operator, address, form)
    assert outputs(job) == [{"orders": 2, "amount": 30}]
    history = job.get_execution_history()
    (edited,) = [entry for entry in history if entry.kind == "edited"]
    (retried,) = [entry for entry in history if entry.kind == "retry"]
    assert edited.details["by"] == retried.details["by"] != ""
    assert edited.details["changes"] == {"amount": {"old": "-5", "new": "20"}}
    assert retried.details["reason"] == "a typing error"


@pytest.mark.parametrize("mask", ["", "***", '"***"', " *** "])
def test_a_mask_is_never_written(operator: Browser, site: Installation, mask: str) -> None:
    """A secret param that nobody has touched stays what it is."""
    job, number = failed(-5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "amount"): "7", field_of(page, "card"): mask}
    form = form_of(send(operator, address, form)) | {"then": ""}
    send(operator, address, form)
    assert params_of(site, job, number) == {"order_id": 1, "amount": 7, "card": "card-1"}


def test_a_secret_is_changed_and_not_shown(operator: Browser, site: Installation) -> None:
    """Neither in the difference nor in the history."""
    job, number = failed(-5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "card"): "4000-1234", "then": ""}
    page = send(operator, address, form)
    assert "4000-1234" not in text_of(page)
    page = send(operator, address, form_of(page))
    assert "4000-1234" not in page
    assert params_of(site, job, number)["card"] == "4000-1234"


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("amount", "twenty", "It must be a whole number."),
        ("amount", "NaN", "It is no JSON (NaN is no JSON). It must be a whole number."),
        ("amount", "-5", "nothing is different"),
        ("further", "1", "does not take the param &#39;further&#39;"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_is_kept(
    operator: Browser, field: str, text: str, problem: str
) -> None:
    job, number = failed(-5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    form = form_of(page)
    if field == "further":
        form |= {"new.0": field, "new.value.0": text}
    else:
        form[field_of(page, field)] = text
    page = send(operator, address, form, 409)
    assert problem in page
    assert text in form_of(page).values()


@pytest.mark.parametrize("action", ["edit", "fork"])
def test_a_name_that_is_unknown_has_to_be_meant(
    operator: Browser, site: Installation, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """The form says so before anything is done, and has a box to tick."""
    monkeypatch.setattr(registry, "known", dict)
    job, number = failed(-5)
    address = f"{link(job, number)}/{action}"
    form = form_of(operator.page(address)) | {"new.0": "amout", "new.value.0": "7", "then": ""}
    page = send(operator, address, form, 409)
    assert "Did you mean &#39;amount&#39;? To add it" in page
    assert "amout" in form_of(page).values()
    assert 'name="new_params" value="1">' in page
    page = send(operator, address, form | {"new_params": "1"})
    page = send(operator, address, form_of(page))
    if action == "edit":
        assert params_of(site, job, number)["amout"] == 7
    else:
        assert "is a fork of job" in page


def test_a_rerun_is_checked_before_the_difference_is_shown(operator: Browser) -> None:
    job, _ = failed(-5)
    address = f"/jobs/{job.job_id}/rerun"
    form = form_of(operator.page(address)) | {"new.0": "amout", "new.value.0": "[1]"}
    page = send(operator, address, form, 409)
    assert "does not take the param &#39;amout&#39;" in page
    assert "amout" in form_of(page).values()


def test_of_two_people_one_edits(operator: Browser, site: Installation) -> None:
    """The other is told who was faster, and sees what it is now: on both of the pages."""
    job, number = failed(-5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "amount"): "7"}
    job.edit(number, {"amount": 8}, by="kim")
    page = send(operator, address, form, 409)
    assert re.search(r"It was changed by kim \d+[^ ]* m?s ago\. Nothing was done", text_of(page))
    form = form_of(page) | {field_of(page, "amount"): "7"}
    assert params_of(site, job, number)["amount"] == 8
    page = send(operator, address, form)
    job.edit(number, {"amount": 9}, by="lee")
    assert "changed by lee" in send(operator, address, form_of(page), 409)
    assert params_of(site, job, number)["amount"] == 9


# --- skip, run now ---------------------------------------------------------------------------


def test_an_invocation_is_skipped_with_an_emission(operator: Browser, site: Installation) -> None:
    """Which goes where the handler's would; the page says where that is."""
    job, number = failed(10, -5)
    address = f"{link(job, number)}/skip"
    page = operator.page(address)
    assert "charged → total.input" in text_of(page)
    form = form_of(page) | {"event.0": "charged"}
    for text, problem in (("{", "no JSON"), ("[]", "must be a JSON object")):
        assert problem in send(operator, address, form | {"params.0": text}, 409)
    typo = form | {"params.0": '{"order_id": 2, "amout": 5}'}
    assert "it declares: &#39;order_id&#39;, &#39;amount&#39;" in send(operator, address, typo, 409)
    unchosen = form | {"event.0": "", "params.0": "{}"}
    assert "choose the event" in send(operator, address, unchosen, 409)
    form["params.0"] = '{"order_id": 2, "amount": 5}'
    assert f"Invocation {number} of job {job.job_id} is skipped." in send(operator, address, form)
    page = operator.page(f"/jobs/{job.job_id}")
    # The other order may have been in turn only when the first had failed the job.
    charge = routines(site.engine, job.job_id)["charge"]
    done, attempts = charge["completed"], charge["started"]
    assert f"<title>charge: skipped, {done} done, {attempts} attempts" in page
    assert '<th scope="col">Done</th><th scope="col">Attempts</th>' in page
    job.retry()
    assert outputs(job) == [{"orders": 2, "amount": 15}]


def test_an_invocation_runs_now(operator: Browser) -> None:
    """Edited before, so that it does not fail again."""
    job, number = waiting(10, -5)
    address = f"{link(job, number)}/edit"
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "amount"): "7"}
    page = send(operator, address, form)
    assert "Then: run it now" in page
    assert "has new params, and runs" in send(operator, address, form_of(page))
    assert outputs(job) == [{"orders": 2, "amount": 17}]
    job, number = waiting(-5)
    text = operator.act(f"{link(job, number)}/run-now", 409, mark="another")
    assert "It has gone on since you looked" in text
    page = operator.page(f"{link(job, number)}/run-now")
    assert "runs." in send(operator, f"{link(job, number)}/run-now", form_of(page))


def test_of_two_people_one_skips(operator: Browser) -> None:
    job, number = waiting(-5)
    page = operator.page(f"{link(job, number)}/skip")
    job.skip(number, by="kim")
    text = text_of(send(operator, f"{link(job, number)}/skip", form_of(page), 409))
    assert "changed by kim" in text
    assert "It is skipped now" in text
    assert "this does not fit" in text


def test_of_two_people_one_pauses(operator: Browser) -> None:
    """Of a whole job too."""
    job, _ = waiting(-5)
    form = form_of(operator.page(f"/jobs/{job.job_id}/pause"))
    job.pause("look", by="kim")
    assert "changed by kim" in send(operator, f"/jobs/{job.job_id}/pause", form, 409)
    job.cancel()


# --- new jobs --------------------------------------------------------------------------------


def test_an_invocation_is_forked(operator: Browser) -> None:
    """With other params; the job itself is left as it is."""
    job, number = failed(-5)
    address = f"{link(job, number)}/fork"
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "amount"): "7"}
    page = send(operator, address, form)
    assert "A new job begins with them" in page
    page = send(operator, address, form_of(page))
    found = re.search(r"Job (\S+) is a fork of job", page)
    assert found is not None
    assert JobState(found[1]).forked_from == job.job_id
    assert outputs(JobState(found[1])) == [{"orders": 1, "amount": 7}]
    page = operator.page(f"/jobs/{found[1]}")
    assert re.search(rf'href="/jobs/{job.job_id}".*of which it is a fork', page)
    assert job.status == "failed"


def test_a_job_is_run_again(operator: Browser) -> None:
    """With its own params, and with others."""
    job, _ = failed(-5)
    address = f"/jobs/{job.job_id}/rerun"
    page = send(operator, address, form_of(operator.page(address)))
    assert "All params stay as they are" in page
    again = re.search(r"Job (\S+) runs what", send(operator, address, form_of(page)))
    assert again is not None
    assert JobState(again[1]).params == {"amounts": [-5]}
    page = operator.page(address)
    form = form_of(page) | {field_of(page, "amounts"): "[1, 2]", "definition": "same"}
    page = send(operator, address, form_of(send(operator, address, form)))
    again = re.search(r"Job (\S+) runs what", page)
    assert again is not None
    assert outputs(JobState(again[1])) == [{"orders": 2, "amount": 3}]


def test_secret_entry_params_have_to_be_given(operator: Browser) -> None:
    """They are not kept, and a mask is none."""
    job = orders.execute("charge", {"order_id": 1, "amount": 2, "card": "card-7"}).wait(LIMIT)
    address = f"/jobs/{job.job_id}/rerun"
    page = operator.page(address)
    assert "give a value for card" in send(operator, address, form_of(page), 409)
    form = form_of(page) | {field_of(page, "card"): "card-8"}
    page = send(operator, address, form_of(send(operator, address, form)))
    again = re.search(r"Job (\S+) runs what", page)
    assert again is not None
    assert outputs(JobState(again[1])) == [{"orders": 1, "amount": 2}]


def test_what_does_not_fit_is_not_offered(site: Installation, operator: Browser) -> None:
    """To viewers nothing is."""
    job, number = failed(-5)
    text = operator.page(link(job, number))
    for name in ("edit", "skip", "fork"):
        assert f"{link(job, number)}/{name}" in text
    assert "/run-now" not in text
    assert "this does not fit" in operator.page(f"{link(job, number)}/run-now")
    assert "There is no such invocation" in operator.page(f"{link(job, 99)}/edit", 404)
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        text = viewer.page(link(job, number))
        assert "/edit" not in text
        assert viewer.get(f"{link(job, number)}/edit").status_code == 403
        assert "Run again" not in viewer.page(f"/jobs/{job.job_id}")
