"""Forks: jobs that begin with copies of another one's deliveries, and the params kept for them."""

from __future__ import annotations

import pytest

from flowforge.model.limit import LimitUse, limited_mode
from flowforge.store.invocation_reads.kept_inputs import KeptInputs
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.transitions import forking
from tests.contract.bench import LONG, Bench, record

NEW = record(0, n="new")


def end(bench: Bench, job: str, how: str) -> None:
    if how == "failed":
        bench.start(job)
        bench.fail(job)
    elif how == "completed":
        bench.start(job)
        bench.commit(job)
    elif how == "cancelled":
        bench.store.control.cancel(job, "")


@pytest.mark.parametrize("how", ["pending", "failed", "completed", "cancelled"])
def test_a_fork_begins_with_the_copies(bench: Bench, how: str) -> None:
    """Each is an invocation with a message; both jobs name each other, in rows and histories."""
    origin = bench.submit(labels="a=b")
    end(bench, origin, how)
    before = bench.invocations(origin)
    request = bench.submission(labels="c=d")
    fork = request.job.job_id
    edit = b"changes"
    copies = [(0, 1, "", NEW), (1, 0, "m", NEW, edit), (1, 1, "o", NEW)]
    assert bench.fork(request, origin, copies) == "ok"
    assert bench.hash("invocations", fork) == {"1.0.1": NEW, "2.1.0.1": NEW, "3.1.1": NEW}
    assert [sent for sent in bench.sent() if sent[0] == fork] == [
        (fork, name) for name in ("1.0.1", "2.1.0.1", "3.1.1")
    ]
    assert bench.counters(fork) == (3, 0, 0, 0)
    assert fork in bench.members("label", "c=d")
    assert (bench.status(fork), bench.status(origin)) == ("pending", how)
    assert bench.invocations(origin) == before
    assert bench.row(fork)["forked_from"] == origin
    assert bench.row(origin)["forks"] == fork
    assert bench.history(fork) == [("forked_from", ""), ("edited", "2.1.0.1")]
    assert bench.history(origin)[-1] == ("forked", "")
    if how in ("failed", "completed", "cancelled"):
        assert 0 < bench.link.call("PTTL", bench.key("history", origin)) <= LONG
    assert Inspector(bench.store).params(fork) is None
    assert bench.start(fork, "1.0.1").record == NEW


def test_an_edit_of_a_merging_slot_with_a_limit_names_its_invocation(bench: Bench) -> None:
    """The limits come before what the mode says of the slot."""
    origin, request = bench.submit(), bench.submission()
    mode = limited_mode([LimitUse("vendor")], "m", {}, "here")
    assert bench.fork(request, origin, [(1, 0, mode, NEW, b"changes")]) == "ok"
    assert bench.history(request.job.job_id)[-1] == ("edited", "1.1.0.1")


def test_the_same_fork_is_made_once(bench: Bench) -> None:
    """A second request with its id, whose first reply was lost, changes nothing."""
    origin, request = bench.submit(), bench.submission()
    for _ in range(2):
        assert bench.fork(request, origin, [(0, 0, "", NEW)]) == "ok"
        stored = bench.snapshot()
    assert bench.snapshot() == stored
    assert bench.counters(request.job.job_id) == (1, 0, 0, 0)
    assert [kind for kind, _ in bench.history(origin)] == ["forked"]


def test_a_fork_of_what_is_not_there_is_refused(bench: Bench) -> None:
    """Nothing is written."""
    origin, request = bench.submit(), bench.submission()
    bench.link.call("HSET", bench.key("job", origin), "v", 99)
    stored = bench.snapshot()
    assert bench.fork(request, "none", [(0, 0, "", NEW)]) == "gone"
    assert bench.fork(request, origin, [(0, 0, "", NEW)]) == "newer"
    assert bench.snapshot() == stored
    bench.link.call("HSET", bench.key("job", origin), "v", 1)
    bench.link.call("DEL", bench.key("definition", request.common.definition))
    assert bench.fork(request, origin, [(0, 0, "", NEW)]) == "undefined"


def test_a_fork_keeps_its_definition(bench: Bench) -> None:
    """Also when the origin is forgotten."""
    origin, request = bench.submit(), bench.submission()
    bench.start(origin)
    bench.commit(origin)
    key = bench.key("definition", request.common.definition)
    assert bench.link.call("PTTL", key) > 0
    assert bench.fork(request, origin, [(0, 0, "", NEW)]) == "ok"
    assert bench.link.call("PTTL", key) == -1
    assert bench.hash("definition", request.common.definition)["active"] == b"1"


def test_a_fork_parks_what_has_no_room(bench: Bench) -> None:
    """As any job does."""
    origin, request = bench.submit(), bench.submission(max_in_flight=1)
    assert bench.fork(request, origin, [(0, 0, "", NEW)] * 3) == "ok"
    assert bench.counters(request.job.job_id) == (1, 0, 2, 0)


def test_the_origin_names_its_latest_forks(bench: Bench) -> None:
    """Ten of them."""
    origin = bench.submit()
    requests = [bench.submission() for _ in range(12)]
    for request in requests:
        bench.fork(request, origin, [(0, 0, "", NEW)])
    newest = [request.job.job_id for request in reversed(requests)]
    assert Inspector(bench.store).describe(origin)[1].forks == newest[:10]
    assert Inspector(bench.store).describe(newest[0])[1].forked_from == origin
    assert Inspector(bench.store).forked_from(origin) is None


def test_inputs_are_kept_as_long_as_their_job(bench: Bench) -> None:
    """They get its time to live with its end, and lose it with a retry."""
    job, keep = bench.submit(), bench.store.forking.keep_input
    key = bench.key("inputs", job)
    assert keep(job, "1.0.0", NEW)
    assert keep(job, "1.0.0", NEW)
    assert bench.row(job)["inputs"] == str(len(NEW))
    end(bench, job, "failed")
    assert 0 < bench.link.call("PTTL", key) <= LONG
    bench.link.call("DEL", key)
    assert keep(job, "1.0.0", NEW)
    assert 0 < bench.link.call("PTTL", key) <= LONG
    bench.store.control.retry(job)
    assert bench.link.call("PTTL", key) == -1
    bench.store.control.cancel(job, "")
    assert bench.store.control.delete(job) == "ok"
    assert key not in bench.every_key()
    assert not keep(job, "1.0.0", NEW)


def test_inputs_are_kept_up_to_a_size(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each, of all of a job, and so many of them."""
    job, keep = bench.submit(), bench.store.forking.keep_input
    monkeypatch.setattr(forking, "KEPT_INPUT", 100)
    monkeypatch.setattr(forking, "KEPT_BYTES", 250)
    monkeypatch.setattr(forking, "KEPT_INPUTS", 4)
    assert not keep(job, "1.0.0", b"x" * 101)
    assert [keep(job, f"{n}.0.0", b"x" * 100) for n in (1, 2, 3)] == [True, True, False]
    assert keep(job, "2.0.0", b"x" * 10)
    assert [keep(job, f"{n}.0.0", b"x") for n in (3, 4, 5)] == [True, True, False]
    assert bench.row(job)["inputs"] == "112"


def test_a_job_of_a_former_release_is_no_fork(bench: Bench) -> None:
    """Its row has no such field, and nothing of its invocations is kept."""
    job = bench.submit()
    found = Inspector(bench.store)
    assert found.describe(job)[1].forks == []
    assert found.forked_from(job) is None
    assert KeptInputs(bench.store).has_had(job, 1)
    assert not KeptInputs(bench.store).has_had(job, 2)
