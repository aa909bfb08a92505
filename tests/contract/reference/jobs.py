"""What the reference model knows of one job."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from flowforge.model.times.start import Start
from tests.contract.bench import LONG
from tests.contract.reference.flow import JOINING

ENDED = {"completed", "failed", "cancelled"}

#: (job id, invocation)
Member = tuple[str, str]

#: (r.s of the compensation, record)
Undo = tuple[str, bytes]


@dataclass(frozen=True)
class Item:
    """One delivery: where to, how, and its record."""

    routine: int
    slot: int
    mode: str
    record: bytes
    #: Whether it is put off; and by which routine, none for what was submitted.
    later: bool = False
    emitter: int | None = None

    @property
    def sent_mode(self) -> str:
        """As the store is given it."""
        emitter = "" if self.emitter is None else self.emitter
        return Start("+", LONG).mode(self.mode, emitter) if self.later else self.mode

    @property
    def sent(self) -> tuple[int, int, str, bytes]:
        return self.routine, self.slot, self.sent_mode, self.record


@dataclass
class Lease:
    token: str
    expired: bool


@dataclass
class Expected:
    """An answer that is waited for: ``r.s/key``; the numbers of those of which one is answered.

    ``otherwise``: the record that is delivered in the end, if there is one, in ``mode``.
    ``emitter``: the number of the invocation that expects it; ``timed``: whether its time ends.
    """

    field: str
    first: int
    last: int
    otherwise: bytes
    mode: str
    emitter: int
    timed: bool


@dataclass
class Attempts:
    claims: int = 0
    lost: int = 0
    unknown: int = 0


@dataclass
class Collection:
    """Items of a join that has not fired. ``number``: of the invocation that will handle them."""

    number: int
    items: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """How a job is submitted. ``lane``: 0, or 1 for the lists of a lower priority."""

    id: str
    flow: str
    entry: Item
    max_in_flight: int = 100
    lane: int = 0
    #: As they are stored; of a job that a handler starts INHERITED for those of its parent.
    labels: str = ""
    deadlines: bool = False
    #: Weight and fair key; empty: none, or that of the job that starts it.
    fair: str = ""
    #: Whether some of its slots have an undo.
    undoable: bool = False


@dataclass
class Job:
    """One job. ``uncommitted`` are its invocations with their records, wherever they are."""

    plan: Plan
    #: The invocation that waits for this job.
    parent: Member | None = None
    status: str = "pending"
    labels: dict[str, str] = field(default_factory=dict)
    fair: str = ""
    last: int = 0
    uncommitted: dict[str, bytes] = field(default_factory=dict)
    parked: list[str] = field(default_factory=list)
    attempts: dict[str, Attempts] = field(default_factory=dict)
    merged: Counter[str] = field(default_factory=Counter)
    base: Counter[str] = field(default_factory=Counter)
    #: Records of each merging slot, and where its log begins after each reset: the oldest that a
    #: delivery may still be shown comes first, that of now last.
    log: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    epochs: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0]))
    #: Delivery to a merging slot that was shown the log -> where that began, and what it was shown.
    shown: dict[str, tuple[int, list[bytes]]] = field(default_factory=dict)
    history: Counter[str] = field(default_factory=Counter)
    #: Attempts started, and how they were closed.
    started: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    #: Errors that were counted with a group, by their type.
    errors: Counter[str] = field(default_factory=Counter)
    outputs: int = 0
    #: Lines that handlers have logged.
    lines: int = 0
    #: Committed emissions that are not released yet, oldest first.
    staged: list[Item] = field(default_factory=list)
    staged_outputs: int = 0
    #: It was paused or had failed, and has not gone on for the time of a join since.
    went_on: bool = False
    #: Joins that were late while the job could not go on: number and r.s/key.
    late: list[str] = field(default_factory=list)
    #: Open joins by slot and key, and the items of those that are not handled, by number.
    open: dict[str, Collection] = field(default_factory=dict)
    collected: dict[int, list[bytes]] = field(default_factory=dict)
    #: Emitted job -> the invocation that waits for it.
    children: dict[str, str] = field(default_factory=dict)
    #: What was told that its child failed -> that child, and the retries of this job by then.
    failures: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Routine -> above which value of a param its invocations stop; None: all of them.
    breakpoints: dict[int, int | None] = field(default_factory=dict)
    #: Whether its row says that there are some; the end of the job leaves that.
    breaks: bool = False
    #: Invocations that have stopped there, and those that were let go.
    stopped: list[str] = field(default_factory=list)
    let_go: set[str] = field(default_factory=set)
    #: Deliveries that are put off, of slots that do more with one than to handle it; and whether
    #: there have been any, or staged ones.
    put_off: dict[str, Item] = field(default_factory=dict)
    puts_off: bool = False
    #: Answers that are expected, by number; what became of the latest one of a field (a letter),
    #: early ones by field; and whether there have been any.
    expected: dict[str, Expected] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    early: dict[str, Item] = field(default_factory=dict)
    extras: bool = False
    #: Deadlines that count, and those of them whose time has come.
    deadlines: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    #: The key of which one job runs at a time, and whether another job has it.
    single: str = ""
    #: The job that is to replace it, when it has been undone.
    next: str = ""
    held: bool = False
    #: The key by which calls find it while it waits, and how many calls it stands for.
    debounce: str = ""
    calls: int = 1
    #: What compensates its commits, the latest first: slot and record.
    undo_log: list[Undo] = field(default_factory=list)
    #: The job that undoes this one, or ``waits`` or ``nothing``; empty: it is not undone.
    undo: str = ""
    #: Its cancel undoes it.
    to_undo: bool = False
    #: The job that this one undoes, and what is left of that job's log.
    undoes: str = ""
    compensations: list[Undo] = field(default_factory=list)
    retries: int = 0
    #: Its parent's retry was its own, and it has not been told so.
    retried: bool = False
    #: Every invocation that ever was, for duplicates of what is done.
    invocations: list[str] = field(default_factory=list)
    #: Items delivered to joins and handed over.
    items: Counter[str] = field(default_factory=Counter)

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def flow(self) -> str:
        """The flow that it is listed and counted under."""
        return f"{self.plan.flow} (undo)" if self.undoes else self.plan.flow

    @property
    def joins(self) -> bool:
        return self.plan.flow == JOINING

    @property
    def has_extras(self) -> bool:
        """Whether its row says so: it has what only some jobs have."""
        return self.extras or self.joins or self.plan.deadlines or self.fair != ""

    @property
    def awaited(self) -> list[str]:
        """Invocations that are nowhere: they wait for a child."""
        return [
            invocation for invocation in self.children.values() if invocation not in self.failures
        ]

    @property
    def live(self) -> bool:
        """Whether its work may go to the broker."""
        return self.status in ("pending", "running")
