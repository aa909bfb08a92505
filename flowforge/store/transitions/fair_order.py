"""The order of work with fair keys: of each broker list it waits by key, and keys take turns."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.store.keys import Keys
from flowforge.store.reading import reading, whole
from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Link

#: Keys of a list whose waiting invocations are counted, those whose turns come first.
_COUNTED = 1000


class FairKey(NamedTuple):
    """A key that has work on a list. ``waiting``: invocations that wait for its turns."""

    key: str
    waiting: int


class KeyState(NamedTuple):
    """``before``: keys of the ``keys`` of the list that have their next turn before this one.

    ``waiting``: invocations that wait for its turns. ``entered``: messages of any key that have
    had their turns and are in the broker.
    """

    before: int
    keys: int
    waiting: int
    entered: int


class FairList(NamedTuple):
    """A broker list with fair keys.

    ``keys``: how many keys take turns. ``entered``: messages of them that are in the broker, of
    ``most`` that may be there. ``first``: the keys whose turns come first.
    """

    name: str
    keys: int
    entered: int
    most: int
    first: list[FairKey]

    @property
    def waiting(self) -> int:
        """Invocations that wait for the turns of the first keys."""
        return sum(one.waiting for one in self.first)


class FairOrder:
    """The upkeep of the order, and what it holds."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts
        self._link: Link = scripts.link
        self._keys: Keys = scripts.keys

    def let_in(self, broker_list: str, most: int | None) -> bool:
        """Count what is in the broker again, and fill it up; whether there is more to look at.

        ``most``: messages that may be in the broker; None: as many as before.
        """
        return bool(self._scripts.run("fair_turns", broker_list, "" if most is None else most))

    # --- reading -------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The broker lists that have fair keys, by name."""
        fields = self._link.call("HKEYS", self._keys.of("fair_lists"))
        return sorted(one[1:].decode() for one in fields if one.startswith(b"m"))

    def lists(self, counted: int = _COUNTED) -> list[FairList]:
        """What each of these lists has. ``counted``: of how many keys at most."""
        return [self._read(name, counted) for name in self.names()]

    def _read(self, name: str, counted: int) -> FairList:
        key = self._keys.of
        keys, entered, most, first = self._link.many(
            [
                ("ZCARD", key("fair_turns", name)),
                ("ZCARD", key("fair_entered", name)),
                ("HGET", key("fair_lists"), f"m{name}"),
                ("ZRANGE", key("fair_turns", name), 0, counted - 1),
            ]
        )
        with reading(f"the fair keys of {name}"):
            names = [one.decode() for one in first]
            commands = [("ZCARD", self.waiting_key(name, one)) for one in names]
            counts = self._link.many(commands) if commands else []
            found = [FairKey(one, count) for one, count in zip(names, counts, strict=True)]
            return FairList(
                name, keys, entered, whole(most or 0), [one for one in found if one.waiting]
            )

    def state_of(self, name: str, key: str) -> KeyState:
        """How a key stands on a list."""
        turns = self._keys.of("fair_turns", name)
        rank, keys, waiting, entered = self._link.many(
            [
                ("ZRANK", turns, key),
                ("ZCARD", turns),
                ("ZCARD", self.waiting_key(name, key)),
                ("ZCARD", self._keys.of("fair_entered", name)),
            ]
        )
        return KeyState(rank or 0, keys, waiting, entered)

    def waiting_key(self, broker_list: str, key: str) -> str:
        """The key of what waits for the turns of a fair key."""
        return self._keys.of("fair_waiting", f"{broker_list}\n{key}")
