"""Submitting: a job, its first invocation and its message come into being at once, and once."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError

from flowforge.errors import CommandRefusedError
from flowforge.store.transitions.submission import LARGE_PARAMS, SAME_PARAMS
from tests.contract.bench import DEFINITION, Bench, Request, record


def test_a_new_job_is_pending_with_one_message(bench: Bench) -> None:
    """Submitting stores the job, its entry invocation, and the message that names both."""
    job = bench.submit(record=record(day="monday"))
    assert bench.status(job) == "pending"
    assert bench.counters(job) == (1, 0, 0, 0)
    assert bench.hash("invocations", job) == {"1.0.0": record(day="monday")}
    assert bench.sent() == [(job, "1.0.0")]
    assert list(bench.unclaimed()) == [f"{job}/1.0.0"]
    assert list(bench.members("status", "pending")) == [job]


def test_the_same_submission_again_changes_nothing(bench: Bench) -> None:
    """A producer that lost the reply sends the same bytes again and gets the same answer."""
    job = bench.submission()
    first = bench.send(job, bench.fields())
    before = bench.snapshot()
    assert bench.send(job, bench.fields()) == first == job.job_id
    assert bench.snapshot() == before


def test_a_repeated_submission_of_a_running_job_changes_nothing(bench: Bench) -> None:
    """The repeat may come after a worker has already claimed the first invocation."""
    job = bench.submission()
    bench.send(job, bench.fields())
    bench.start(job.job_id)
    before = bench.snapshot()
    assert bench.send(job, None) == job.job_id
    assert bench.snapshot() == before


def test_an_idempotency_key_finds_the_earlier_job(bench: Bench) -> None:
    """A second job under a key is not created; the caller gets the first one's id."""
    first = bench.submit(idempotency_key="flow/k")
    before = bench.snapshot()
    answer = bench.send(bench.submission(idempotency_key="flow/k"), bench.fields())
    assert answer == first
    assert bench.snapshot() == before
    assert bench.submit(idempotency_key="flow/other") != first


def test_an_idempotency_key_holds_while_the_job_runs(bench: Bench) -> None:
    """The key has no time to live before the job has ended, and then that of the job."""
    job = bench.submit(idempotency_key="flow/k", retention_ms=5000)
    key = bench.key("idempotency", "flow/k")
    assert bench.link.call("PTTL", key) == -1
    bench.store.control.cancel(job, "")
    assert 0 < bench.link.call("PTTL", key) <= 5000


def test_an_unknown_definition_is_asked_for_and_then_taken(bench: Bench) -> None:
    """A submission without its definition changes nothing until the definition comes along."""
    job = bench.submission()
    assert bench.send(job, None) is None
    assert bench.every_key() == set()
    assert bench.send(job, bench.fields()) == job.job_id
    later = bench.submission()
    assert bench.send(later, None) == later.job_id
    assert bench.hash("definition", DEFINITION)["active"] == b"2"


def test_a_known_key_keeps_the_definition_as_it_was(bench: Bench) -> None:
    """A repeat of an ended job makes its definition neither stay for ever nor go too soon."""
    first = bench.submit(idempotency_key="flow/k")
    bench.start(first)
    bench.commit(first)
    assert bench.send(bench.submission(idempotency_key="flow/k"), bench.fields()) == first
    assert bench.hash("definition", DEFINITION)["active"] == b"0"
    assert bench.link.call("PTTL", bench.key("definition", DEFINITION)) > 0


# --- several at once -------------------------------------------------------------------------


def together(bench: Bench, *requests: Request) -> list[str] | None:
    jobs = [request.job for request in requests]
    return bench.store.submissions.submit(requests[0].common, jobs, bench.fields())


def test_many_jobs_are_submitted_at_once(bench: Bench) -> None:
    """Each is a job of its own; messages are in the order of the jobs."""
    requests = [bench.submission(record=record(n=n)) for n in range(300)]
    ids = [request.job_id for request in requests]
    assert together(bench, *requests) == ids
    assert bench.sent() == [(job_id, "1.0.0") for job_id in ids]
    assert bench.hash("invocations", ids[7]) == {"1.0.0": record(n=7)}
    assert len(bench.members("status", "pending")) == 300
    assert bench.number(ids[299]) - bench.number(ids[0]) == 299
    assert bench.hash("definition", DEFINITION)["active"] == b"300"


#: What may differ between jobs of one call.
SEVERAL: list[dict[str, Any]] = [
    {"params": SAME_PARAMS, "record": record(n=1)},
    {"params": SAME_PARAMS, "idempotency_key": "a", "labels": "stage=paid\ntenant=acme"},
    {"params": LARGE_PARAMS, "labels": "tenant=acme"},
    {},
    {"params": b"shown", "record": record(n=2)},
    {"idempotency_key": "b"},
    {"params": SAME_PARAMS, "idempotency_key": "c", "labels": "tenant=other"},
    {"params": LARGE_PARAMS},
    {},
]

COMMON: dict[str, dict[str, Any]] = {
    "plain": {},
    "another priority": {"priority": 3, "suffix": "\x06\x163"},
    "limits": {"max_in_flight": 1, "retention_ms": 5, "history_limit": 7, "output_limit": 9},
    "on several queues": {"routine": 2},
}


def state_of(bench: Bench, job: str) -> dict[str, Any]:
    """What is stored of a job that depends neither on its id nor on the time."""
    row = bench.hash("job", job)
    assert row.pop("created") == row.pop("updated")
    labels = [label for label in LABELS if job in bench.members("label", label)]
    return {
        "row": row,
        "params": bench.link.call("GET", bench.key("entry_params", job)),
        "invocations": bench.hash("invocations", job),
        "lanes": bench.hash("lanes", job),
        "entry": bench.hash("entries", "")[job],
        "labels": labels,
    }


LABELS = ("stage=paid", "tenant=acme", "tenant=other")


@pytest.mark.parametrize("name", COMMON)
def test_jobs_submitted_together_are_stored_as_those_submitted_alone(
    bench: Bench, name: str
) -> None:
    """Params, labels and keys differ within a call; each job has its own."""
    fields = bench.fields()
    if name == "on several queues":
        fields["queues"] = 2
    alone = [bench.submission(**COMMON[name], **changes) for changes in SEVERAL]
    expected = []
    for request in alone:
        bench.send(request, fields)
        expected.append(state_of(bench, request.job_id))
    for key in bench.every_key():
        bench.link.call("DEL", key)

    requests = [bench.submission(**COMMON[name], **changes) for changes in SEVERAL]
    jobs = [request.job for request in requests]
    assert bench.store.submissions.submit(requests[0].common, jobs, fields) is not None
    assert [state_of(bench, request.job_id) for request in requests] == expected
    counted = bench.hash("flow_counts", "")
    assert counted == {"pending/flow": str(len(SEVERAL)).encode()}
    assert set(bench.members("flow", "flow")) == set(bench.members("status", "pending"))
    assert len(bench.members("status", "pending")) == len(SEVERAL)


def test_keys_hold_within_one_call(bench: Bench) -> None:
    """Two jobs with one key are one job; an earlier one is found as well."""
    earlier = bench.submit(idempotency_key="old")
    old, one, same, plain = (
        bench.submission(idempotency_key=key) for key in ("old", "new", "new", "")
    )
    ids = together(bench, old, one, same, plain)
    assert ids == [earlier, one.job_id, one.job_id, plain.job_id]
    assert not bench.hash("job", old.job_id)
    assert not bench.hash("job", same.job_id)
    assert bench.hash("definition", DEFINITION)["active"] == b"3"


KEYS = {
    "no keys": ("", ""),
    "new keys": ("a", "b"),
    "the first one known": ("old", ""),
    "the second one known": ("", "old"),
    "one key twice": ("a", "a"),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_same_jobs_again_change_nothing(bench: Bench, name: str) -> None:
    """A producer that lost the reply gets the same answer, although the jobs run already."""
    bench.submit(idempotency_key="old")
    requests = [bench.submission(idempotency_key=key) for key in KEYS[name]]
    ids = together(bench, *requests)
    assert ids is not None
    for number, job_id in enumerate(dict.fromkeys(ids)):
        bench.start(job_id, token=f"t{number}")
    before = bench.snapshot()
    assert together(bench, *requests) == ids
    assert bench.snapshot() == before


def test_an_entry_that_the_definition_lacks_is_refused(bench: Bench) -> None:
    """A slot without a route creates no job."""
    job = bench.submission(routine=7)
    with pytest.raises((ResponseError, CommandRefusedError)):
        bench.send(job, bench.fields())
    assert not bench.hash("job", job.job_id)
    assert bench.sent() == []


def test_a_list_of_a_wrong_type_is_refused(server_bench: Bench) -> None:
    """Nothing of the job is there, and the same call works when the key is gone."""
    bench, job = server_bench, server_bench.submission(idempotency_key="flow/k")
    bench.submit()
    bench.link.call("DEL", bench.list)
    bench.link.call("SET", bench.list, "x")
    before = bench.snapshot()
    with pytest.raises(CommandRefusedError, match="WRONGTYPE"):
        bench.send(job, None)
    assert bench.snapshot() == before
    bench.link.call("DEL", bench.list)
    assert bench.send(job, None) == job.job_id
    assert bench.sent() == [(job.job_id, "1.0.0")]


def test_a_priority_goes_to_its_own_list(bench: Bench) -> None:
    """The list's suffix and the message's priority follow the job, for what it emits as well."""
    suffix = "\x06\x163"
    job = bench.submit(priority=3, suffix=suffix)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")])
    assert bench.sent(bench.list + suffix) == [(job, "1.0.0"), (job, "2.1.0")]
    priorities = [m["properties"]["priority"] for m in bench.messages(bench.list + suffix)]
    assert priorities == [3, 3]
    assert bench.sent() == []


def test_a_remembering_entry_keeps_its_payload(bench: Bench) -> None:
    """Modes of the entry slot work as those of a child: remembered, or appended to the log."""
    plain, remembers = bench.submit(), bench.submit(mode="o", record=record(a=1))
    merges = bench.submit(mode="m", record=record(a=2))
    assert bench.hash("merges", plain) == {}
    assert bench.hash("merges", remembers) == {"0.0.last": record(a=1)}
    assert bench.hash("merges", merges) == {"0.0": b"1", "0.0.1": record(a=2)}
    assert bench.invocations(merges) == {"1.0.0.1"}


def test_nothing_of_a_live_job_expires(bench: Bench) -> None:
    """Only the end of a job gives its keys a time to live."""
    job = bench.submit(mode="m", idempotency_key="k", retention_ms=1)
    bench.start(job, "1.0.0.1")
    bench.commit(job, "1.0.0.1", emitted=[(1, 0, "m")], outputs=[b"x"])
    ttls = {key: bench.link.call("PTTL", key) for key in bench.every_key()}
    assert set(ttls.values()) == {-1}, ttls
