"""Where invocations are: broker lists, leases, timers, parked invocations, staged parts."""

from __future__ import annotations

from flowforge.store.transitions.invocations import OUTPUTS
from tests.contract.reference.flow import list_number
from tests.contract.reference.jobs import Item, Job, Lease, Member
from tests.contract.reference.turns import GONE, LOOKS, Turns

#: Messages of one job that may always lie unclaimed in the broker, on a single queue.
QUEUED_AT_LEAST = 32

LISTS = 4

#: Push numbers go on by one as long as they are ahead of the clock.
AHEAD = 9 * 10**14

#: Job id, invocation and token.
Attempt = tuple[str, str, str]


def merging(invocation: str) -> tuple[str, str, int]:
    """Number, slot and position of a delivery to a merging slot."""
    number, routine, slot, position = invocation.split(".")
    return number, f"{routine}.{slot}", int(position)


class Places:
    """All jobs of one fleet. List 2 and 3 are lists 0 and 1 of the lower priority."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        #: Broker lists, the message that is popped next first; duplicates stay until popped.
        self.lists: tuple[list[Member], ...] = tuple([] for _ in range(LISTS))
        #: Push numbers of what is unclaimed, by list.
        self.unclaimed: tuple[dict[Member, int], ...] = tuple({} for _ in range(LISTS))
        self.pushes = [AHEAD] * LISTS
        #: Whether the queue of a list is paused, and what is kept aside of it, by its number.
        self.paused = [False] * LISTS
        self.aside: tuple[dict[Member, int], ...] = tuple({} for _ in range(LISTS))
        self.turns = tuple(Turns() for _ in range(LISTS))
        self.leases: dict[Member, Lease] = {}
        #: Invocations whose latest attempt has a timeout.
        self.ends: set[Member] = set()
        #: Timers in order: True for those that are due. (job, invocation), (job, "look"),
        #: (job, "join", "number slot/key"), (job, "expect", "number") or
        #: (job, "retry", parent, invocation).
        self.timers: dict[tuple[str, ...], bool] = {}
        #: What hooks are to be told of: what happened and the job.
        self.outbox: list[tuple[str, str]] = []
        #: What running attempts have staged, and every attempt that ever did.
        self.parts: dict[Attempt, list[Item]] = {}
        #: Of these the ones that were damaged: how many items there are too many or too few.
        self.damaged: dict[Attempt, int] = {}
        self.stagers: set[Attempt] = set()

    @property
    def submitted(self) -> int:
        """Jobs that undo no other one."""
        return sum(not job.undoes for job in self.jobs.values())

    def list_of(self, job: Job, invocation: str) -> int:
        return list_number(invocation) + 2 * job.plan.lane

    # --- what follows from the places ----------------------------------------------------

    def queued(self, job: Job) -> int:
        return sum(self.queued_in(job, lane) for lane in range(LISTS))

    def running(self, job: Job) -> int:
        return sum(member[0] == job.id for member in self.leases)

    def waiting_timers(self, job: Job) -> int:
        """Invocations that wait for a timer; those of joins and looks are none."""
        return sum(timer[0] == job.id and "." in timer[1] for timer in self.timers)

    def places(self, job: Job, invocation: str) -> list[str]:
        """Where an invocation is; exactly one place while its job lives."""
        member = (job.id, invocation)
        found = ["unclaimed" for places in self.unclaimed if member in places]
        found += ["aside" for places in self.aside if member in places]
        found += ["aside" for turns in self.turns if member in turns.all_waiting]
        found += ["leases"] if member in self.leases else []
        found += ["timers"] if member in self.timers else []
        # One that was told of a failure is on its way already.
        waiters = job.children.values() if invocation not in job.failures else ()
        found += ["child" for waiter in waiters if waiter == invocation]
        found += ["expected"] if job.uncommitted[invocation][:1] == b"E" else []
        found += ["stopped" for stopped in job.stopped if stopped == invocation]
        return found + ["parked" for waiting in job.parked if waiting == invocation]

    def lane(self, job: Job, invocation: str) -> int:
        """Where a job on several queues keeps an invocation apart from those for other queues."""
        return self.list_of(job, invocation) if job.joins else 0

    def waiting_in(self, job: Job, lane: int) -> list[str]:
        return [invocation for invocation in job.parked if self.lane(job, invocation) == lane]

    def queued_in(self, job: Job, lane: int) -> int:
        return sum(
            member[0] == job.id
            for places in (self.unclaimed[lane], self.aside[lane], self.turns[lane].all_waiting)
            for member in places
        )

    def room_in(self, job: Job, lane: int) -> int:
        """The same for one lane: a share of the window, and a bounded number of messages."""
        if not job.joins:
            return self.room(job)
        share = max(1, job.plan.max_in_flight // 2)
        ahead = min(share, max(QUEUED_AT_LEAST, 2 * self.running(job)))
        return min(ahead - self.queued_in(job, lane), self.room(job))

    def takes_staged(self, job: Job) -> bool:
        """What is staged for a lane that is full waits there, and keeps nothing behind it."""
        behind = {self.lane(job, invocation) for invocation in job.parked}
        return self.room(job) > 0 and len(behind) < (2 if job.joins else 1)

    def room(self, job: Job) -> int:
        """How many messages of the job may be pushed now, to whatever queue."""
        queued, running = self.queued(job), self.running(job)
        left = job.plan.max_in_flight - queued - running
        return left if job.joins else min(left, max(QUEUED_AT_LEAST, 2 * running) - queued)

    # --- staged parts ---------------------------------------------------------------------

    def parts_of(self, job: Job, invocation: str, token: str) -> list[list[Item]]:
        """What an attempt has staged: emissions, outputs."""
        return [self.parts.get((job.id, invocation, token + kind), []) for kind in ("", OUTPUTS)]

    def drop_parts(self, job: Job, invocation: str, token: str) -> None:
        for kind in ("", OUTPUTS):
            self.parts.pop((job.id, invocation, token + kind), None)
            self.damaged.pop((job.id, invocation, token + kind), None)

    def damage(self, attempt: Attempt, more: bool) -> None:
        """One item too many or too few."""
        self.damaged[attempt] = self.damaged.get(attempt, 0) + (1 if more else -1)

    def is_damaged(self, job: Job, invocation: str, token: str) -> bool:
        return any(self.damaged.get((job.id, invocation, token + kind)) for kind in ("", OUTPUTS))

    # --- moving --------------------------------------------------------------------------

    def push(self, job: Job, invocation: str, again: bool = False) -> None:
        """``again``: its message was lost."""
        number, member = self.list_of(job, invocation), (job.id, invocation)
        self.pushes[number] += 1
        if job.fair and not again:
            self.turns[number].add(job.fair, member, self.pushes[number])
            self.hand_over(number)
            return
        if self.paused[number]:
            self.aside[number][member] = self.pushes[number]
            return
        self.lists[number].append(member)
        self.unclaimed[number][member] = self.pushes[number]

    def hand_over(self, number: int, looks: int = LOOKS) -> None:
        """Fair keys take their turns while there is room."""
        turns, gone = self.turns[number], dict[str, int]()
        for _ in range(looks):
            if turns.room <= 0 or self.paused[number]:
                return
            if not turns.tags:
                turns.clock = 0.0
                return
            key = turns.next_key()
            tag = turns.tags[key]
            member = turns.take(key)
            if member is None:
                continue
            weight = self._enter(number, member)
            gone[key] = 0 if weight else gone.get(key, 0) + 1
            if weight or gone[key] == GONE:
                gone[key] = 0
                turns.tags[key] = tag + 1 / (weight or 1)
            if weight:
                turns.clock = tag

    def _enter(self, number: int, member: Member) -> float:
        """The weight of what has come into the broker; 0: it is not wanted."""
        job, invocation = self.jobs[member[0]], member[1]
        if job.status in ("paused", "failed"):
            job.parked.append(invocation)
        if not job.live:
            return 0
        self.push(job, invocation, again=True)
        self.turns[number].entered.add(member)
        return float(job.fair.split(" ")[0])

    def leave_turn(self, number: int, member: Member) -> None:
        """What was in the broker has left it."""
        if member in self.turns[number].entered:
            self.turns[number].entered.remove(member)
            self.hand_over(number)

    def enqueue(self, job: Job, invocation: str) -> None:
        """To the broker, or behind what waits already."""
        lane = self.lane(job, invocation)
        may_go = job.live and not job.held
        if may_go and not self.waiting_in(job, lane) and self.room_in(job, lane) > 0:
            self.push(job, invocation)
        else:
            job.parked.append(invocation)

    def look_at(self, job_id: str, due: bool) -> None:
        """The upkeep is to look at a job."""
        self.timers[job_id, "look"] = due
