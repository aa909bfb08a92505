"""Instructions of the server for each piece of work, counted by valgrind's callgrind.

``python -m benchmarks.instructions [WORK ...]``: the steps of a chain by direct calls of the store,
and submissions, without workers and clocks, so that two runs differ by a few in ten thousand.
Compare before and after a change of the scripts. Needs ``valgrind``; takes about ten seconds for
each kind of work.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from flowforge import Flow, Limit, Routine, configure, shutdown
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.current import current_engine
from flowforge.execution.effects import Effects
from flowforge.local.binary import find_binary
from flowforge.model.delivery_limits import keyed_limits
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.limit import limited_mode
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import NextClaim

#: Units of work of the two servers whose difference counts: what starts and ends one falls out of
#: it, and so do the first jobs, whose indexes are still small. Between them lie whole chunks of
#: ``execute_many``.
SHORT, LONG = 800, 1600

#: Seconds until a server under valgrind must answer.
START_LIMIT = 60

_LEASE_MS = 60_000


class Step(Routine):
    """One link of a chain. It is never run: only its place in the flow counts."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.step)
        self.define_event("next", ["n"])

    def step(self, n: int) -> None:
        self.emit("next", n=n)


class LimitedStep(Step):
    """The same, which counts at a limit that has room."""

    def __init__(self) -> None:
        Routine.__init__(self)
        self.define_slot("input", handler=self.step, limit=ROOM)
        self.define_event("next", ["n"])


class KeyedStep(Step):
    """The same, at a limit that counts apart for each value of a param."""

    def __init__(self) -> None:
        Routine.__init__(self)
        self.define_slot("input", handler=self.step, limit=KEYED)
        self.define_event("next", ["n"])


ROOM = Limit("bench-room", running=1000)
KEYED = Limit("bench-keyed", per="n", running=1000)


def _chain(step: type[Step] = Step) -> Flow:
    flow = Flow("bench-instructions")
    flow.add_routine(step(), "step")
    flow.connect("step", "next", "step", "input")
    return flow


def count(work: Callable[[int], None], units: int) -> int:
    """Instructions of a server that lives for so many units of one kind of work."""
    with tempfile.TemporaryDirectory(prefix="flowforge-instructions-") as directory:
        port = _free_port()
        log = Path(directory, "log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    "valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out",
                    find_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                    "--dir", directory, "--hz", "1",
                ],
                stdout=output, stderr=output,
            )  # fmt: skip
        try:
            _await(port)
            configure(redis_url=f"redis://127.0.0.1:{port}/0")
            work(units)
            shutdown()
        finally:
            server.terminate()
            server.wait()
        found = re.search(r"Collected : (\d+)", log.read_text())
        if found is None:
            raise RuntimeError(f"valgrind counted nothing:\n{log.read_text()[-2000:]}")
        return int(found[1])


def per_unit(work: Callable[[int], None]) -> float:
    """Instructions for each unit of one kind of work."""
    return (count(work, LONG) - count(work, SHORT)) / (LONG - SHORT)


def _run_chain(step: type[Step], steps: int) -> None:
    """Each commit creates one invocation, and claims it with its reply, as a busy worker does."""
    store, flow = current_engine().each[0].store, _chain(step)
    for limit in (ROOM, KEYED):
        limit.save()
    limits = keyed_limits(flow.definition(), 0, 0)
    mode = limited_mode(limits, "", {"n": 1}, "it") if limits else ""
    job_id = flow.execute("step", {"n": steps}).job_id
    details = pack_record("worker", 1, 5, {}, None, None)
    invocation, token = "1.0.0", "t-0"
    store.invocations.claim(job_id, invocation, token, _LEASE_MS)
    for number in range(1, steps):
        emitted = (0, 0, mode, invocation_record(number, packb({"n": number})))
        then = NextClaim(f"t-{number}", _LEASE_MS, ["celery"], 0.0)
        effects = Effects(emitted=[emitted])
        _, granted = store.invocations.commit(
            job_id, invocation, token, AttemptOutcome.COMPLETED, 5, details, effects, then
        )
        assert granted is not None, "the commit claims the invocation that it has emitted"
        invocation, token = granted.invocation, granted.token
    answer, _ = store.invocations.commit(
        job_id, invocation, token, AttemptOutcome.COMPLETED, 5, details, Effects()
    )
    assert answer is Answer.OK, answer


def _execute(labels: bool, jobs: int) -> None:
    flow = _chain()
    for number in range(jobs):
        flow.execute("step", {"n": number}, labels=_labels(number) if labels else None)


def _execute_many(labels: bool, jobs: int) -> None:
    params = [{"n": number} for number in range(jobs)]
    each = [_labels(number) for number in range(jobs)]
    _chain().execute_many("step", params, labels=each if labels else None)


def _labels(number: int) -> dict[str, str]:
    return {"tenant": f"t{number % 10}", "stage": "paid", "order": str(number)}


#: Name -> what does so many units of it.
WORK: dict[str, Callable[[int], None]] = {
    "step": partial(_run_chain, Step),
    "limited-step": partial(_run_chain, LimitedStep),
    "keyed-step": partial(_run_chain, KeyedStep),
    "execute": partial(_execute, False),
    "execute-labels": partial(_execute, True),
    "execute_many": partial(_execute_many, False),
    "execute_many-labels": partial(_execute_many, True),
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not start within {START_LIMIT} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="*", help=f"of {', '.join(WORK)}; all of them when left out")
    chosen = parser.parse_args().work or list(WORK)
    if unknown := set(chosen) - set(WORK):
        parser.error(f"there is no work {', '.join(sorted(unknown))}")
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed: apt-get install valgrind, or brew install valgrind")
    os.environ.pop("FLOWFORGE_PREFIX", None)
    for name in chosen:
        print(f"{name:20} {per_unit(WORK[name]):10,.0f} instructions of the server", flush=True)


if __name__ == "__main__":
    main()
