"""Breakpoints: a claim that stops, what lets it go, and what becomes of it meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.condition import Condition
from flowforge.model.definition import Definition, RoutineSpec
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.breakpoints import AT_ONCE, pack_condition
from flowforge.store.transitions.claims import Claim, NextClaim, Question
from flowforge.worker.run.conditions import fulfils
from tests.contract.bench import LONG, Bench, record
from tests.contract.child_jobs import WAITS, cancel, complete, fail, parent_of_one, queued, upkeep

ABOVE = pack_condition(Condition.of({"n": (">", 5)}))
BY = pack_record("anna")


def break_at(bench: Bench, job: str, routine: int = 0, condition: bytes = b"") -> str:
    about = pack_record("anna", "")
    return bench.store.breakpoints.set(job, routine, condition, about, b"")


def stopped(bench: Bench, job: str) -> list[str]:
    return [str(one.invocation) for one in bench.store.breakpoints.stopped(job, 1000)]


def step(bench: Bench, job: str, invocation: str = "") -> str:
    return bench.store.breakpoints.step(job, invocation, BY)


def go_on(bench: Bench, job: str, routine: int | None = None) -> str:
    return bench.store.breakpoints.go_on(job, routine, BY)


def test_a_look_at_breakpoints_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many have stopped elsewhere: what stopped behind so many is not named."""
    monkeypatch.setattr("flowforge.store.transitions.breakpoints._PAGE", 10)
    monkeypatch.setattr("flowforge.store.transitions.breakpoints.LOOKED", 30)
    job = bench.submit()
    routines = tuple(RoutineSpec(f"r{number}", "x", None, {}) for number in range(2))
    for routine in range(2):
        break_at(bench, job, routine)
    early = {f"{number}.0.0": number for number in range(1, 41)}
    bench.link.call(
        "ZADD", bench.key("stopped", job), *_pairs(early), 29.5, "50.1.0", 35.5, "51.1.0"
    )
    first, second = bench.store.breakpoints.of_job(job, Definition("flow", routines))
    assert (first.stopped, second.stopped) == (tuple(range(1, 30)), (50,))


def _pairs(scores: dict[str, int]) -> list[str | int]:
    return [one for name, score in scores.items() for one in (score, name)]


def test_a_claim_stops_and_the_step_lets_it_go(bench: Bench) -> None:
    """No attempt is counted; it runs once it was let go, and does not stop again."""
    job = bench.submit()
    assert break_at(bench, job) == "ok"
    assert bench.claim(job, "1.0.0") == "stopped"
    assert bench.claim(job, "1.0.0") == "taken"
    assert stopped(bench, job) == ["1.0.0"]
    assert (bench.counters(job), bench.row(job)["stopped"]) == ((0, 0, 0, 0), "1")
    assert not bench.unclaimed()
    assert bench.status(job) == "pending"
    assert step(bench, job) == "ok"
    assert bench.counters(job) == (1, 0, 0, 0)
    assert bench.start(job).claims == 1
    bench.retry_later(job, delay=-1)
    bench.store.upkeep.release_due(10)
    assert bench.start(job, token="t2").claims == 2
    assert bench.commit(job, token="t2", emitted=[(0, 0, "")]) == "ok"
    assert bench.claim(job, "2.0.0") == "stopped"
    kinds = [kind for kind, _ in bench.history(job)]
    assert kinds == ["break_set", "stopped", "let_go", "retried", "completed", "stopped"]


def test_a_condition_is_judged_by_the_claimer(bench: Bench) -> None:
    """Nothing changes before it is; a verdict on another condition does not count."""
    job = bench.submit(record=record(0, n=6))
    break_at(bench, job, condition=ABOVE)
    before = bench.snapshot()
    asked = bench.claim(job, "1.0.0")
    assert isinstance(asked, Question)
    assert asked == (record(0, n=6), ABOVE)
    assert fulfils(*asked)
    claim = bench.store.invocations.claim
    assert claim(job, "1.0.0", "t", LONG, (b"other", 1)) == asked
    assert bench.snapshot() == before
    assert claim(job, "1.0.0", "t", LONG, (ABOVE, 1)) == "stopped"
    step(bench, job)
    assert isinstance(claim(job, "1.0.0", "t", LONG), Claim)


def test_what_does_not_fulfil_it_is_granted(bench: Bench) -> None:
    """With the claim that brings the verdict; the same claim again gets the same answer."""
    job = bench.submit(record=record(0, n=5))
    break_at(bench, job, condition=ABOVE)
    for _ in range(2):
        claim = bench.store.invocations.claim(job, "1.0.0", "t", LONG, (ABOVE, 0))
        assert isinstance(claim, Claim)
    assert isinstance(bench.claim(job, "1.0.0"), Claim)


@pytest.mark.parametrize("packed", [b"J3 ", b"", b"\x93\x01", record(0, other=1)])
def test_records_without_the_param_fulfil_nothing(packed: bytes) -> None:
    """Those of joins, and damaged ones; nor does any record a damaged condition."""
    assert not fulfils(packed, ABOVE)
    assert not fulfils(record(0, n=6), b"damaged")


def test_a_commit_goes_on_with_no_job_that_has_breakpoints(bench: Bench) -> None:
    """Its message stays for a worker that can judge it."""
    job, then = bench.submit(), NextClaim("t2", LONG, [bench.list], 0.0)
    bench.start(job)
    break_at(bench, job, routine=1)
    assert bench.commit_then(then, job, emitted=[(0, 0, "")]) == ("ok", None)
    assert bench.sent()[-1] == (job, "2.0.0")
    bench.store.breakpoints.clear(job, None, b"")
    bench.start(job, "2.0.0", "t3")
    assert bench.commit_then(then, job, "2.0.0", "t3", emitted=[(0, 0, "")])[1] is not None


def test_the_last_breakpoint_takes_its_traces_along(bench: Bench) -> None:
    """Of two the other one stays."""
    job = bench.submit()
    assert bench.store.breakpoints.clear(job, None, b"") == "none"
    assert [break_at(bench, job, routine) for routine in (0, 1, 1)] == ["ok"] * 3
    assert set(bench.hash("breakpoints", job)) == {"0", "d0", "1", "d1"}
    assert bench.row(job)["v"] == "2"
    assert bench.store.breakpoints.clear(job, 2, b"") == "none"
    assert bench.store.breakpoints.clear(job, 1, b"") == "ok"
    assert set(bench.hash("breakpoints", job)) == {"0", "d0"}
    assert bench.row(job)["v"] == "2"
    assert bench.store.breakpoints.clear(job, None, b"") == "ok"
    assert bench.row(job)["v"] == "1"
    assert bench.key("breakpoints", job) not in bench.every_key()
    bench.start(job)


def test_all_go_of_a_routine_or_of_all(bench: Bench) -> None:
    """More than one script lets go, too; a second time there is nothing."""
    job, many = bench.submit(max_in_flight=1000), AT_ONCE + 20
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * many + [(1, 1, "")])
    for routine in (0, 1):
        break_at(bench, job, routine)
    while names := [name for _, name in (m.split("/") for m in bench.unclaimed())]:
        assert {bench.claim(job, name) for name in names} == {"stopped"}
    assert len(stopped(bench, job)) == many + 1
    assert go_on(bench, job, 1) == "ok"
    assert len(stopped(bench, job)) == many
    assert go_on(bench, job) == "ok"
    assert (stopped(bench, job), bench.row(job)["stopped"]) == ([], "0")
    assert go_on(bench, job) == "none"
    assert step(bench, job) == "none"
    assert [kind for kind, _ in bench.history(job)].count("let_go") == 2


def stop_many(bench: Bench, *routines: int) -> tuple[str, list[str]]:
    """A job with breakpoints at the routines 0 and 1, where these have stopped in this order."""
    job = bench.submit(max_in_flight=len(routines))
    bench.start(job)
    bench.commit(job, emitted=[(routine, routine, "") for routine in routines])
    for routine in (0, 1):
        break_at(bench, job, routine)
    names = [f"{number}.{r}.{r}" for number, r in enumerate(routines, start=2)]
    while waiting := [member.partition("/")[2] for member in bench.unclaimed()]:
        for name in waiting:
            assert bench.claim(job, name) == "stopped"
    # The order of their numbers, far apart.
    key = bench.key("stopped", job)
    for place, name in enumerate(names, start=1):
        bench.link.call("ZADD", key, place * 10, name)
    return job, names


def test_all_of_a_routine_go_though_others_go_meanwhile(bench: Bench) -> None:
    """What another operator lets go does not shift the place at which the next call goes on."""
    job, names = stop_many(bench, *[0] * 600, *[1] * 5)
    run, first = bench.store.scripts.run, iter(names)

    def meanwhile(*arguments: object) -> object:
        reply = run(*arguments)  # type: ignore[arg-type]
        for _ in range(100):
            run("let_go", job, next(first), BY, names[0], "", 1, "", "")
            names.pop(0)
        return reply

    bench.store.scripts.run = meanwhile  # type: ignore[method-assign, assignment]
    assert go_on(bench, job, 1) == "ok"
    assert {name.split(".")[1] for name in stopped(bench, job)} == {"0"}


def test_what_stops_meanwhile_stays(bench: Bench) -> None:
    """Also when the reply of the first call is lost and it is sent again."""
    job, names = stop_many(bench, 0, 0, 0)
    late, key, run = names.pop(), bench.key("stopped", job), bench.store.scripts.run
    bench.link.call("ZREM", key, late)

    def stops_meanwhile(*arguments: object) -> object:
        run(*arguments)  # type: ignore[arg-type]
        bench.link.call("ZADD", key, 100, late)
        return run(*arguments)  # type: ignore[arg-type]

    bench.store.scripts.run = stops_meanwhile  # type: ignore[method-assign, assignment]
    assert go_on(bench, job) == "ok"
    assert stopped(bench, job) == [late]


def test_a_clock_that_was_set_back_keeps_nothing_at_a_breakpoint(bench: Bench) -> None:
    """What stopped later than now is let go as well."""
    job, names = stop_many(bench, 0, 0)
    for name in names:
        bench.link.call("ZADD", bench.key("stopped", job), 10**14, name)
    assert step(bench, job) == "ok"
    assert stopped(bench, job) == names[1:]
    assert go_on(bench, job) == "ok"
    assert stopped(bench, job) == []


def test_more_than_a_call_looks_at_stop_in_one_moment(bench: Bench) -> None:
    """A call that has found nothing in it goes on behind it."""
    job, names = stop_many(bench, *[0] * 500, 1)
    key = bench.key("stopped", job)
    for name in names[:-1]:
        bench.link.call("ZADD", key, 10, name)
    assert go_on(bench, job, 1) == "ok"
    assert names[-1] not in stopped(bench, job)


def test_a_step_that_is_sent_twice_lets_one_go(bench: Bench) -> None:
    """And a go_on all, whichever reply is lost."""
    job, run = bench.submit(), bench.store.scripts.run
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * 3)
    break_at(bench, job)
    for number in (2, 3, 4):
        bench.claim(job, f"{number}.0.0")

    def twice(*arguments: object) -> object:
        run(*arguments)  # type: ignore[arg-type]
        return run(*arguments)  # type: ignore[arg-type]

    bench.store.scripts.run = twice  # type: ignore[method-assign, assignment]
    assert step(bench, job) == "ok"
    assert len(stopped(bench, job)) == 2
    assert step(bench, job, "4.0.0") == "ok"
    assert stopped(bench, job) == ["3.0.0"]
    assert go_on(bench, job) == "ok"
    assert stopped(bench, job) == []
    assert break_at(bench, job, 1) == "ok"
    assert bench.store.breakpoints.clear(job, 1, b"") == "ok"
    assert set(bench.hash("breakpoints", job)) == {"0", "d0"}
    assert bench.row(job)["v"] == "2"


def test_a_paused_job_parks_what_is_let_go(bench: Bench) -> None:
    """It goes on with the job; while the job is paused nothing stops, it is parked."""
    job = bench.submit()
    break_at(bench, job)
    bench.claim(job, "1.0.0")
    bench.pause(job)
    assert step(bench, job) == "ok"
    assert bench.counters(job) == (0, 0, 1, 0)
    bench.store.control.resume(job)
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")])
    assert bench.status(job) == "running"
    bench.pause(job)
    assert bench.claim(job, "2.0.0") == "paused"
    bench.store.control.resume(job)
    assert bench.claim(job, "2.0.0") == "stopped"


def test_what_has_stopped_outlives_a_failure(bench: Bench) -> None:
    """It stays at the breakpoint over a retry, and can be let go before."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (1, 1, ""), (0, 0, "")])
    break_at(bench, job)
    bench.claim(job, "2.0.0")
    bench.claim(job, "4.0.0")
    bench.start(job, "3.1.1", "t3")
    bench.fail(job, "3.1.1", "t3")
    assert bench.link.call("PTTL", bench.key("breakpoints", job)) > 0
    assert step(bench, job, "4.0.0") == "ok"
    bench.store.control.retry(job)
    assert bench.link.call("PTTL", bench.key("breakpoints", job)) == -1
    assert stopped(bench, job) == ["2.0.0"]
    bench.start(job, "4.0.0", "t4")
    assert step(bench, job, "2.0.0") == "ok"
    bench.start(job, "2.0.0", "t2")


def end_cancelled(bench: Bench, job: str) -> None:
    bench.store.control.cancel(job, "")


def end_completed(bench: Bench, job: str) -> None:
    go_on(bench, job)
    bench.store.breakpoints.clear(job, None, b"")
    bench.start(job)
    bench.commit(job)


@pytest.mark.parametrize("end", [end_cancelled, end_completed])
def test_nothing_is_left_of_breakpoints(bench: Bench, end: Callable[[Bench, str], None]) -> None:
    """When the job has ended for good; then nothing can be set or let go."""
    job = bench.submit()
    break_at(bench, job)
    bench.claim(job, "1.0.0")
    end(bench, job)
    status = bench.status(job)
    keys = bench.every_key()
    assert not keys & {bench.key(name, job) for name in ("breakpoints", "stopped")}
    assert break_at(bench, job) == step(bench, job) == go_on(bench, job) == status
    assert bench.store.breakpoints.clear(job, None, b"") == status


def test_a_job_that_is_not_there_is_refused(bench: Bench) -> None:
    """So is one that a later release has written."""
    job = bench.submit()
    bench.link.call("HSET", bench.key("job", job), "v", 99)
    for one, answer in (("none", Answer.GONE), (job, Answer.NEWER)):
        assert break_at(bench, one) == step(bench, one) == go_on(bench, one) == answer
        assert bench.store.breakpoints.clear(one, None, b"") == answer


def test_a_release_without_breakpoints_leaves_the_job_to_others(bench: Bench) -> None:
    """It runs nothing of a row of layout 2, which a job has as long as it has breakpoints."""
    job = bench.submit()
    assert bench.row(job)["v"] == "1"
    for routine in (0, 1):
        break_at(bench, job, routine)
    assert bench.store.breakpoints.clear(job, 0, b"") == "ok"
    assert bench.row(job)["v"] == "2"
    assert bench.store.breakpoints.clear(job, 1, b"") == "ok"
    assert bench.row(job)["v"] == "1"
    assert bench.store.breakpoints.clear(job, 1, b"") == "none"


@pytest.mark.parametrize("end", [complete, fail, cancel])
def test_an_end_that_an_older_release_did_not_report_is_reported(
    bench: Bench, end: Callable[[Bench, str], None]
) -> None:
    """It leaves the row of a parent with breakpoints alone; when they are cleared, that is done."""
    parent = parent_of_one(bench)
    break_at(bench, parent)
    bench.link.call("HSET", bench.key("job", parent), "v", 99)
    end(bench, "child")
    upkeep(bench)
    assert bench.hash("children", parent) == {"child": WAITS.encode()}
    assert not queued(bench, parent)
    # A release without this rule has set no timer for it.
    bench.link.call("DEL", bench.key("timers"))
    bench.link.call("HSET", bench.key("job", parent), "v", 2)
    bench.store.breakpoints.clear(parent, None, b"")
    upkeep(bench)
    assert queued(bench, parent) == {WAITS}


def test_an_end_waits_for_a_leader_of_the_parents_release(bench: Bench) -> None:
    """It is reported as soon as one leads."""
    parent = parent_of_one(bench)
    bench.link.call("HSET", bench.key("job", parent), "v", 99)
    complete(bench, "child")
    assert set(bench.members("timers")) == {"child/look"}
    bench.link.call("HSET", bench.key("job", parent), "v", 1)
    bench.link.call("ZADD", bench.key("timers"), 1, "child/look")
    upkeep(bench)
    assert queued(bench, parent) == {WAITS}


def test_what_takes_the_end_of_a_child_job_does_not_stop(bench: Bench) -> None:
    """Its handler is FlowForge's own."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, jobs=[bench.child()])
    break_at(bench, job)
    (waiter,) = bench.invocations(job)
    bench.start("child")
    bench.commit("child")
    assert isinstance(bench.claim(job, waiter), Claim)


def test_what_has_stopped_is_mended(bench: Bench) -> None:
    """An edit and a skip; run_now is for timers."""
    job, new = bench.submit(), record(0, n="new")
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")])
    break_at(bench, job)
    for name in ("2.0.0", "3.0.0"):
        bench.claim(job, name)
    assert bench.run_now(job, "2.0.0") == "stopped"
    assert bench.edit(job, "2.0.0", new) == "ok"
    assert bench.skip(job, "3.0.0") == "ok"
    assert (stopped(bench, job), bench.row(job)["stopped"]) == (["2.0.0"], "1")
    step(bench, job)
    assert bench.start(job, "2.0.0", "t2").record == new
    bench.commit(job, "2.0.0", "t2")
    assert bench.status(job) == "completed"


def test_a_lost_worker_changes_nothing_at_a_breakpoint(bench: Bench) -> None:
    """Whether it dies before its verdict, or with what was let go."""
    job = bench.submit(record=record(0, n=6))
    break_at(bench, job, condition=ABOVE)
    assert isinstance(bench.claim(job, "1.0.0"), Question)
    bench.forget_broker()
    members = [(member.encode(), number) for member, number in bench.unclaimed().items()]
    assert bench.store.upkeep.resend(bench.list, members).counts == (1, 0, 0)
    assert bench.store.invocations.claim(job, "1.0.0", "t", LONG, (ABOVE, 1)) == "stopped"
    step(bench, job)
    bench.start(job, lease=-1)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    assert isinstance(bench.claim(job, "1.0.0", "t2"), Claim)
