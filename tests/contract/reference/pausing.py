"""What the pause of a queue does to what waits on its list."""

from __future__ import annotations

from tests.contract.reference.breaking import Breaking


class Pausing(Breaking):
    """Nothing of a paused queue is claimed or pushed."""

    def pause_queue(self, number: int) -> bool:
        if self.paused[number]:
            return False
        self.paused[number] = True
        self.aside[number].update(self.unclaimed[number])
        self.unclaimed[number].clear()
        return True

    def resume_queue(self, number: int) -> bool:
        """Its list is empty by now: all that was put aside is pushed, in order."""
        if not self.paused[number]:
            return False
        self.paused[number] = False
        for job_id, invocation in sorted(self.aside[number], key=self.aside[number].__getitem__):
            self.push(self.jobs[job_id], invocation, again=True)
        self.aside[number].clear()
        self.hand_over(number)
        return True

    def let_in(self, number: int, most: int) -> None:
        """What is in the broker is counted again, and filled up."""
        turns = self.turns[number]
        turns.most = most
        turns.entered &= self.unclaimed[number].keys() | self.aside[number].keys()
        self.hand_over(number, 200)
        if not turns.tags and not turns.entered:
            turns.most = None
