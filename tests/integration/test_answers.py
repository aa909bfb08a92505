"""Answers from outside with a real worker: asked, answered, late, first of several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from flowforge import JobState, web
from flowforge.doctor.answers import examine_answers
from flowforge.engine.current import set_engine
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.errors import AnsweredError, InvalidValueError, JobStateError
from flowforge.local.server import LocalServer
from tests.integration.answer_flows import approvals, counted, first_of
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds, outputs
from tests.integration.web_client import ADDRESS, Browser, dashboard
from tests.integration.web_jobs import text_of
from tests.support.eventually import eventually
from tests.support.virtual_clock import VirtualClock

FLOWS = "tests.integration.answer_flows"


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    folder = tmp_path_factory.mktemp("answers")
    with installed(server, folder, (FLOWS,), timed=True, dashboard_url=ADDRESS, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def clock(shared: Installation) -> VirtualClock:
    """The fleet's clock; the engine of this process is set again behind a command."""
    set_engine(shared.engine)
    return shared.clock


@pytest.fixture
def shell(shared: Installation) -> Shell:
    return Shell(shared)


def asking(*keys: str, **options: object) -> JobState:
    """A job that expects an answer for each key, or one without a key."""
    job = approvals.execute("approve", {"keys": list(keys) or [""], **options})
    eventually(lambda: job.counts["expected"] == max(1, len(keys)))
    return job


def test_a_job_waits_for_its_answer_without_a_worker() -> None:
    """It is explained, listed, and goes on with the answer."""
    job = asking(within=3600, otherwise={"approved": False}, assign=["ops"])
    assert job.status == "running"
    assert {name: n for name, n in job.counts.items() if n} == {"expected": 1}
    (one,) = job.expectations
    assert (one.routine_id, one.slot, one.key, one.assign) == ("approve", "decision", "", ("ops",))
    assert one.until == one.since + timedelta(hours=1)
    assert one.otherwise
    (finding,) = job.explain()
    assert finding.kind == "expects"
    assert finding.what == (
        "it expects an answer for approve.decision from ops; if none comes in time, it goes on "
        "without one"
    )
    assert (finding.since, finding.until) == (one.since, one.until)
    assert finding.command == f"flowforge deliver {job.job_id} approve decision --params ..."
    assert finding.details["url"] == f"{ADDRESS}/jobs/{job.job_id}/answers/{one.invocation}"
    with pytest.raises(TimeoutError, match="it expects an answer for approve"):
        job.wait(timeout=0)
    number = job.deliver("approve", "decision", {"approved": True}, by="kim")
    assert outputs(job)[-1] == {"approved": True}
    entries = [e for e in job.get_execution_history() if e.kind in ("expects", "answered")]
    assert [(e.kind, e.invocation, e.details) for e in entries] == [
        ("expects", number, {"assign": ["ops"]}),
        ("answered", number, {"by": "kim", "to": "approve.decision"}),
    ]


def test_a_list_of_answers_is_read_in_few_looks(
    shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many jobs expect them, and however many of these are of another flow."""
    jobs = [asking(within=3600) for _ in range(12)]
    engine, looks = shared.engine, list[str]()

    def noting(told: Any) -> Any:
        def noted(*args: object) -> object:
            looks.append(str(args))
            return told(*args)

        return noted

    for name in ("call", "many"):
        monkeypatch.setattr(engine.store.link, name, noting(getattr(engine.store.link, name)))
    found = find_expectations([engine], 100).expectations
    assert {one.job_id for one in found} >= {job.job_id for job in jobs}
    assert len(looks) < 8
    looks.clear()
    assert not find_expectations([engine], 100, flow_id="another").expectations
    assert len(looks) < 8
    for job in jobs:
        job.cancel()


def test_a_later_answer_hears_who_was_first() -> None:
    """Also when the job has completed."""
    job = asking()
    job.deliver("approve", "decision", {"approved": True}, by="kim", delivery_id="d-1")
    job.wait(LIMIT)
    assert job.deliver("approve", "decision", {"approved": True}, delivery_id="d-1") == 2
    with pytest.raises(AnsweredError) as late:
        job.deliver("approve", "decision", {"approved": False}, by="lee")
    assert late.value.by == "kim"
    assert re.fullmatch(
        rf"job {job.job_id} takes no answer for approve.decision: kim has answered at .* UTC; "
        "the job is completed",
        str(late.value),
    )


def test_an_answer_has_to_fit_its_form() -> None:
    """The question stays open."""
    job = asking(form=True)
    with pytest.raises(InvalidValueError, match="the param 'approved' is missing"):
        job.deliver("approve", "decision", {})
    assert job.counts["expected"] == 1
    for routine, slot, known in (("approve", "desision", "decision"), ("aprove", "x", "approve")):
        with pytest.raises(ValueError, match=known):
            job.deliver(routine, slot, {"approved": True})
    job.deliver("approve", "decision", {"approved": True})
    assert job.wait(LIMIT).status == "completed"


def test_an_answer_is_compared_with_the_form_of_what_is_open_by_then(
    shared: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the question is asked between the look at its form and the answer."""
    job, reader = asking(form=True), shared.engine.store.expectations
    looks, look = [], reader.open_number

    def later(*arguments: Any) -> int | None:
        looks.append(arguments)
        return look(*arguments) if len(looks) > 1 else None

    monkeypatch.setattr(reader, "open_number", later)
    with pytest.raises(InvalidValueError, match="the param 'approved' is missing"):
        job.deliver("approve", "decision", {})
    assert (len(looks), job.counts["expected"]) == (2, 1)
    job.deliver("approve", "decision", {"approved": True})
    assert job.wait(LIMIT).status == "completed"


def test_the_time_goes_on_in_a_pause_and_fails_the_job(clock: VirtualClock) -> None:
    """The error names the slot; a retry waits for the whole time again."""
    job = asking("a", within=3600)
    job.pause()
    clock.advance(hours=1)
    clock.run_until_quiet()
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["message"].startswith("no answer for approve.decision for 'a' had come when")
    (finding,) = job.explain()
    assert finding.command == f"flowforge retry {job.job_id}"
    job.retry()
    (one,) = job.expectations
    assert one.until is not None
    job.reschedule(one.invocation, delay=7200)
    clock.advance(hours=1)
    job.deliver("approve", "decision", {"approved": True}, key="a")
    assert job.wait(LIMIT).status == "completed"


def test_otherwise_goes_on_without_an_answer(clock: VirtualClock) -> None:
    """A join of all has waited for it."""
    job = counted.execute(
        "approve", {"keys": ["a", "b"], "within": 3600, "otherwise": {"approved": False}}
    )
    eventually(lambda: job.counts["expected"] == 2)
    job.deliver("approve", "decision", {"approved": True}, key="b")
    eventually(lambda: not job.counts["queued"] + job.counts["running"])
    assert job.open_joins
    clock.advance(hours=1)
    assert outputs(job)[-1] == {"approved": 1, "all": 2}


def test_the_first_of_several_answers(clock: VirtualClock) -> None:
    """The other one is not expected any more; the end of the time takes both away."""
    job, late = first_of.execute("first"), first_of.execute("first", {"within": 60})
    eventually(lambda: job.counts["expected"] == late.counts["expected"] == 2)
    assert [one.any_of for one in job.expectations] == [(2, 3), (2, 3)]
    job.deliver("first", "yes", {"n": 1}, by="kim")
    with pytest.raises(AnsweredError, match=r"kim has answered first.yes in place of it"):
        job.deliver("first", "no")
    assert outputs(job) == [{"n": 1}]
    clock.advance(minutes=1)
    assert outputs(late) == [{"why": "late"}]
    with pytest.raises(AnsweredError, match=r"the end of its time has answered first\.no"):
        late.deliver("first", "yes")


def test_what_is_expected_twice_fails_the_job() -> None:
    """In one attempt by an error of the handler; by two invocations at the commit."""
    job = approvals.execute("approve", {"keys": ["a", "a"]}).wait(LIMIT)
    assert job.error is not None
    assert "is expected twice: give each its own key" in job.error["message"]
    job = asking("a")
    (number,) = (one.invocation for one in job.expectations)
    again = job.fork([1])
    eventually(lambda: again.counts["expected"] == 1)
    with pytest.raises(JobStateError, match="an answer that the job still expects"):
        job.fork([number])
    with pytest.raises(JobStateError, match="waits for an answer from outside"):
        job.edit(number, {"x": 1})


def test_reminders_are_in_the_history(clock: VirtualClock) -> None:
    """Until the answer."""
    job = asking(remind=3600)
    for _ in range(2):
        clock.advance(hours=1)
        clock.run_until_quiet()
    assert kinds(job).count("reminded") == 2
    job.cancel()


def test_the_command_line_lists_and_answers(shell: Shell) -> None:
    """The oldest first, by assignee, flow or job."""
    first = asking("k1", assign=["cli"], form=True)
    second = asking(assign=["cli"])
    table = shell.run("expects", "--assign", "cli").stdout
    assert table.index(first.job_id) < table.index(second.job_id)
    assert "approve.decision for 'k1'" in table
    listed = json.loads(shell.run("expects", "--assign", "cli", "--limit", "1", "--json").stdout)
    assert [one["job_id"] for one in listed["expectations"]] == [first.job_id]
    assert listed["expectations"][0]["form"]["required"] == ["approved"]
    rest = shell.run("expects", "--assign", "cli", "--cursor", listed["cursor"], "--json").stdout
    assert [one["job_id"] for one in json.loads(rest)["expectations"]] == [second.job_id]
    assert second.job_id in shell.run("expects", "--job", second.job_id).stdout
    assert "nothing expects" in shell.run("expects", "--flow", "none").stdout
    answer = ("deliver", first.job_id, "approve", "decision", "--key", "k1")
    assert (
        "approved must be of type boolean"
        in shell.run(*answer, "--param", "approved=7", code=1).stderr
    )
    shell.run(*answer, "--params", '{"approved": true}', "--by", "kim")
    assert first.wait(LIMIT).status == "completed"
    assert "kim has answered" in shell.run(*answer, "--param", "approved=true", code=1).stderr
    early = (
        "deliver",
        second.job_id,
        "approve",
        "decision",
        "--key",
        "typo",
        "--param",
        "approved=1",
    )
    said = shell.run(*early).stderr
    assert "it is kept until something does\nthe job expects now: approve.decision\n" in said
    second.cancel()


def test_the_doctor_and_metrics_tell_of_answers(
    clock: VirtualClock, shell: Shell, shared: Installation
) -> None:
    """Those of more than a week are a warning."""
    job = asking("old")
    metrics = shell.run("metrics", "--once").stdout
    (count,) = re.findall(r"^flowforge_expected_answers{[^}]*} (\d+)", metrics, re.M)
    assert int(count) >= 1
    clock.advance(days=8)
    (finding,) = examine_answers(shared.engine)
    assert (finding.level, finding.check) == ("warn", "answers")
    assert "for more than 7 days" in finding.text
    job.cancel()


# --- on the dashboard ------------------------------------------------------------------------


@pytest.fixture
def operator(shared: Installation) -> Iterator[Browser]:
    with dashboard(shared.engine, web.Role.OPERATOR) as client:
        yield client


@pytest.fixture
def visitor(shared: Installation) -> Iterator[Browser]:
    """Nobody who has logged in."""
    with Browser(web.app(shared.engine, authentication=web.Token("x" * 16))) as client:
        yield client


def test_the_dashboard_lists_and_answers(operator: Browser, shared: Installation) -> None:
    """The form is that of the schema; what is wrong is said beside its field."""
    job = asking("k", form=True, assign=["web"], within=3600)
    page = operator.page("/answers?assign=web")
    address = f"/jobs/{job.job_id}/answers/2"
    assert f'href="{address}"' in page
    assert "approve.decision for &#39;k&#39;" in page
    assert address not in operator.page("/answers?assign=another")
    form = operator.page(address)
    assert "Whether it is paid." in form
    assert '<input type="password" name="param.1"' in form
    with dashboard(shared.engine, web.Role.VIEWER) as viewer:
        assert address not in viewer.page("/answers?assign=web")
        viewer.page(address, 403)
    assert "It needs a value." in operator.act(address, 409)
    assert "was delivered" in operator.act(address, values={"param.0": "true"})
    assert job.wait(LIMIT).status == "completed"
    assert "does not wait for this answer any more" in operator.page(address, 409)
    answered = next(e for e in job.get_execution_history() if e.kind == "answered")
    assert answered.details["by"].startswith("token-")


@pytest.mark.parametrize("by_link", [False, True], ids=["page", "link"])
def test_a_form_has_the_titles_of_its_fields(
    operator: Browser, visitor: Browser, by_link: bool
) -> None:
    """In their order, with names that differ, by which an answer is refused; none of references."""
    colour = {"title": "Colour", "description": "Of a car.", "enum": ["red", "blue"]}
    properties: dict[str, Any] = {
        "approved": {"type": "boolean", "title": "Pay <it>?", "description": "Within a week."},
        "po_number": {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "PO Number"},
        "paint": {"$ref": "#/$defs/Colour"},
        "trim": {"$ref": "#/$defs/Colour", "title": "Of the trim"},
    }
    job = asking("k", form={"properties": properties, "$defs": {"Colour": colour}})
    page = visitor.page(link_of(job)) if by_link else operator.page(f"/jobs/{job.job_id}/answers/2")
    labels = re.findall(r"<label>(.*?)<(?:select|input)", page, re.DOTALL)
    assert [text_of(one) for one in labels] == [
        "Pay &lt;it&gt;? approved", "PO Number", "paint", "Of the trim trim", "pin"
    ]  # fmt: skip
    assert "Within a week." in page
    assert "Of a car." not in page
    assert page.count("<option>red</option>") == 2
    job.cancel()


def test_pages_of_a_job_lead_to_its_answers(operator: Browser, shared: Installation) -> None:
    """The job, the invocation, and the overview; viewers see what is waited for."""
    job = asking(*(f"k{number:02}" for number in range(25)), within=3600, assign=["pages"])
    own = f"/jobs/{job.job_id}"
    page = operator.page(own)
    assert page.count(f'href="{own}/answers/') == 20
    assert "and 5 more" in page
    assert "answer for approve.decision is expected" in operator.page("/")
    form = f"{own}/answers/3"
    page = operator.page(f"{own}/invocations/3")
    assert "expects an answer" in page
    assert f'href="{form}"' in page
    with dashboard(shared.engine, web.Role.VIEWER) as viewer:
        for address in (own, f"{own}/invocations/3", "/"):
            page = viewer.page(address)
            assert "approve.decision" in page
            assert f"{own}/answers/" not in page
    at = f"{own}/invocations/3/reschedule"
    assert "Until when is this answer waited for?" in operator.page(at)
    assert "has another time" in operator.act(at, values={"when": "3h"})
    assert "not waited for any more" in operator.page(f"{own}/invocations/3/skip")
    assert "is skipped" in operator.act(f"{own}/invocations/3/skip")
    assert job.counts["expected"] == 24
    job.cancel()
    assert "Answers that it waits for" not in operator.page(own)


def test_the_only_answer_is_one_click_away(operator: Browser) -> None:
    """From what needs a person, to its form."""
    for found in JobState.find(flow="approvals", status="running"):
        found.cancel()
    job = asking("k", assign=["<b>&"])
    page = operator.page("/")
    assert f'href="/jobs/{job.job_id}/answers/2"' in page
    assert "from &lt;b&gt;&amp;" in page
    assert "1 answer<" in page
    job.cancel()


def link_of(job: JobState) -> str:
    """The path of the link that the handler has sent on."""
    (sent,) = eventually(lambda: [o.params["url"] for o in job.outputs if o.event == "asked"])
    url: str = sent
    assert url.startswith(f"{ADDRESS}/answer/{job.job_id}/")
    return url.removeprefix(ADDRESS)


@pytest.mark.attack(what="Programs that look at messages open a link before its reader does")
def test_a_link_takes_one_answer_without_a_login(visitor: Browser, shared: Installation) -> None:
    """GET and HEAD change nothing; afterwards the link says what became of the question."""
    job = asking("k", form=True)
    link = link_of(job)
    for _ in range(2):
        reply = visitor.get(link)
        assert reply.status_code == 200
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cache-control"] == "no-store"
        assert visitor.head(link).status_code == 200
    assert job.counts["expected"] == 1
    token = link.rpartition("/")[2]
    stored = [
        shared.redis.hgetall(shared.key(name, job.job_id)) for name in ("answers", "expectations")
    ]
    assert token.encode() not in repr(stored).encode()
    assert "It needs a value." in visitor.act(link, 409)
    assert "Your answer was delivered." in visitor.act(link, values={"param.0": "true"})
    assert job.wait(LIMIT).status == "completed"
    assert "the link has answered" in visitor.page(link, 410)


def test_a_read_only_dashboard_takes_no_answers(shared: Installation) -> None:
    """Its links say so before anything is typed."""
    job = asking("k", form=True)
    application = web.app(shared.engine, authentication=web.Token("x" * 16), read_only=True)
    with Browser(application) as client:
        assert "This dashboard is read-only" in client.page(link_of(job), 403)
    job.cancel()


@pytest.mark.attack(
    what="The form of a link is sent from another site, or with no token or another link's"
)
def test_a_link_takes_only_its_own_form(visitor: Browser) -> None:
    """Origin and form token are looked at as for those who are logged in."""
    job, other = asking("k", form=True), asking("k", form=True)
    link, fields = link_of(job), {"param.0": "true"}
    assert visitor.post(link, data=fields).status_code == 403
    foreign = {**visitor.hidden(visitor.page(link_of(other))), **fields}
    assert visitor.post(link, data=foreign).status_code == 403
    own = {**visitor.hidden(visitor.page(link)), **fields}
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert visitor.post(link, data=own, headers=elsewhere).status_code == 403
    assert job.counts["expected"] == 1
    assert visitor.post(link, data=own).status_code == 200
    assert other.counts["expected"] == 1
    other.cancel()
    assert visitor.get(link_of(other)).status_code == 404


@pytest.mark.attack(what="Links are guessed")
def test_an_address_that_guesses_links_is_refused(visitor: Browser) -> None:
    """After 20 wrong ones of a job in a minute; those of other jobs go on."""
    job, other = asking("k"), asking("k")
    link = link_of(job)
    statuses = [visitor.get(f"/answer/{job.job_id}/guess{n}").status_code for n in range(21)]
    assert statuses == [404] * 20 + [429]
    assert visitor.get(link).status_code == 429
    assert visitor.get(link_of(other)).status_code == 200
    assert visitor.get("/answer/x:y/guess").status_code == 404
    for one in (job, other):
        one.cancel()
