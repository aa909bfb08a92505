"""Going on: a commit hands out the next invocation of a broker list in the same step."""

from __future__ import annotations

import json

from flowforge.store.transitions.claims import Claim, Granted, NextClaim
from tests.contract.bench import DEFINITION, LONG, Bench, record


def then(bench: Bench, *lists: str, token: str = "n") -> NextClaim:
    return NextClaim(token, LONG, lists or (bench.list,), 0.0)


def test_a_commit_claims_the_oldest_message(bench: Bench) -> None:
    """The next invocation comes with the reply, claimed and taken off the list."""
    job, other = bench.submit(), bench.submit(record=record(a=1))
    bench.start(job)
    bench.link.call("RPOP", bench.list)
    answer, granted = bench.commit_then(then(bench), job, emitted=[(1, 0, "")])
    assert answer == "ok"
    assert granted is not None
    assert (granted.job_id, granted.invocation, granted.token) == (other, "1.0.0", "n")
    assert granted.claim._replace(queued_ms=0) == Claim(record(a=1), DEFINITION, 1, 0)
    assert bench.sent() == [(job, "2.1.0")]
    assert list(bench.members("leases")) == [f"{other}/1.0.0/n"]
    assert bench.counters(other) == (0, 1, 0, 0)
    assert bench.status(other) == "running"


def test_a_commit_may_claim_its_own_child(bench: Bench) -> None:
    """On an idle fleet a chain of routines runs in one process."""
    job = bench.submit()
    bench.start(job)
    bench.link.call("RPOP", bench.list)
    _, granted = bench.commit_then(then(bench), job, emitted=[(1, 0, "")])
    assert granted is not None
    assert granted.invocation == "2.1.0"
    assert bench.counters(job) == (0, 1, 0, 0)
    assert bench.commit_then(then(bench), job, "2.1.0", "n") == ("ok", None)
    assert bench.status(job) == "completed"


def test_lists_are_asked_in_order(bench: Bench) -> None:
    """The first list that has a message gives it."""
    job, second = bench.submit(), bench.submit(routine=2)
    bench.start(job)
    bench.forget_broker()
    bench.store.upkeep.resend(
        bench.other_list, [(f"{second}/1.2.0".encode(), bench.number(second, "1.2.0"))]
    )
    _, granted = bench.commit_then(
        then(bench, bench.list, bench.other_list), job, emitted=[(1, 0, ""), (1, 1, "")]
    )
    assert granted is not None
    assert granted.job_id == job
    _, granted = bench.commit_then(then(bench, bench.other_list, bench.list), job, "2.1.0", "n")
    assert granted is not None
    assert granted.job_id == second


def test_duplicates_are_passed_over(bench: Bench) -> None:
    """Messages whose invocation is claimed or done are taken off without effect."""
    job, other = bench.submit(), bench.submit()
    bench.start(job)
    _, granted = bench.commit_then(then(bench), job)
    assert granted is not None
    assert granted.job_id == other
    assert bench.sent() == []


def test_a_paused_job_is_parked_on_the_way(bench: Bench) -> None:
    """What may not start is parked as by a claim, and the next message is looked at."""
    job, paused, other = bench.submit(), bench.submit(), bench.submit()
    bench.start(job)
    bench.pause(paused)
    _, granted = bench.commit_then(then(bench), job)
    assert granted is not None
    assert granted.job_id == other
    assert bench.parked(paused) == ["1.0.0"]


def test_only_so_many_messages_are_looked_at(bench: Bench) -> None:
    """A long row of duplicates does not hold the server up in one script."""
    job = bench.submit()
    (raw,) = bench.link.call("LRANGE", bench.list, 0, -1)
    bench.start(job)
    for _ in range(50):
        bench.link.call("LPUSH", bench.list, raw)
    assert bench.commit_then(then(bench), job) == ("ok", None)
    assert 0 < len(bench.sent()) < 50


def test_other_tasks_stay_for_the_consumer(bench: Bench) -> None:
    """What is no invocation, or no JSON at all, is left where it is."""
    for item in (b"rubbish", b"{}", b'{"body": "W10=", "headers": {"task": "add"}}'):
        job = bench.submit()
        bench.start(job)
        bench.forget_broker()
        bench.link.call("LPUSH", bench.list, item)
        assert bench.commit_then(then(bench), job) == ("ok", None)
        assert bench.link.call("LRANGE", bench.list, 0, -1) == [item]


def test_a_changed_message_stays_for_the_consumer(bench: Bench) -> None:
    """What somebody wrote into a message is judged by the guard, which keeps it with the reason."""
    job, other = bench.submit(), bench.submit()
    bench.start(job)
    message = bench.messages()[1]
    args, kwargs, embed = json.loads(message["body"])
    embed["callbacks"] = [{"task": "attack"}]
    message["body"] = json.dumps([args, kwargs, embed])
    bench.forget_broker()
    bench.link.call("LPUSH", bench.list, json.dumps(message))
    assert bench.commit_then(then(bench), job) == ("ok", None)
    assert len(bench.messages()) == 1
    assert list(bench.unclaimed()) == [f"{other}/1.0.0"]


def test_a_list_that_is_none_does_not_fail_the_commit(server_bench: Bench) -> None:
    """A key of another type in the place of a broker list gives nothing to go on with."""
    job = server_bench.submit()
    server_bench.start(job)
    server_bench.forget_broker()
    server_bench.link.call("SET", server_bench.list, "no list")
    assert server_bench.commit_then(then(server_bench), job) == ("ok", None)
    assert server_bench.status(job) == "completed"


def test_a_message_that_differs_is_left_to_the_consumer(bench: Bench) -> None:
    """What is handed out has every byte that the job's definition gives its messages."""
    job, other = bench.submit(), bench.submit()
    bench.start(job)
    message = bench.messages()[1]
    message["headers"]["task"] = "attack"
    bench.forget_broker()
    bench.link.call("LPUSH", bench.list, json.dumps(message))
    _, granted = bench.commit_then(then(bench), job)
    assert granted is None
    assert bench.messages() == [message]
    assert bench.status(other) == "pending"


def test_a_refused_commit_claims_nothing(bench: Bench) -> None:
    """Whoever has no right to commit gets no work for it."""
    job = bench.submit()
    bench.submit()
    before = bench.snapshot()
    assert bench.commit_then(then(bench), job, token="guess") == ("stale", None)
    assert bench.commit_then(then(bench), "nosuchjob") == ("gone", None)
    assert bench.snapshot() == before


def test_a_lost_reply_does_not_lose_what_was_claimed(bench: Bench) -> None:
    """Sent again, a commit is done already, and the claim that came with it is found."""
    job, other, last = bench.submit(), bench.submit(record=record(a=1)), bench.submit()
    bench.start(job)
    first = bench.commit_then(then(bench), job, emitted=[(1, 0, "")])
    assert first[0] == "ok"
    before = bench.snapshot()
    again = bench.commit_then(then(bench), job, emitted=[(1, 0, "")])
    expected = Granted(other, "1.0.0", "n", Claim(record(a=1), DEFINITION, 1, 0), 0.0)
    assert again == ("done", expected)
    # The second answer does not know any more how long it had waited.
    assert first[1] is not None
    assert first[1]._replace(claim=first[1].claim._replace(queued_ms=0)) == expected
    assert bench.snapshot() == before
    assert bench.sent() == [(last, "1.0.0"), (job, "2.1.0")]


def test_a_lost_reply_that_granted_nothing_grants_nothing(bench: Bench) -> None:
    """Claims of others, and of an earlier commit, are not taken for it."""
    job, other = bench.submit(), bench.submit()
    bench.start(job, token="n1")
    bench.start(other, token="n2")
    bench.forget_broker()
    assert bench.commit_then(then(bench), job, token="n1") == ("ok", None)
    assert bench.commit_then(then(bench), job, token="n1") == ("done", None)


def test_a_claim_of_a_lost_reply_is_not_found_when_its_job_has_ended(bench: Bench) -> None:
    """Nothing is run for a job that was cancelled in between."""
    job, other = bench.submit(), bench.submit()
    bench.start(job)
    bench.link.call("RPOP", bench.list)
    assert bench.commit_then(then(bench), job)[1] is not None
    bench.store.control.cancel(other, "")
    assert bench.commit_then(then(bench), job) == ("done", None)


def test_an_empty_list_grants_nothing(bench: Bench) -> None:
    """Then the worker returns to its consumer."""
    job = bench.submit()
    bench.start(job)
    bench.forget_broker()
    assert bench.commit_then(then(bench, bench.other_list, bench.list), job) == ("ok", None)
    assert bench.status(job) == "completed"
