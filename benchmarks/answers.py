"""What answers that jobs wait for cost the server while 100,000 of them are open.

``python -m benchmarks.answers``: on a server of its own, the server's own processor time for a
call of each script. Takes about two minutes.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.delays import processor_seconds
from benchmarks.script_meter import ScriptMeter
from flowforge import Flow, Routine, configure, shutdown
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.execution.effects import Effects
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.worker.upkeep.deletions import Deletions
from flowforge.worker.upkeep.timers import Timers
from flowforge.worker.upkeep.vanished_answers import VanishedAnswers

#: Answers that a job waits for, all opened by one commit.
EACH = 100

#: Milliseconds until their time is over: longer than the benchmark takes.
WITHIN = 3_600_000

_RECORD = invocation_record(1, packb({"approved": False}))


class Ask(Routine):
    """It is never run: the benchmark makes its commits."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.ask)
        self.define_slot("decision", handler=self.ask)

    def ask(self, **params: Any) -> None: ...


def expect(engine: Engine, job_id: str, invocation: str = "1.0.0", first: int = 0) -> None:
    """The commit of an invocation that expects ``EACH`` answers."""
    invocations = engine.store.invocations
    invocations.claim(job_id, invocation, "t", WITHIN)
    expected = [
        (
            1, str(first + place), WITHIN, 0, place + 1, place + 1, 1, _RECORD, "o", "ops", "", "",
            "", "ask", "ask.decision", pack_record({"key": str(first + place), "assign": ["ops"]}),
            b"",
        )
        for place in range(EACH)
    ]  # fmt: skip
    details = pack_record("w", 1, 5, {}, None, None)
    outcome = AttemptOutcome.COMPLETED
    answer, _ = invocations.commit(
        job_id, invocation, "t", outcome, 5, details, Effects(expected=expected)
    )
    assert answer == "ok", answer


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers")
    parser.add_argument("--answers", type=int, default=100_000)
    number = parser.parse_args().answers
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            _measure(ScriptMeter(server.pid), number)
        finally:
            shutdown()


def _measure(meter: ScriptMeter, number: int) -> None:
    flow = Flow("asking")
    flow.add_routine(Ask, "ask")
    (engine,) = current_engine().each
    jobs = [job.job_id for job in flow.execute_many("ask", [{}] * (number // EACH))]

    def open_all() -> None:
        for job_id in jobs:
            expect(engine, job_id)

    def answer_some() -> None:
        for key in range(EACH // 10):
            for job_id in jobs:
                engine.expectations.deliver(
                    job_id, "ask", "decision", {"approved": True}, "kim", None, key
                )

    meter.measured("opened, 100 a commit", open_all)
    assert engine.store.expectations.waiting().number == number
    meter.measured("answered, a tenth", answer_some)
    _measure_lists(engine)
    _measure_upkeep(meter, engine, number)
    _measure_one(meter, engine, flow, number)


def _measure_lists(engine: Engine) -> None:
    before = processor_seconds(engine)
    for _ in range(100):
        assert len(find_expectations([engine], 50, "ops").expectations) == 50
    spent = processor_seconds(engine) - before
    print(f"{'listed, 50 of an assignee':<28} {spent * 10:>5.2f} ms of the server for each list")


def _measure_upkeep(meter: ScriptMeter, engine: Engine, number: int) -> None:
    """The look for answers of jobs that are gone, and the end of the time of all."""
    vanished, timers = VanishedAnswers(engine.store), Timers(engine.store)

    def look() -> None:
        for _ in range(number // 500):
            assert vanished.run_once() == 0

    def release() -> None:
        while timers.run_once():
            pass

    meter.measured("looked for lost jobs", look)
    key = engine.store.keys.of("timers")
    members = engine.link.call("ZRANGE", key, 0, -1)
    for start in range(0, len(members), 1000):
        pairs = [part for one in members[start : start + 1000] for part in (1, one)]
        engine.link.call("ZADD", key, *pairs)
    meter.measured("all late at once", release)
    assert engine.store.expectations.waiting().number == 0


def _measure_one(meter: ScriptMeter, engine: Engine, flow: Flow, number: int) -> None:
    """One job with as many open ones."""
    parts = number // EACH
    job = flow.execute("ask", {}, max_in_flight=2 * parts)
    invocations, details = engine.store.invocations, pack_record("w", 1, 5, {}, None, None)
    invocations.claim(job.job_id, "1.0.0", "t", WITHIN)
    for staged in range(0, parts, 200):
        part = [(0, 0, "o", _RECORD)] * min(200, parts - staged)
        invocations.stage(job.job_id, "1.0.0", "t", part, staged)
    invocations.commit(
        job.job_id, "1.0.0", "t", AttemptOutcome.COMPLETED, 5, details, Effects(staged={0: parts})
    )

    def open_all() -> None:
        opened = 0
        while opened < parts:
            keys = engine.link.call("HKEYS", engine.store.keys.of("invocations", job.job_id))
            ready = [name.decode() for name in keys if name.endswith(b".0.0")]
            for name in ready:
                expect(engine, job.job_id, name, opened * EACH)
                opened += 1

    def cancel() -> None:
        job.cancel()
        deletions = Deletions(engine.store)
        while deletions.run_once():
            pass

    meter.measured("opened by one job", open_all)
    meter.measured("that job is cancelled", cancel)
    assert engine.store.expectations.waiting().number == 0


if __name__ == "__main__":
    main()
