"""Something else in place of a key of one job: who acts on it is told which, and can end it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from flowforge.errors import CommandRefusedError
from flowforge.store.key_types import OF_JOB
from flowforge.store.transitions.claims import Claim
from tests.contract import limit_work
from tests.contract.asking import answer, expected, expecting
from tests.contract.bench import Bench

Act = Callable[[Bench, str], object]


def started(bench: Bench) -> str:
    job = bench.submit()
    bench.start(job)
    return job


def parked(bench: Bench) -> str:
    job = bench.submit()
    bench.pause(job)
    assert bench.claim(job, "1.0.0") == "paused"
    return job


def failed(bench: Bench) -> str:
    job = started(bench)
    bench.fail(job)
    return job


def a_commit(bench: Bench, job: str) -> object:
    return bench.commit(
        job, emitted=[(1, 0, ""), (2, 0, "m"), (1, 1, "+60000 :")], outputs=[b"x"],
        stats=[("add", "0.n", "1")],
    )  # fmt: skip


#: What has happened before, and who acts.
ACTS: dict[str, tuple[Callable[[Bench], str], Act]] = {
    "claim": (lambda bench: bench.submit(), lambda bench, job: bench.claim(job, "1.0.0")),
    "claim at a limit": (limit_work.submit, lambda bench, job: bench.claim(job, "1.0.0")),
    "commit": (started, a_commit),
    "fail": (started, lambda bench, job: bench.fail(job)),
    "retry later": (started, lambda bench, job: bench.retry_later(job)),
    "pause": (started, lambda bench, job: bench.pause(job, checkpoint={})),
    "resume": (parked, lambda bench, job: bench.store.control.resume(job)),
    "retry": (failed, lambda bench, job: bench.store.control.retry(job)),
    "cancel": (started, lambda bench, job: bench.store.control.cancel(job, "")),
    "cancel what is parked": (parked, lambda bench, job: bench.store.control.cancel(job, "")),
    "answer": (
        lambda bench: expecting(bench, expected("a")),
        lambda bench, job: answer(bench, job, "a"),
    ),
}


def put_wrong(bench: Bench, name: str, job: str) -> str:
    """A set, which no key is; returns the key."""
    key = bench.key(name, job)
    bench.link.call("DEL", key)
    bench.link.call("SADD", key, "by hand")
    return key


def refusal(bench: Bench, job: str, do: Act) -> CommandRefusedError | None:
    """The error of who acts, if there is one."""
    try:
        do(bench, job)
    except CommandRefusedError as error:
        return error
    return None


def apply_fix(bench: Bench, error: CommandRefusedError) -> None:
    """Do what the error says."""
    found = re.search(
        r"redis-cli RENAME (\S+) ([^\s;]+)(?:; .* flowforge cancel (\S+))?$", str(error)
    )
    assert found is not None, error
    bench.link.call("RENAME", *found.groups()[:2])
    if found[3]:
        bench.store.control.cancel(found[3], "")


@pytest.mark.attack(what="Another program's value in place of a key of one job")
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("bench", ["server"], indirect=True)
def test_an_error_names_the_key_and_the_job_can_be_ended(bench: Bench, act: str) -> None:
    """With the command that moves it, whatever was half done; other jobs go on."""
    prepare, do = ACTS[act]
    refused = set()
    for name in OF_JOB:
        job = prepare(bench)
        key = put_wrong(bench, name, job)
        if (error := refusal(bench, job, do)) is not None:
            assert str(error).startswith(f"{key} is a set of another program: FlowForge has a ")
            refused.add(name)
            apply_fix(bench, error)
        bench.link.call("DEL", key)
        if name != "job":
            bench.store.control.cancel(job, "")
            assert bench.row(job)["status"] in ("cancelled", "completed", "failed")
        bench.link.call("DEL", bench.key("leases"))
    assert "job" in refused
    other = bench.submit()
    assert isinstance(bench.claim(other, "1.0.0"), Claim)
    assert bench.commit(other) == "ok"
