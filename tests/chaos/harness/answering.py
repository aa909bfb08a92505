"""Jobs that ask questions, people who answer them at once, and what must hold of the answers."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flowforge import Expect, Flow
from flowforge.engine.engine import Engine
from flowforge.errors import AnsweredError, StoreUnavailableError
from flowforge.model.jobs.job_handle import Output
from tests.chaos.harness.flows import Noting
from tests.chaos.harness.threads import Threads

#: Questions of a job. The first ones have one key each; of the others one of two keys is answered.
SINGLE, PAIRS = 8, 4
QUESTIONS = SINGLE + PAIRS

#: Who "answers" when the time is over.
TIME = "time"

#: Seconds around the end of the time in which people answer: the upkeep looks four times a second.
_AROUND = (-0.1, 0.35)


class Ask(Noting):
    """Asks, and says who has answered each question."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.ask)
        self.define_slot("decided", handler=self.decide)
        self.define_event("decided", ["n", "by"])

    def ask(self, within: float) -> None:
        self.enter()
        for n in range(QUESTIONS):
            wanted = [Expect("decided", key=key, assign=["harness"]) for key in keys_of(n)]
            self.expect_any(wanted, within, ("decided", {"n": n, "by": TIME}))
        self.leave()

    def decide(self, n: int, by: str) -> None:
        self.enter()
        self.emit("decided", n=n, by=by)
        self.leave()


def ask_flow() -> Flow:
    flow = Flow("chaos-answers")
    flow.add_routine(Ask(), "ask")
    return flow


def keys_of(question: int) -> list[str]:
    """The keys under which a question can be answered."""
    return [str(question)] if question < SINGLE else [f"{question}a", f"{question}b"]


class Told(NamedTuple):
    """What a person was told of an answer. ``first``: who was first if it was refused; None: it was
    taken, or kept until the question."""

    job_id: str
    question: int
    person: str
    first: str | None
    kept: bool = False


class _Intended(NamedTuple):
    at: float
    job_id: str
    question: int
    key: str


class People(Threads):
    """Threads that answer, each with an engine of its own, until the block ends.

    Each of them answers each question, most of them when its time is over, some before it is asked.
    An answer whose fate is unknown is sent again, under the same delivery id.
    """

    def __init__(self, engines: Sequence[Engine], rng: random.Random) -> None:
        super().__init__()
        self.told: list[Told] = []
        self._rng = rng
        self._intended: list[list[_Intended]] = [[] for _ in engines]
        for place, engine in enumerate(engines):
            self.add(self._run, engine, f"person-{place}", place)

    def will_answer(self, job_id: str, within: float) -> None:
        """Plan the answers of all people to a job that has just been submitted."""
        now = time.monotonic()
        for question in range(QUESTIONS):
            early = self._rng.random() < 0.2
            after = 0.0 if early else within + self._rng.uniform(*_AROUND)
            for intended in self._intended:
                key = self._rng.choice(keys_of(question))
                intended.append(_Intended(now + after, job_id, question, key))

    def _run(self, engine: Engine, person: str, place: int) -> None:
        intended = self._intended[place]
        while True:
            due = [one for one in list(intended) if one.at <= time.monotonic()]
            if not intended and self.over.is_set():
                return
            for one in due:
                intended.remove(one)
                self._answer(engine, person, one)
            if not due:
                self.over.wait(0.005)

    def _answer(self, engine: Engine, person: str, one: _Intended) -> None:
        params, delivery = {"n": one.question, "by": person}, f"{person}-{one.question}"
        first, kept = None, False
        while True:
            try:
                number = engine.expectations.deliver(
                    one.job_id, "ask", "decided", params, person, delivery, one.key
                )
            except AnsweredError as refused:
                first = refused.by or TIME
            except StoreUnavailableError:
                continue
            else:
                kept = number is None
            break
        self.told.append(Told(one.job_id, one.question, person, first, kept))


def wrong_answers(
    outputs: Mapping[str, Iterable[Output]], told: Iterable[Told]
) -> tuple[list[str], Counter[str]]:
    """What does not hold, and how the questions were decided. ``outputs``: of each job.

    Each question goes on once: with the one answer that was taken, with one of those that were kept
    for it, of which there may be one for each key, or with the end of its time; and whoever was
    refused heard of one of these.
    """
    decided: dict[tuple[str, int], list[str]] = defaultdict(list)
    for job_id, found in outputs.items():
        for output in found:
            decided[job_id, output.params["n"]].append(output.params["by"])
    heard: dict[tuple[str, int], list[Told]] = defaultdict(list)
    for one in told:
        heard[one.job_id, one.question].append(one)
    wrong, how = [], Counter[str]()
    for job_id in outputs:
        for question in range(QUESTIONS):
            which = job_id, question
            for what in _wrong(decided[which], heard[which]):
                wrong.append(f"I2 question {question} of job {job_id} {what}")
            how["the time was over" if decided[which] == [TIME] else "answered"] += 1
    return wrong, how


def _wrong(decided: list[str], heard: list[Told]) -> Iterable[str]:
    if len(decided) != 1:
        yield f"went on {len(decided)} times: {decided}"
        return
    (by,) = decided
    kept = [one.person for one in heard if one.kept]
    taken = [one.person for one in heard if one.first is None and not one.kept]
    if (taken != ([] if by == TIME else [by])) if not kept else (taken or by not in kept):
        yield f"went on with {by}, and the answers of {[*kept, *taken]} were taken"
    for one in heard:
        if one.first is not None and one.first not in (by, *kept):
            yield f"went on with {by}, and {one.person} was told that {one.first} was first"
