"""The dashboard's form that starts a job of a flow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Flow, JobState, web
from flowforge.local.server import LocalServer
from flowforge.model.times.debounce import LONGEST_KEY
from flowforge.store.definitions import definition_of
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.worker.upkeep.handler_reports import HandlerReports
from tests.integration.form_flows import Order, checkout, ship
from tests.integration.installation import LIMIT, Installation, installed
from tests.integration.web_client import Browser, dashboard
from tests.integration.web_jobs import text_of
from tests.integration.web_pair import paired
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")

FORM = "/flows/run?id=checkout"
SECRET = "4242-very-secret"
HOSTILE = "<script>alert(1)</script>"

#: What a form of this entry has, by the names of its fields.
ORDER = {"order_id": "7", "card": SECRET, "customer": HOSTILE}


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by the module: a worker that has the flow, and an earlier job."""
    directory = tmp_path_factory.mktemp("run")
    with installed(server, directory, ("tests.integration.form_flows",)) as installation:
        installation.fleet.start(pool="threads", concurrency=1)
        first = {"order_id": 1, "card": SECRET, "customer": "ann", "tags": ["old"]}
        checkout.execute("order", first).wait(LIMIT)
        records = HandlerRecords(installation.engine.store)
        name = f"{Order.__module__}.Order"
        eventually(lambda: records.read([name]), message="the worker's word on its handlers")
        yield installation


def typed(client: Browser, **values: str) -> dict[str, str]:
    """The form's fields with these values; params are named as their handler names them."""
    page = client.page(FORM)
    keys = dict(re.findall(r'<label><bdi>([^<]+)</bdi>.*?name="(param\.\d+)"', page, re.DOTALL))
    return {keys.get(name, name): value for name, value in values.items()}


def started(page: str) -> JobState:
    """The job that a page is about."""
    found = re.search(r"<h1><bdi>checkout</bdi> <code>([^<]+)</code>", page)
    assert found is not None, page
    return JobState(found[1])


def test_a_job_is_started_from_the_form(admin: Browser) -> None:
    """Each value arrives as its handler takes it, and the form ends on the job's page."""
    fields = typed(
        admin, **ORDER, amount="2.25", gift="true", currency="USD", tags='["a", "b"]',
        further='{"note": null}', labels="tenant=acme 'who=Ann B'", priority="3",
        start_within="10m", finish_within="2h",
    )  # fmt: skip
    page = admin.act(FORM, values=fields)
    job = started(page)
    assert f"Job {job.job_id} has begun." in page
    job.wait(LIMIT)
    row = JobRows(job._engine.store).row(job.job_id)
    assert (row["start_within"], row["finish_within"]) == (b"600000", b"7200000")
    assert job.labels == {"tenant": "acme", "who": "Ann B"}
    (given,) = [one.params for one in job.outputs]
    assert given == {"shipped": 7}
    assert job.params == {
        "order_id": 7, "card": "***", "customer": HOSTILE, "amount": 2.25, "gift": True,
        "currency": "USD", "tags": ["a", "b"], "note": None,
    }  # fmt: skip


def test_the_form_says_what_each_param_may_be(admin: Browser) -> None:
    """With defaults, choices, and the params of the newest job but for its secrets."""
    page = admin.page(FORM)
    text = text_of(page)
    for part in (
        "order_id (required)", "a whole number", "empty for the default: 1.5", "true or false",
        "a secret: it is shown and kept nowhere", "params of other names too",
    ):  # fmt: skip
        assert part in text, part
    assert re.search(r'type="password" name="param\.1"', page)
    assert "<option>EUR</option><option>USD</option>" in page
    assert "the newest job had" in text
    assert SECRET not in page


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("order_id", "seven", "It must be a whole number."),
        ("order_id", "", "It needs a value."),
        ("customer", "", "For an empty text write"),
        ("amount", "much", "It must be a number."),
        ("amount", "1e999", "It must be a number."),
        ("gift", "perhaps", "It must be true or false."),
        ("currency", "DM", "It is none of EUR, USD."),
        ("tags", "{", "It is no JSON"),
        ("tags", '{"a": 1}', "It must be a JSON list"),
        ("further", "[1]", "it must be one JSON object"),
        ("further", '{"order_id": 9}', "They are given twice: order_id."),
        ("further", f'{{"card": "{SECRET}"}}', "Secret params have fields of their own: card."),
        ("labels", "tenant", "tenant is no label"),
        ("labels", "a='b", "No closing quotation"),
        ("priority", "12", "It must be a whole number from 0 to 9."),
        ("start_within", "soon", "It is no length of time"),
        ("finish_within", "0", "It must be above 0 seconds"),
        ("delay", "soon", "It is no length of time"),
        ("debounce", "k", "Say how long it waits after the latest call."),
        ("debounce_wait", "5", "It needs a key."),
        ("single", "k" * 1001, "1,000 is the most"),
        ("debounce", "k" * 1001, "Say how long it waits"),
        ("when_running", "queue", "needs single"),
        ("when_running", "kill", "when_running must be"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    admin: Browser, field: str, value: str, error: str
) -> None:
    """What was typed stays, secrets are never sent back, and nothing is started."""
    before = JobState.find(flow="checkout")[0].job_id
    reply = admin.act(FORM, 409, typed(admin, **{**ORDER, field: value}))
    beside = re.findall(r'class="error" id="[^"]+-error"><bdi>([^<]*)</bdi>', reply)
    assert len(beside) == 1
    assert error in beside[0].replace("&#34;", '"').replace("&#39;", "'")
    assert 'aria-invalid="true"' in reply
    assert "Nothing was started" in reply
    assert SECRET not in reply
    assert "<script>alert" not in reply
    if field not in ("order_id",):
        assert 'value="7"' in reply
    if field not in ("customer",):
        assert "&lt;script&gt;alert(1)" in reply
    assert JobState.find(flow="checkout")[0].job_id == before


def test_a_text_may_be_empty_as_json(admin: Browser) -> None:
    fields = typed(admin, **{**ORDER, "customer": "", "further": '{"customer": ""}'})
    params = started(admin.act(FORM, values=fields)).params
    assert params is not None
    assert params["customer"] == ""


def test_a_key_finds_the_first_job(admin: Browser) -> None:
    """The second form starts nothing, and says so."""
    first = started(admin.act(FORM, values=typed(admin, **ORDER, key="order-7")))
    page = admin.act(FORM, values=typed(admin, **ORDER, key="order-7"))
    assert started(page).job_id == first.job_id
    assert f"Nothing was started: job {first.job_id} has this idempotency key" in page


def test_a_form_that_is_sent_twice(admin: Browser) -> None:
    """As by a double click: it starts one job. The same page loaded again starts another."""
    data = {**admin.hidden(admin.page(FORM)), **typed(admin, **ORDER)}
    first = started(admin.post(FORM, data=data).text)
    again = admin.post(FORM, data=data).text
    assert started(again).job_id == first.job_id
    assert f"This form has started job {first.job_id} before, and nothing now." in again
    assert started(admin.act(FORM, values=typed(admin, **ORDER))).job_id != first.job_id


@pytest.mark.parametrize("field", ["debounce", "single"])
def test_a_key_is_as_long_as_execute_takes_it(admin: Browser, field: str) -> None:
    """A browser cuts off what is longer than a field, and would start a job with another key."""
    tag = re.search(rf'<input name="{field}"[^>]*>', admin.page(FORM))
    assert tag is not None
    assert f'maxlength="{LONGEST_KEY}"' in tag[0]


def test_a_form_starts_a_job_later(admin: Browser) -> None:
    """And says what became of calls for which an earlier job stands."""
    job = started(admin.act(FORM, values=typed(admin, **ORDER, delay="2h", single="acme")))
    assert job.starts_at is not None
    page = admin.act(FORM, values=typed(admin, **ORDER, single="acme"))
    assert f"Nothing was started: job {job.job_id} has the key and has not ended." in page
    page = admin.act(FORM, values=typed(admin, **ORDER, single="acme", when_running="replace"))
    assert job.status == "cancelled"
    assert started(page).wait(LIMIT).status == "completed"
    rule = {"debounce": "doc", "debounce_wait": "2h", "debounce_at_most": "3h"}
    page = admin.act(FORM, values=typed(admin, **ORDER, **rule))
    first = started(page)
    assert f"Job {first.job_id} was submitted." in page
    page = admin.act(FORM, values=typed(admin, **{**ORDER, "order_id": "8"}, **rule))
    assert f"Job {first.job_id} waits for further calls with this key" in page
    assert first.calls == 2
    assert (first.params or {})["order_id"] == 8
    problem = admin.act(FORM, 409, typed(admin, **ORDER, **rule, keep="all"))
    assert "use keep=" in text_of(problem)
    wrong = admin.act(FORM, 409, typed(admin, **ORDER, **rule, delay="5"))
    assert "give debounce or a delay, not both" in text_of(wrong)
    first.cancel()


def test_what_is_corrected_is_the_same_form(admin: Browser) -> None:
    page = admin.act(FORM, 409, typed(admin, **{**ORDER, "order_id": "x"}))
    data = {**admin.hidden(page), **typed(admin, **ORDER)}
    assert started(admin.post(FORM, data=data).text) == started(admin.post(FORM, data=data).text)


def test_another_entry_is_chosen(admin: Browser) -> None:
    """Those that no connection leads to come first; an unknown one is refused."""
    page = admin.page(FORM)
    assert "<option selected>order.input</option><option>ship.input</option>" in page
    address = f"{FORM}&entry=ship.input"
    job = started(admin.act(address, further='{"order_id": 5}')).wait(LIMIT)
    assert [one.params for one in job.outputs] == [{"shipped": 5}]
    assert "has no entry" in admin.page(f"{FORM}&entry=pack", 404)
    assert "has no job" in text_of(admin.page("/flows/run?id=unknown", 404))
    assert "no job of version" in admin.page(f"{FORM}&version=0", 404)


def test_operators_run_flows(site: Installation) -> None:
    """A viewer has no button, and may not."""
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        assert "/flows/run" not in viewer.page("/flows/one?id=checkout")
        viewer.page(FORM, 403)
    with dashboard(site.engine, web.Role.OPERATOR) as operator:
        assert "/flows/run?id=checkout" in operator.page("/flows/one?id=checkout")
        assert operator.page(FORM)


def test_a_flow_of_older_workers(server: LocalServer, tmp_path: Path) -> None:
    """Where no worker tells of its handlers the params are JSON, and the newest job shows which."""
    with installed(server, tmp_path) as bare, dashboard(bare.engine) as client:
        checkout.execute("order", {"order_id": 1, "card": SECRET, "customer": "ann"})
        page = client.page(FORM)
        assert "No worker has said what this handler takes" in page
        assert "&#34;customer&#34;: &#34;ann&#34;" in page
        assert SECRET not in page
        job = started(client.act(FORM, 200, {"param.0": SECRET}, further='{"order_id": 2}'))
        assert job.params == {"order_id": 2, "card": "***"}
        # A damaged word is none.
        bare.redis.hset(bare.key("handlers"), f"{Order.__module__}.Order", b"\x00")
        assert "No worker has said" in client.page(FORM)
        assert HandlerReports(bare.engine.store).run_once() > 0
        assert "No worker has said" not in client.page(FORM)


def test_a_job_goes_to_any_server(server: LocalServer) -> None:
    """Also to one that has had no job of the flow; a key finds its job on whichever it is."""
    with paired(server) as both, dashboard(both) as client:
        checkout.execute("order", {"order_id": 1, "card": SECRET, "customer": "ann"})
        asked = {"further": '{"order_id": 2}'}
        jobs = {started(client.act(FORM, 200, asked)).job_id for _ in range(24)}
        assert {both.of(job_id) for job_id in jobs} == set(both.each)
        keyed = [started(client.act(FORM, 200, asked, key=f"k{n}")).job_id for n in range(24)]
        again = [started(client.act(FORM, 200, asked, key=f"k{n}")).job_id for n in range(24)]
        assert keyed == again
        assert {both.of(job_id) for job_id in keyed} == set(both.each)


def test_a_version_is_chosen(server: LocalServer, tmp_path: Path) -> None:
    """The newest job's is offered first; an earlier one stays usable."""
    with installed(server, tmp_path) as bare, dashboard(bare.engine) as client:
        former = Flow("checkout")
        former.add_routine(ship, "ship")
        version = definition_of(bare.engine.store, former.execute("ship").job_id)
        checkout.execute("order", {"order_id": 1, "card": SECRET, "customer": "ann"})
        assert f'<option value="{version}">' in client.page(FORM)
        job = started(client.act(f"{FORM}&version={version}", further="{}"))
        assert definition_of(bare.engine.store, job.job_id) == version
