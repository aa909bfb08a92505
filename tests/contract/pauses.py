"""The part of the state machine in which queues are paused."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contract.breaks import Breaks

LISTS = st.sampled_from([0, 0, 1, 2, 3])


class Pauses(Breaks):
    """Makes these transitions on both sides. Each broker list stands for a queue."""

    @rule(number=LISTS)
    def pause_a_queue(self, number: int) -> None:
        """What is unclaimed of it is put aside."""
        expected = self.model.pause_queue(number)
        with self.sending():
            name = self.lists[number]
            assert self.bench.store.queue_pauses.pause(name, [name], "kim", "") == expected

    @precondition(lambda self: any(self.model.paused))
    @rule(number=LISTS)
    def resume_a_queue(self, number: int) -> None:
        """Workers have popped by then what was on its list."""
        self._resume_queue(number)

    def _resume_queue(self, number: int) -> None:
        self.pop_all(number)
        expected = self.model.resume_queue(number)
        name = self.lists[number]
        assert self.bench.store.queue_pauses.resume(name, [name]) == expected

    @rule(number=LISTS, most=st.integers(1, 3))
    def let_fair_keys_in(self, number: int, most: int) -> None:
        """The upkeep fills the broker up, to as many messages as the workers run."""
        self._let_in(number, most)

    def _let_in(self, number: int, most: int) -> None:
        self.model.let_in(number, most)
        with self.sending():
            assert not self.bench.store.fair_order.let_in(self.lists[number], most)

    def resume_all_queues(self) -> None:
        """So that all jobs can end."""
        for number, paused in enumerate(self.model.paused):
            if paused:
                self._resume_queue(number)
