"""The part of the state machine in which calls have keys: an earlier job may stand for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.codec.binary import pack_record
from flowforge.store.history import who_and_why
from flowforge.store.transitions.keyed_submission import FullKey, KeyedJob
from flowforge.store.transitions.submission import SAME_PARAMS
from tests.contract.bench import LONG
from tests.contract.choices import PLANS
from tests.contract.mends import ALL_JOBS
from tests.contract.reference.calling import Keys
from tests.contract.times import Times

KEYS = st.sampled_from(
    [
        Keys(debounce="d", keep="last"), Keys(debounce="d", keep="first"),
        Keys(debounce="d", keep="all"), Keys(debounce="d", keep="all"),
        Keys(single="s"), Keys(single="s", when="queue"), Keys(single="s", when="queue"),
        Keys(single="s", when="replace"), Keys("d", "last", "s", "queue"), Keys("e", "all", "s"),
    ]
)  # fmt: skip


class Calls(Times):
    """Makes these transitions on both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_made = 0

    @precondition(lambda self: self.model.submitted < ALL_JOBS)
    @rule(drawn=PLANS, keys=KEYS)
    def call(self, drawn: Any, keys: Keys) -> None:
        """One that creates a job, or finds one, or starts one that takes no more."""
        # Each has an id of its own: one that comes twice is a call that was sent twice.
        self.calls_made += 1
        plan = replace(self.plan(drawn), id=f"c{self.calls_made}")
        if keys.debounce:
            plan = replace(plan, entry=replace(plan.entry, later=True))
            if plan.entry.mode.startswith("j"):
                return
        expected = self.model.call(plan, keys)
        common, made = self._keyed(plan, keys)
        submit = self.bench.store.keyed_submissions.submit
        with self.sending():
            found = submit(common, [made], 8192, None)
            if found is None:
                found = submit(common, [made], 8192, self.fields(plan))
        if isinstance(found, FullKey):
            assert expected == "full"
        else:
            assert isinstance(found, list)
            assert tuple(found[0]) == expected

    def _keyed(self, plan: Any, keys: Keys) -> tuple[Any, KeyedJob]:
        request = self.request(plan)
        job = request.job._replace(params=SAME_PARAMS)
        return request.common, KeyedJob(
            job, len(job.record) - 3, keys.debounce, LONG, None, keys.keep, pack_record("k"),
            keys.single, keys.when, who_and_why("", f"replaced by job {plan.id}"),
        )  # fmt: skip
