"""What the store does with fair keys: they take turns on each broker list."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contract.reference.jobs import Member

#: Messages in the broker when nobody has said how many.
FEW = 8

#: Invocations that one hand-over looks at, and of one key that are gone for a turn.
LOOKS, GONE = 32, 8


@dataclass
class Turns:
    """Of one broker list. ``most``: messages in the broker; None: nobody has said."""

    most: int | None = None
    clock: float = 0.0
    tags: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, dict[Member, int]] = field(default_factory=dict)
    entered: set[Member] = field(default_factory=set)

    @property
    def room(self) -> int:
        return (FEW if self.most is None else self.most) - len(self.entered)

    @property
    def all_waiting(self) -> dict[Member, int]:
        return {member: n for some in self.waiting.values() for member, n in some.items()}

    def add(self, fair: str, member: Member, number: int) -> None:
        weight, key = fair.split(" ")
        self.waiting.setdefault(key, {})[member] = number
        if key not in self.tags:
            self.tags[key] = self.clock + 1 / float(weight)
            self.most = FEW if self.most is None else self.most

    def next_key(self) -> str:
        return min(self.tags, key=lambda key: (self.tags[key], key))

    def take(self, key: str) -> Member | None:
        """The first one of a key; None when it has no more, then it is gone."""
        some = self.waiting.get(key)
        if not some:
            del self.tags[key]
            return None
        member = min(some, key=some.__getitem__)
        self.drop(member)
        return member

    def drop(self, member: Member) -> bool:
        """Whether it was waiting."""
        return any(some.pop(member, None) is not None for some in self.waiting.values())
