"""The part of the state machine in which jobs expect answers from outside."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.codec.binary import pack_record
from tests.contract.bench import record
from tests.contract.pauses import Pauses
from tests.contract.reference.jobs import Expected, Item, Job

#: Slots of the flow that do not join, and what the store keeps of their deliveries.
MODES = {"0.0": "", "0.1": "", "1.0": "m", "1.1": "o", "2.0": "", "2.1": "m"}
KEYS = st.sampled_from(["", "a", "b"])


class Expects(Pauses):
    """Makes these transitions on both sides."""

    def expectations(self, data: st.DataObject, invocation: str) -> list[Expected]:
        """What an invocation may expect: single answers, or the first of several."""
        number, routine, *_ = invocation.split(".")
        fields = [f"{routine}.{slot}/{key}" for slot in (0, 1) for key in ("", "a", "b")]
        fields = [field for field in fields if field.partition("/")[0] in MODES]
        if not fields:
            return []
        drawn = data.draw(
            st.lists(st.sampled_from(fields), min_size=1, max_size=3, unique=True), "expected"
        )
        together, timed = data.draw(st.booleans(), "any"), data.draw(st.booleans(), "timed")
        otherwise = data.draw(st.booleans(), "otherwise") and timed
        found = []
        for place, field in enumerate(drawn, start=1):
            first, last = (1, len(drawn)) if together else (place, place)
            given = otherwise and place == last
            self.records += 1
            found.append(Expected(
                field, first, last, record(int(number), n=self.records) if given else b"",
                MODES[field.partition("/")[0]] if given else "", int(number), timed,
            ))  # fmt: skip
        return found

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), slot=st.sampled_from(sorted(MODES)), key=KEYS)
    def answer_anything(self, data: st.DataObject, slot: str, key: str) -> None:
        """Early, late or at the right time, of any job."""
        self._answer(self.some_job(data), f"{slot}/{key}")

    @precondition(lambda self: self.expecting())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """What is expected, also of a job that is paused or has failed."""
        job = self.model.jobs[data.draw(st.sampled_from(self.expecting()), "job")]
        fields = sorted(one.field for one in job.expected.values())
        self._answer(job, data.draw(st.sampled_from(fields), "field"))

    def _answer(self, job: Job, field: str) -> None:
        place, _, key = field.partition("/")
        routine, slot = (int(part) for part in place.split("."))
        item = Item(routine, slot, MODES[place], self.new_record())
        self.thaw(job)
        expected = self.model.answer(job, field, item)
        with self.sending():
            found = self.bench.store.expectations.deliver(
                job.id, (routine, slot), key, None, item.mode, item.record, "kim", "",
                pack_record("kim", {}),
            )  # fmt: skip
        assert found.answer == expected

    def answer_all(self) -> None:
        """Of what is expected in place of each other one is answered."""
        for job in self.model.jobs.values():
            while job.expected:
                self._answer(job, next(iter(job.expected.values())).field)

    def expecting(self) -> list[str]:
        return [job.id for job in self.model.jobs.values() if job.expected]

    @precondition(lambda self: self.timed())
    @rule(data=st.data(), at_once=st.booleans())
    def end_the_time(self, data: st.DataObject, at_once: bool) -> None:
        """The time of an answer is over; it may still come before the upkeep looks."""
        timer = data.draw(st.sampled_from(self.timed()), "timer")
        self.model.timers[timer] = True
        if at_once:
            self.release_due()

    def timed(self) -> list[tuple[str, ...]]:
        return [t for t, due in self.model.timers.items() if t[1] == "expect" and not due]
