"""Pausing, resuming, cancelling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import CorruptRecordError
from flowforge.store.history import history_details
from flowforge.store.job_reads.inspector import Inspector
from tests.contract.bench import DEFINITION, LONG, Bench


def announced(bench: Bench, job: str, action: Callable[[], object]) -> list[bytes]:
    """What waiters of the job are told while ``action`` runs."""
    name = bench.key("channel", job)
    with bench.client.pubsub() as channel:
        channel.subscribe(name)
        assert channel.get_message(timeout=5.0)["type"] == "subscribe"
        action()
        bench.client.publish(name, b"that is all")
        said = []
        while (data := channel.get_message(timeout=5.0)["data"]) != b"that is all":
            said.append(data)
        return said


def test_a_paused_job_is_marked(bench: Bench) -> None:
    """The pause, its reason and its checkpoint are kept."""
    job = bench.submit()
    assert bench.pause(job, "look", {"step": 1}) == "ok"
    row = bench.row(job)
    assert (row["status"], row["reason"]) == ("paused", "look")
    assert bench.hash("job", job)["checkpoint"] == pack_record({"step": 1})
    assert list(bench.members("status", "paused")) == [job]
    assert bench.members("status", "pending") == {}
    (point,) = bench.link.call("LRANGE", bench.key("pauses", job), 0, -1)
    assert point.partition(b" ")[2] == pack_record("look", True, {"step": 1}, "")
    assert bench.history(job)[-1] == ("paused", "")


def test_a_pause_without_a_checkpoint_keeps_the_earlier_one(bench: Bench) -> None:
    """Every pause is a point; the checkpoint is that of the latest pause which gave one."""
    job = bench.submit()
    bench.pause(job, "one", {"step": 1})
    bench.store.control.resume(job)
    bench.pause(job, "two")
    assert bench.hash("job", job)["checkpoint"] == pack_record({"step": 1})
    assert bench.link.call("LLEN", bench.key("pauses", job)) == 2


def test_none_can_be_a_checkpoint(bench: Bench) -> None:
    """That a checkpoint was given is told apart from its value."""
    job = bench.submit()
    bench.pause(job, "one", {"step": 1})
    assert bench.store.control.pause(job, "two", None, True) == "ok"
    assert bench.hash("job", job)["checkpoint"] == pack_record(None)


def test_a_running_handler_may_commit_while_paused(bench: Bench) -> None:
    """Its commit is accepted and its emissions are parked."""
    job = bench.submit()
    bench.start(job)
    bench.pause(job)
    assert bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")], outputs=[b"x"]) == "ok"
    assert bench.counters(job) == (0, 0, 2, 0)
    assert bench.parked(job) == ["2.1.0", "3.1.1"]
    assert bench.outputs(job) == [b"x"]
    assert bench.status(job) == "paused"


def test_resume_releases_exactly_what_was_parked(bench: Bench) -> None:
    """What was parked is pushed once each, in order; what was still queued is not pushed again."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 3)
    bench.start(job, "2.1.0", "t2")
    bench.pause(job)
    assert bench.claim(job, "3.1.0", "t3") == "paused"
    bench.commit(job, "2.1.0", "t2", emitted=[(2, 0, "")])
    pushed = bench.sent() + bench.sent(bench.other_list)
    assert bench.store.control.resume(job) == "ok"
    now = bench.sent() + bench.sent(bench.other_list)
    assert sorted(now) == sorted([*pushed, (job, "3.1.0"), (job, "5.2.0")])
    assert bench.counters(job) == (3, 0, 0, 0)
    assert "reason" not in bench.row(job)
    assert bench.history(job)[-1] == ("resumed", "")


def test_resume_respects_the_window(bench: Bench) -> None:
    """Parked work comes back through the window, not all at once."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.pause(job)
    bench.commit(job, emitted=[(1, 0, "")] * 5)
    bench.store.control.resume(job)
    assert bench.counters(job) == (2, 0, 3, 0)


def test_a_job_that_finished_while_paused_completes_at_its_resume(bench: Bench) -> None:
    """With nothing parked there is nothing left to release."""
    job = bench.submit()
    bench.start(job)
    bench.pause(job)
    bench.commit(job)
    assert bench.status(job) == "paused"
    bench.store.control.resume(job)
    assert bench.status(job) == "completed"


def test_a_job_paused_before_its_start_gets_one(bench: Bench) -> None:
    """Resumed, it is pending again; the first claim starts it and records when."""
    job = bench.submit()
    bench.pause(job)
    assert bench.store.control.resume(job) == "ok"
    assert bench.status(job) == "pending"
    assert list(bench.members("status", "pending")) == [job]
    assert "started" not in bench.row(job)
    bench.start(job)
    assert bench.status(job) == "running"
    assert int(bench.row(job)["started"]) >= int(bench.row(job)["created"])


def test_the_start_of_a_job_is_its_first_claim(bench: Bench) -> None:
    """A pause later on makes it neither pending again nor start again."""
    job = bench.submit()
    bench.start(job)
    bench.link.call("HSET", bench.key("job", job), "started", 1)
    bench.pause(job)
    assert bench.store.control.resume(job) == "ok"
    assert bench.status(job) == "running"
    bench.commit(job, emitted=[(1, 0, "")])
    bench.start(job, "2.1.0")
    assert bench.row(job)["started"] == "1"


def test_pausing_twice_makes_two_points(bench: Bench) -> None:
    """The later reason replaces the earlier."""
    job = bench.submit()
    bench.pause(job, "one")
    assert bench.pause(job, "two") == "ok"
    assert bench.row(job)["reason"] == "two"
    assert bench.link.call("LLEN", bench.key("pauses", job)) == 2


def test_only_a_paused_job_can_be_resumed(bench: Bench) -> None:
    """The answer is the status that does not allow it."""
    job = bench.submit()
    assert bench.store.control.resume(job) == "pending"
    bench.start(job)
    assert bench.store.control.resume(job) == "running"
    bench.commit(job)
    before = bench.snapshot()
    assert bench.store.control.resume(job) == "completed"
    assert bench.snapshot() == before
    assert bench.store.control.resume("nosuchjob") == "gone"


@pytest.mark.parametrize("status", ["paused", "failed"])
def test_a_job_without_its_definition_is_not_resumed(bench: Bench, status: str) -> None:
    """No worker could run it: the answer says so, and the job stays as it is."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 0, "")])
    bench.start(job, "2.1.0")
    if status == "paused":
        bench.pause(job)
    else:
        bench.fail(job, "2.1.0")
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    before = bench.snapshot()
    again = bench.store.control.resume if status == "paused" else bench.store.control.retry
    assert again(job) == "undefined"
    assert bench.snapshot() == before


def test_cancel_is_final_and_drops_the_work(bench: Bench) -> None:
    """Parked, queued and waiting work goes; the reason stays."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m")] * 5)
    bench.start(job, "2.1.0.1", "t2")
    assert bench.store.control.cancel(job, "enough") == "ok"
    row = bench.row(job)
    assert (row["status"], row["reason"], row["waiting"]) == ("cancelled", "enough", "0")
    assert bench.invocations(job) == set()
    assert bench.parked(job) == []
    assert bench.hash("merges", job) == {}
    assert bench.history(job)[-1] == ("cancelled", "")
    assert bench.store.control.retry(job) == "cancelled"


def test_a_paused_job_can_be_cancelled(bench: Bench) -> None:
    """A pause is no protection."""
    job = bench.submit()
    bench.pause(job)
    assert bench.store.control.cancel(job, "") == "ok"
    assert bench.status(job) == "cancelled"


@pytest.mark.parametrize("verb", ["resume", "retry"])
def test_a_status_that_is_none_is_an_error(bench: Bench, verb: str) -> None:
    """A damaged row is no answer; the error names the script and what it answered."""
    job = bench.submit()
    bench.link.call("HSET", bench.key("job", job), "status", "odd")
    with pytest.raises(CorruptRecordError, match="'resume' answered b'odd'"):
        getattr(bench.store.control, verb)(job)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_an_ended_job_takes_no_control(bench: Bench, end: str) -> None:
    """Pause, resume and cancel answer with the terminal status and change nothing."""
    job = bench.submit()
    bench.start(job)
    {"completed": bench.commit, "failed": bench.fail}.get(
        end, lambda job: bench.store.control.cancel(job, "")
    )(job)
    before = bench.snapshot()
    assert (
        bench.pause(job)
        == bench.store.control.resume(job)
        == bench.store.control.cancel(job, "")
        == end
    )
    assert bench.snapshot() == before


def test_control_of_an_unknown_job_is_gone(bench: Bench) -> None:
    """Nothing is made up for an id that is not there."""
    assert bench.pause("nosuchjob") == bench.store.control.cancel("nosuchjob", "") == "gone"
    assert bench.every_key() == set()


def test_waiters_are_told(bench: Bench) -> None:
    """Waiters learn of the end, of a pause at rest, and of a resume."""
    job = bench.submit()
    bench.start(job)
    assert announced(bench, job, lambda: bench.pause(job)) == []
    finish = lambda: bench.commit(job, emitted=[(1, 0, "")])  # noqa: E731
    assert announced(bench, job, finish) == [b"paused"]
    assert announced(bench, job, lambda: bench.store.control.resume(job)) == [b"running"]
    bench.start(job, "2.1.0")
    assert announced(bench, job, lambda: bench.commit(job, "2.1.0")) == [b"completed"]


def test_waiters_learn_that_the_last_handler_of_a_paused_job_is_gone(bench: Bench) -> None:
    """A job comes to rest as well when its last handler retries, or is lost."""
    for leave in ("retry", "lose"):
        job = bench.submit()
        bench.start(job, lease=-1)
        bench.pause(job)
        if leave == "retry":
            assert announced(bench, job, partial(bench.retry_later, job)) == [b"paused"]
        else:
            assert announced(bench, job, lambda: bench.reclaim(9, 10)) == [b"paused"]


@pytest.mark.parametrize(
    ("script", "arguments", "before"),
    [
        ("pause", ("kim", "why", "", b"point"), "running"),
        ("resume", (0, b"", ""), "paused"),
        ("resume", (1, b"", ""), "failed"),
        ("cancel", ("kim", "why", b"details", 0), "running"),
    ],
)
def test_a_request_whose_reply_was_lost_changes_nothing_again(
    bench: Bench, script: str, arguments: tuple[Any, ...], before: str
) -> None:
    """It is sent again as it was, and answered as it would have been; another one is another."""
    job = bench.submit()
    bench.start(job)
    if before == "paused":
        bench.pause(job)
    elif before == "failed":
        bench.fail(job)
    assert bench.store.scripts.run(script, job, *arguments, "request-1") == b"ok"
    after = bench.snapshot()
    assert bench.store.scripts.run(script, job, *arguments, "request-1") == b"ok"
    assert bench.snapshot() == after
    if script != "pause":
        assert bench.store.scripts.run(script, job, *arguments, "request-2") != b"ok"


def test_a_request_that_is_sent_again_behind_others_changes_nothing(bench: Bench) -> None:
    """Several people control a job: what one did is not undone by the request of another, which is
    sent again because its reply was lost.
    """
    job = bench.submit()
    bench.start(job)
    requests: list[tuple[str, tuple[Any, ...]]] = [
        ("pause", (job, "kim", "why", "", b"point", "pause-1")),
        ("resume", (job, 0, b"", "", "resume-1")),
        ("pause", (job, "anna", "other", "", b"point", "pause-2")),
        ("resume", (job, 0, b"", "", "resume-2")),
        ("pause", (job, "kim", "third", "", b"point", "pause-3")),
    ]
    for name, request in requests:
        assert bench.store.scripts.run(name, *request) == b"ok"
    after = bench.snapshot()
    for name, request in requests:
        assert bench.store.scripts.run(name, *request) == b"ok"
        assert bench.snapshot() == after


def test_the_requests_that_a_job_remembers_are_bounded(bench: Bench) -> None:
    """A program may pause and resume a job for ever."""
    job = bench.submit()
    for number in range(40):
        bench.store.scripts.run("pause", job, "kim", "why", "", b"point", f"request-{number}")
    remembered = [f"request-{number}" for number in range(39, 23, -1)]
    assert bench.row(job)["request"].split() == remembered


@pytest.mark.parametrize("entry", ["", "x", "1.0", "1.0.0; x", "7.9.9", '{"body": "[]"}'])
@pytest.mark.parametrize("place", ["LPUSH", "RPUSH"])
def test_a_parked_entry_that_names_no_invocation_is_dropped(
    bench: Bench, entry: str, place: str
) -> None:
    """What was parked beside it goes on, and the job completes."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.pause(job)
    bench.commit(job, emitted=[(1, 0, "")] * 3)
    bench.link.call(place, bench.key("parked", job), *[entry] * 300)
    assert bench.store.control.resume(job) == "ok"
    for _ in range(5):
        bench.store.upkeep.release_due(10)
    for number in (2, 3, 4):
        bench.start(job, f"{number}.1.0", f"t{number}")
        bench.commit(job, f"{number}.1.0", f"t{number}")
    assert bench.counters(job) == (0, 0, 0, 0)
    assert bench.status(job) == "completed"


def test_a_dropped_entry_is_told(bench: Bench) -> None:
    """The operator finds it with what else was damaged."""
    job = bench.submit()
    bench.start(job)
    bench.pause(job)
    bench.commit(job, emitted=[(1, 0, "")])
    bench.link.call("LPUSH", bench.key("parked", job), "x")
    bench.store.control.resume(job)
    assert bench.link.call("HGETALL", bench.key("damaged")) == [
        f"parked {job}/x: no invocation".encode(),
        b"1",
    ]


# --- what users add ------------------------------------------------------------------------


def test_pause_points_are_capped(bench: Bench) -> None:
    """The latest are kept, as many as entries of the history: a job may be paused for ever."""
    job = bench.submit(history_limit=3)
    for number in range(5):
        bench.pause(job, f"reason {number}")
    points = bench.link.call("LRANGE", bench.key("pauses", job), 0, -1)
    assert [point.partition(b" ")[2] for point in points] == [
        pack_record(f"reason {number}", False, None, "") for number in (2, 3, 4)
    ]


def add_a_note(bench: Bench, job: str) -> str:
    return bench.store.control.note(job, b"record")


def add_data(bench: Bench, job: str) -> str:
    return bench.store.control.annotate(job, {"one\0name": b"value"})


ADDITIONS = {"history": add_a_note, "routine_data": add_data}


@pytest.mark.parametrize("key", ADDITIONS)
def test_what_users_add_lives_as_long_as_the_job(bench: Bench, key: str) -> None:
    """Without an end while the job lives; with the job's own time when it has ended."""
    job = bench.submit()
    assert ADDITIONS[key](bench, job) == "ok"
    assert bench.link.call("PTTL", bench.key(key, job)) == -1
    bench.store.control.cancel(job, "")
    bench.link.call("DEL", bench.key(key, job))
    assert ADDITIONS[key](bench, job) == "ok"
    assert 0 < bench.link.call("PTTL", bench.key(key, job)) <= LONG


@pytest.mark.parametrize("key", ADDITIONS)
def test_nothing_is_added_to_a_job_that_is_gone(bench: Bench, key: str) -> None:
    """A key without a job would stay for ever."""
    assert ADDITIONS[key](bench, "never") == "gone"
    assert bench.every_key() == set()


def test_a_note_that_is_sent_again_is_added_once(bench: Bench) -> None:
    """Also when others have been added meanwhile; the next note is another one."""
    job = bench.submit()
    for request in ("a", "b", "a", "c", "b"):
        assert bench.store.scripts.run("note", job, b"record", request) == b"ok"
    assert [kind for kind, _ in bench.history(job)] == ["recorded"] * 3


def told(bench: Bench, job: str) -> list[tuple[str, dict[str, Any]]]:
    """The kinds of the history with what each says."""
    entries = bench.link.call("XRANGE", bench.key("history", job), "-", "+")
    pairs = [(entry[1][1].decode(), entry[1][5]) for entry in entries]
    return [(kind, history_details(kind, packed, "an entry")) for kind, packed in pairs]


def test_who_paused_or_cancelled_is_kept(bench: Bench) -> None:
    """Until the job goes on; what FlowForge itself cancels was cancelled by no person."""
    inspector = Inspector(bench.store)
    job = bench.submit()
    bench.store.control.pause(job, "look", None, False, "kim")
    assert inspector.describe(job)[1].by == "kim"
    assert [point["by"] for point in inspector.pauses(job)] == ["kim"]
    bench.store.control.resume(job, "ann", "seen")
    assert inspector.describe(job)[1].by is None
    bench.store.control.cancel(job, "enough", "bo")
    assert inspector.describe(job)[1].by == "bo"
    assert told(bench, job) == [
        ("paused", {"reason": "look", "checkpoint": None, "by": "kim"}),
        ("resumed", {"by": "ann", "reason": "seen"}),
        ("cancelled", {"by": "bo", "reason": "enough"}),
    ]


def test_a_failed_job_is_nobodys_doing(bench: Bench) -> None:
    """Also where it was paused before by a person."""
    job = bench.submit()
    bench.start(job)
    bench.store.control.pause(job, "look", None, False, "kim")
    bench.fail(job)
    assert Inspector(bench.store).describe(job)[1].by is None


def test_what_a_former_release_has_kept_is_read(bench: Bench) -> None:
    """It did not keep who paused, resumed or cancelled a job."""
    job = bench.submit()
    run = bench.store.scripts.run
    point = pack_record("look", True, {"step": 1})
    run("pause", job, "", "look", pack_record({"step": 1}), point, "1")
    run("resume", job, 0, b"", "", "2")
    run("cancel", job, "", "enough", pack_record("enough"), 0, "3")
    bench.link.call("HDEL", bench.key("job", job), "by")
    inspector = Inspector(bench.store)
    assert inspector.describe(job)[1].by is None
    (pause,) = inspector.pauses(job)
    assert (pause["reason"], pause["checkpoint"], pause["by"]) == ("look", {"step": 1}, "")
    assert told(bench, job) == [
        ("paused", {"reason": "look", "checkpoint": {"step": 1}, "by": ""}),
        ("resumed", {}),
        ("cancelled", {"reason": "enough"}),
    ]
