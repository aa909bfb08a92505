"""Instructions of the server for each step of a chain, counted by valgrind's callgrind.

``python -m benchmarks.instructions``: claims and commits of one chain by direct calls of the store,
without workers and clocks, so that two runs differ by a few in ten thousand. Compare before and
after a change of the scripts. Needs ``valgrind``; takes half a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flowforge import Flow, Routine, configure, shutdown
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.current import current_engine
from flowforge.execution.effects import Effects
from flowforge.local.binary import find_binary
from flowforge.model.status import AttemptOutcome
from flowforge.store.answers import Answer
from flowforge.store.claims import NextClaim

#: Steps of the two chains whose difference counts: what starts and ends a server falls out of it.
SHORT, LONG = 100, 600

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


def _chain() -> Flow:
    flow = Flow("bench-instructions")
    flow.add_routine(Step(), "step")
    flow.connect("step", "next", "step", "input")
    return flow


def count(steps: int) -> int:
    """Instructions of a server that lives for one chain of so many steps."""
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
            _run_chain(f"redis://127.0.0.1:{port}/0", steps)
        finally:
            server.terminate()
            server.wait()
        found = re.search(r"Collected : (\d+)", log.read_text())
        if found is None:
            raise RuntimeError(f"valgrind counted nothing:\n{log.read_text()[-2000:]}")
        return int(found[1])


def per_step() -> float:
    """Instructions for each step of a chain."""
    return (count(LONG) - count(SHORT)) / (LONG - SHORT)


def _run_chain(url: str, steps: int) -> None:
    """Each commit creates one invocation, and claims it with its reply, as a busy worker does."""
    configure(redis_url=url)
    store = current_engine().each[0].store
    job_id = _chain().execute("step", {"n": steps}).job_id
    details = pack_record("worker", 1, 5, {}, None, None)
    invocation, token = "1.0.0", "t-0"
    store.invocations.claim(job_id, invocation, token, _LEASE_MS)
    for number in range(1, steps):
        emitted = (0, 0, "", invocation_record(number, packb({"n": number})))
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
    shutdown()


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


if __name__ == "__main__":
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed: apt-get install valgrind, or brew install valgrind")
    os.environ.pop("FLOWFORGE_PREFIX", None)
    print(f"{per_step():,.0f} instructions of the server for each step of a chain")
