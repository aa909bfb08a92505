"""Finding jobs: the indexes by status, flow and label, their counters, and pages along them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest

from flowforge.engine.finding import find as engine_find
from flowforge.engine.finding.find import find
from flowforge.errors import InvalidValueError
from flowforge.model.jobs.labels import INHERITED, MOST_LABELS, labels_text
from flowforge.store.fleet_reads import finding
from flowforge.store.fleet_reads.finding import Finder, Query
from flowforge.store.fleet_reads.index_walk import Found, IndexWalk
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.server.link import Argument
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.worker.upkeep.retention import Retention
from tests.contract.bench import LARGE, Bench


def found(bench: Bench, most: int = 10, **query: Any) -> list[str]:
    return [one.job_id for one in Finder(bench.store).find(Query(**query), most)]


def submitted(bench: Bench, number: int, **changes: Any) -> list[str]:
    """Jobs a second apart, the oldest first."""
    jobs = [bench.submit(**changes) for _ in range(number)]
    for place, job in enumerate(jobs):
        age(bench, job, 1_700_000_000_000 + 1000 * place)
    return jobs


def age(bench: Bench, job: str, created: int) -> None:
    """Change when a job was created."""
    entry = bench.hash("entries").get(job, b"").decode().split("\n")
    row = bench.row(job)
    places = [("status", row["status"]), ("flow", row["flow"]), *(("label", e) for e in entry[1:])]
    for index, about in places:
        bench.link.call("ZADD", bench.key(index, about), "XX", created, job)
    bench.link.call("HSET", bench.key("job", job), "created", created)


def counts(bench: Bench) -> dict[str, int]:
    return {field: int(count) for field, count in bench.hash("flow_counts").items()}


def test_jobs_are_found_by_flow_status_and_labels(bench: Bench) -> None:
    """All that are asked for hold together; the newest job comes first."""
    old, new = submitted(bench, 2, labels="stage=paid\ntenant=acme")
    (other,) = submitted(bench, 1, flow_id="rare", labels="tenant=acme")
    age(bench, other, 1_600_000_000_000)
    bench.store.control.cancel(new, "")
    assert found(bench, labels={"tenant": "acme"}) == [new, old, other]
    assert found(bench, labels={"tenant": "acme", "stage": "paid"}) == [new, old]
    assert found(bench, labels={"tenant": "acme"}, flow_id="rare") == [other]
    assert found(bench, labels={"tenant": "acme"}, status="cancelled") == [new]
    assert found(bench, flow_id="flow", status="pending") == [old]
    assert found(bench, flow_id="flow") == [new, old]
    assert found(bench) == [new, old, other]
    assert found(bench, labels={"tenant": "none"}) == found(bench, flow_id="none") == []


def test_jobs_are_found_by_time(bench: Bench) -> None:
    """Bounds are times, both included, or so long before the server's now."""
    jobs = submitted(bench, 4)
    since, until = (datetime.fromtimestamp(1_700_000_000 + n, UTC) for n in (1, 2))
    assert found(bench, since=since, until=until) == [jobs[2], jobs[1]]
    assert found(bench, flow_id="flow", until=since) == [jobs[1], jobs[0]]
    new = bench.submit()
    assert found(bench, since=timedelta(hours=1)) == [new]
    assert found(bench, status="pending", until=timedelta(hours=1)) == jobs[::-1]


def test_jobs_are_found_by_text(bench: Bench) -> None:
    """In the id, flow id, reason, error or idempotency key, in any case; patterns mean nothing."""
    failed, cancelled, keyed = (
        bench.submit(**more) for more in ({}, {}, {"idempotency_key": "4:flow/Order-9"})
    )
    bench.start(failed)
    bench.fail(failed)
    bench.store.control.cancel(cancelled, "100% sure")
    assert found(bench, text="IT BROKE") == [failed]
    assert found(bench, text="% s", flow_id="flow") == [cancelled]
    assert found(bench, text="order-9", status="pending") == [keyed]
    assert found(bench, text=failed[:14]) == [failed]
    assert found(bench, text="b.oke") == []


@pytest.mark.parametrize("query", [{}, {"flow_id": "flow"}, {"labels": {"a": "b"}}])
def test_pages_stay_stable_while_jobs_come_and_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any]
) -> None:
    """Of jobs of one millisecond too, when the last one of a page has gone, however few a call
    looks at.
    """
    monkeypatch.setattr(finding, "_LOOK", 2)
    jobs = [bench.submit(labels="a=b") for _ in range(7)]
    for job in jobs:
        age(bench, job, 1_700_000_000_000)
    newest = sorted(jobs, reverse=True)
    everything = list(Finder(bench.store).find(Query(**query), 3))
    assert [one.job_id for one in everything] == newest
    bench.submit(labels="a=b")
    cursor = everything[2].cursor
    bench.store.control.cancel(newest[2], "")
    assert found(bench, 3, after=cursor, **query) == newest[3:]
    remove(bench, newest[2])
    assert found(bench, 3, after=cursor, **query) == newest[3:]
    assert found(bench, 3, after=everything[-1].cursor, **query) == []


def remove(bench: Bench, job: str) -> None:
    """Lose the row, and let the upkeep see it."""
    bench.link.call("DEL", bench.key("job", job))
    bench.link.call("ZREM", bench.key("expiry"), job)
    Retention(bench.store).run_once()


def test_counters_follow_the_status(bench: Bench) -> None:
    """Of each flow, and what is zero is not kept."""
    jobs = [bench.submit(labels="a=b") for _ in range(3)]
    assert counts(bench) == {"pending/flow": 3}
    bench.start(jobs[0])
    bench.store.control.cancel(jobs[1], "")
    assert counts(bench) == {"pending/flow": 1, "running/flow": 1, "cancelled/flow": 1}
    bench.fail(jobs[0])
    bench.store.control.retry(jobs[0])
    assert counts(bench) == {"pending/flow": 1, "running/flow": 1, "cancelled/flow": 1}
    ((flow_id, by_status),) = Finder(bench.store).counts_by_flow().items()
    assert (flow_id, by_status["running"], by_status["failed"]) == ("flow", 1, 0)


def test_a_repeated_submission_counts_once(bench: Bench) -> None:
    """Its reply was lost, or its key is known."""
    request = bench.submission(idempotency_key="k", labels="a=b")
    for _ in range(2):
        assert bench.send(request, bench.fields()) == request.job_id
    other = bench.submission(idempotency_key="k", labels="c=d")
    assert bench.send(other, None) == request.job_id
    assert counts(bench) == {"pending/flow": 1}
    assert found(bench, labels={"c": "d"}) == []


def test_a_child_job_has_the_labels_of_its_parent(bench: Bench) -> None:
    """Those that it has at the commit, unless the handler gives others, or none."""
    parent = bench.submit(labels="tenant=acme")
    bench.start(parent)
    assert bench.store.control.label(parent, {"stage": "paid"}) is Answer.OK
    jobs = [
        bench.child("heir", labels=INHERITED),
        bench.child("own", labels="a=b"),
        bench.child("bare", flow_id="below"),
    ]
    assert bench.commit(parent, jobs=jobs) == "ok"
    labels = Inspector(bench.store).labels
    assert labels("heir") == {"stage": "paid", "tenant": "acme"}
    assert (labels("own"), labels("bare")) == ({"a": "b"}, {})
    assert found(bench, flow_id="below") == ["bare"]
    assert counts(bench) == {"running/flow": 1, "pending/flow": 2, "pending/below": 1}


def test_labels_change(bench: Bench) -> None:
    """They are set, replaced and removed, also when it is said twice, and after the end."""
    job = bench.submit(labels="stage=new\ntenant=acme")
    bench.store.control.cancel(job, "")
    for _ in range(2):
        assert bench.store.control.label(job, {"stage": "paid", "tenant": ""}) is Answer.OK
    assert Inspector(bench.store).labels(job) == {"stage": "paid"}
    assert found(bench, labels={"stage": "paid"}) == [job]
    assert found(bench, labels={"stage": "new"}) == found(bench, labels={"tenant": "acme"}) == []
    assert not bench.members("label", "tenant=acme")


def test_a_refused_label_changes_nothing(bench: Bench) -> None:
    """One too many, a job that is not there, and one that a later release has written."""
    job = bench.submit(labels=labels_text({f"n{n}": "v" for n in range(MOST_LABELS)}))
    before = bench.snapshot()
    assert bench.store.control.label(job, {"more": "v"}) is Answer.FULL
    assert bench.store.control.label("none", {"a": "v"}) is Answer.GONE
    assert bench.snapshot() == before
    assert bench.store.control.label(job, {"more": "v", "n0": ""}) is Answer.OK
    bench.link.call("HSET", bench.key("job", job), "v", 99)
    assert bench.store.control.label(job, {"a": "v"}) is Answer.NEWER


def of_a_former_release(bench: Bench, **changes: Any) -> str:
    """A job that is in no index but that of its status."""
    job = bench.submit(**changes)
    bench.link.call("ZREM", bench.key("flow", bench.row(job)["flow"]), job)
    bench.link.call("DEL", bench.key("entries"), bench.key("flow_counts"))
    return job


def test_jobs_of_a_former_release_are_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By status and flow, without an entry; they are counted when they get a label."""
    monkeypatch.setattr(finding, "_LOOK", 2)
    old = of_a_former_release(bench, flow_id="old")
    others = [bench.submit() for _ in range(3)]
    assert found(bench, flow_id="old") == found(bench, flow_id="old", status="pending") == [old]
    assert sorted(found(bench)) == sorted([old, *others])
    assert found(bench, flow_id="flow", text="flow") == found(bench, flow_id="flow")
    assert Inspector(bench.store).labels(old) == {}
    bench.start(old)
    assert counts(bench) == {"pending/flow": 3}
    assert bench.store.control.label(old, {"a": "b"}) is Answer.OK
    assert counts(bench) == {"pending/flow": 3, "running/old": 1}
    assert found(bench, labels={"a": "b"}, flow_id="old") == [old]


def test_nothing_stays_in_an_index_of_a_job_that_is_gone(bench: Bench) -> None:
    """Whether its retention has passed or its row was lost; others stay."""
    kept, lost, ended = (bench.submit(labels="a=b", flow_id="f") for _ in range(3))
    bench.store.control.cancel(ended, "")
    bench.link.call("DEL", bench.key("job", lost), bench.key("job", ended))
    Retention(bench.store).run_once()
    assert set(found(bench, labels={"a": "b"})) == {kept, ended}
    bench.link.call("ZADD", bench.key("expiry"), 1, ended)
    Retention(bench.store).run_once()
    assert found(bench, labels={"a": "b"}) == found(bench, flow_id="f") == found(bench) == [kept]
    assert counts(bench) == {"pending/f": 1}
    assert set(bench.hash("entries")) == {kept}


@LARGE
def test_rows_that_are_lost_are_looked_for_piece_by_piece(bench: Bench) -> None:
    """A run looks at some of the jobs, the next one at those behind them."""
    jobs = [bench.submit() for _ in range(700)]
    for job in jobs:
        bench.link.call("DEL", bench.key("job", job))
    duty = Retention(bench.store)
    duty.run_once()
    assert bench.hash("entries")
    for _ in range(20):
        duty.run_once()
    assert not bench.hash("entries")
    assert not counts(bench)


def test_what_is_asked_for_is_checked() -> None:
    """The error says what to give."""
    for unfit, message in [
        ({"status": "done"}, "unknown job status 'done'; known: pending"),
        ({"since": datetime(2026, 1, 1)}, "has no time zone: use datetime.now"),  # noqa: DTZ001
        ({"until": 5}, "until must be a datetime with a time zone, or a timedelta"),
        ({"after": "x"}, "cursor 'x' is none: take the cursor of a page"),
        ({"error": "ValueError"}, "is no group of errors: take the 12 digits"),
        ({"text": ""}, "text must be text, not empty"),
        ({"labels": {"a": 1}}, r"labels\['a'\] must be text, not 1"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            Query(**unfit)  # type: ignore[arg-type]


# --- while jobs come, change and go --------------------------------------------------------


class BusyLink:
    """Something happens to the jobs before each exchange with the server."""

    def __init__(self, bench: Bench, happen: Callable[[], None]) -> None:
        self._link = bench.link
        self._happen = happen

    def call(self, *command: Argument) -> Any:
        self._happen()
        return self._link.call(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        self._happen()
        return self._link.many(commands)


def busy(bench: Bench, happen: Callable[[], None]) -> Any:
    """An engine, as far as a search needs it, whose server never rests."""
    store = Store(BusyLink(bench, happen), bench.prefix)
    return SimpleNamespace(finder=Finder(store))


def pages(engine: Any, limit: int, **query: Any) -> Iterator[list[str]]:
    """All pages, each from the cursor of the one before."""
    after = None
    while True:
        page = find([engine], Query(**query, after=after), limit)
        yield [found.job_id for found, _ in page.jobs]
        if page.cursor is None:
            return
        after = page.cursor


@pytest.mark.parametrize("text", [None, "flow"])
def test_no_job_is_lost_or_found_twice_while_statuses_change(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """A list of all jobs goes along the indexes of all statuses, between which jobs move."""
    monkeypatch.setattr(finding, "_LOOK", 3)
    jobs = submitted(bench, 12)
    chooser = random.Random(7)

    def happen() -> None:
        for job in chooser.sample(jobs, 6):
            control = bench.store.control
            if bench.row(job)["status"] == "paused":
                control.resume(job)
            else:
                control.pause(job, "", None, False)
        bench.submit()

    found = [job for page in pages(busy(bench, happen), 2, text=text) for job in page]
    assert [job for job in found if job in set(jobs)] == jobs[::-1]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "query", [{"text": "SURE"}, {"labels": {"rare": "yes"}, "flow_id": "flow"}]
)
def test_pages_of_bounded_work_have_each_match_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any]
) -> None:
    """A page that has passed over many jobs ends early, and the next one goes on from there, while
    other jobs are created, end and are deleted.
    """
    monkeypatch.setattr(finding, "_LOOK", 2)
    monkeypatch.setattr(engine_find, "PASSED_OVER", 4)
    jobs = [bench.submit(labels="a=b") for _ in range(30)]
    matches = jobs[1::7]
    for place, job in enumerate(jobs):
        age(bench, job, 1_700_000_000_000 + place // 9)  # many are of one millisecond
    for job in matches:
        bench.store.control.cancel(job, "quite sure")
        bench.store.control.label(job, {"rare": "yes"})
    left = iter([job for job in reversed(jobs) if job not in matches])

    def happen() -> None:
        bench.submit()
        for job in islice(left, 3):
            bench.store.control.cancel(job, "for good")
            remove(bench, job)

    found = list(pages(busy(bench, happen), 2, **query))
    assert sorted(job for page in found for job in page) == sorted(matches)


def test_a_page_says_how_far_it_has_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is full, or has all that there are."""
    monkeypatch.setattr(finding, "_LOOK", 2)
    monkeypatch.setattr(engine_find, "PASSED_OVER", 4)
    jobs = submitted(bench, 9)
    bench.store.control.cancel(jobs[0], "sure")
    engine: Any = SimpleNamespace(finder=Finder(bench.store))
    first = find([engine], Query(text="sure"), 5)
    assert (first.jobs, first.looked_to) == ([], Found(1_700_000_005_000, jobs[5]))
    second = find([engine], Query(text="sure", after=first.cursor), 5)
    assert (second.jobs, second.looked_to) == ([], Found(1_700_000_001_000, jobs[1]))
    third = find([engine], Query(text="sure", after=second.cursor), 5)
    assert ([job.job_id for job, _ in third.jobs], third.cursor, third.looked_to) == (
        [jobs[0]], None, None
    )  # fmt: skip
    full = find([engine], Query(text="flow"), 5)
    assert (len(full.jobs), full.looked_to) == (5, None)


def test_a_cursor_behind_a_member_that_is_no_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be refused with the next page, so the search goes on to the next one."""
    monkeypatch.setattr(finding, "_LOOK", 1)
    monkeypatch.setattr(engine_find, "PASSED_OVER", 1)
    (job,) = submitted(bench, 1)
    bench.link.call("ZADD", bench.key("status", "pending"), 1_800_000_000_000, "no job:\n")
    engine: Any = SimpleNamespace(finder=Finder(bench.store))
    found = find([engine], Query(text="nothing", status="pending"), 5)
    assert found.looked_to == Found(1_700_000_000_000, job)


def test_a_walk_misses_none_of_a_millisecond_of_which_some_go(bench: Bench) -> None:
    """Those that were passed are counted from the newest on, and the count is wrong then."""
    index, names = bench.key("status", "pending"), [f"j{number}" for number in range(10)]
    bench.link.call("ZADD", index, *(part for name in names for part in (5, name)))
    exchanges = iter(range(100))

    def happen() -> None:
        if next(exchanges) == 2:
            bench.link.call("ZREM", index, "j9", "j8", "j7")

    walk = IndexWalk(BusyLink(bench, happen), [index], None, None)
    last, found = Found(5, "j5"), list[str]()
    while some := walk.behind(last, 2):
        found += [one.job_id for one in some]
        last = some[-1]
    assert found == ["j4", "j3", "j2", "j1", "j0"]
