"""The flow that the state machine plays with: who delivers to whom, and which slots join.

Routines 0, 1 and 2 deliver to each other; routine 1 merges in its slot 0, routine 2 has a queue of
its own. Below them are joins of every kind, two of them below another one; routine 5 is a join on a
cycle. The other flow is the same without its joins.
"""

from __future__ import annotations

from dataclasses import dataclass

from flowforge.broker.message import message_format
from tests.contract.bench import LONG, UNDO, WAITING_SLOT, Fields, rules

ROUTINES = 6
SLOTS = 2

PLAIN = "plain"
JOINING = "joining"

#: (routine, slot, mode) of a delivery.
Emitted = tuple[int, int, str]

_WORK: list[Emitted] = [(0, 0, ""), (1, 0, "m"), (1, 1, "o"), (2, 0, ""), (2, 1, "m")]
_JOINED: list[Emitted] = [
    (3, 0, "j0:a"), (3, 0, "j0:b"), (3, 1, "j2:a"), (3, 1, "j2:b"), (4, 0, "j0:"), (5, 0, "j0:"),
    (3, 0, "j0:a"), (3, 1, "j2:a"), (4, 0, "j0:"), (5, 0, "j0:"), (4, 1, "j2:"),
]  # fmt: skip

#: What each routine may emit, in the flow with joins.
_EMITS: dict[int, list[Emitted]] = {
    **dict.fromkeys(range(3), _WORK + _JOINED),
    3: [(4, 0, "j0:"), (4, 0, "j0:"), (4, 1, "j2:")],
    4: [],
    5: [(0, 0, ""), (5, 0, "j0:"), (4, 0, "j0:")],
}


#: Slots that can be undone where the plan says so: of work, a merging slot, and two joins.
UNDOABLE = ("0.0", "1.0", "1.1", "2.0", "3.0", "5.0")


def emitted_by(flow: str, invocation: str) -> list[Emitted]:
    """What an invocation may emit; one that compensates another one emits nothing."""
    _, routine, slot, *_ = map(int, invocation.split("."))
    if UNDO <= slot < UNDO + SLOTS:
        return []
    return _EMITS[routine] if flow == JOINING else _WORK


def list_number(invocation: str) -> int:
    """1 for routine 2, which has a queue of its own, else 0."""
    return 1 if invocation.split(".")[1] == "2" else 0


def is_timed(flow: str, invocation: str) -> bool:
    """Whether attempts at it have a timeout: at slot 0 of routine 2, with joins."""
    return flow == JOINING and invocation.split(".")[1:] == ["2", "0"]


@dataclass(frozen=True)
class Rule:
    """When a joining slot fires."""

    kind: str
    late: bool
    otherwise: str
    above: frozenset[int]


def _above(routine: int) -> frozenset[int]:
    """Every routine from which a delivery can lead to this one."""
    found: set[int] = set()
    to_visit = {routine}
    while to_visit:
        targets, to_visit = to_visit, set()
        for source, emitted in _EMITS.items():
            if source not in found and targets & {one[0] for one in emitted}:
                to_visit.add(source)
        found |= to_visit
    return frozenset(found)


RULES: dict[str, Rule] = {
    slot: Rule(kind, late, otherwise, _above(int(slot[0])))
    for slot, kind, late, otherwise in [
        ("3.0", "all", False, "fail"),
        ("3.1", "count", True, "fire"),
        ("4.0", "all", False, "fail"),
        ("4.1", "count", True, "fail"),
        ("5.0", "quiet", False, "fail"),
    ]
}


def fields(flow: str, lists: tuple[str, str]) -> Fields:
    """The stored form of a flow; ``lists``: the broker lists of the two queues."""
    found: Fields = {"json": "{}"}
    for routine in range(ROUTINES):
        queue = found[f"q{routine}"] = lists[1] if routine == 2 else lists[0]
        for slot in (*range(SLOTS), *range(UNDO, UNDO + SLOTS), WAITING_SLOT):
            found[f"m{routine}.{slot}"] = message_format(f"t.R{routine}", queue, f"s{slot}")
    if flow == JOINING:
        found["queues"] = 2
        found |= {"extras": 1, "t2.0": LONG}
        found["m2.0"] = message_format("t.R2", lists[1], "s0", LONG / 1000)
        found |= rules("".join(_rule_text(slot, rule) for slot, rule in RULES.items()))
    return found


def _rule_text(slot: str, rule: Rule) -> str:
    above = ",".join(str(routine) for routine in sorted(rule.above))
    return f"{slot} {rule.kind} {LONG if rule.late else 0} {rule.otherwise} {above}\n"
