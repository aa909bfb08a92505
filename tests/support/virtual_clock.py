"""A clock of the server that a test moves, so that hours pass in milliseconds.

All of FlowForge's times come from the server: from ``TIME``, in scripts and in reads, and from the
time to live of keys. A process whose links were made ``clocked`` adds an offset to the first, which
is kept on the server below the fleet's prefix, so that all processes of a fleet share it. Scripts
are rendered for that once more; what production sends has no offset. ``advance`` moves the offset,
and shortens what keys still have to live by as much.

Time of processes stays real: heartbeats, the lead, the reports of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.engine.engine import Engine
from flowforge.settings import Settings
from flowforge.store.keys import Keys
from flowforge.store.scripts import Script, all_scripts
from flowforge.store.server.link import Argument, Link, ServerLink
from flowforge.store.store import Store
from flowforge.worker.upkeep.duties import leader_duties
from tests.support.eventually import eventually

#: Where the offset of a fleet is, below its prefix: milliseconds.
OFFSET = "clock"

#: How the scripts take the time, and how those do that are rendered for tests.
_TIME = "moment = t[1] * 1000 + math.floor(t[2] / 1000)\n"
_MOVED = _TIME.rstrip() + f" + tonumber(call('GET', P .. '{OFFSET}') or 0)\n"

#: The one time to live that is a time of the server's own clock.
_UNTIL = "call('PEXPIREAT', key, until_ms + 1000)"
_FOR = "call('PEXPIRE', key, until_ms + 1000 - now)"

#: Keys, below the prefix, that live as long as a process does, or its latest batch.
_OF_PROCESSES = ("leader", "workers", "w:", "tw:", "c:")

#: Moves the clock, or answers with leases that are held.
_MOVE = f"""
local held = redis.call('ZRANGE', ARGV[1] .. 'leases', 0, 9)
if #held == 0 then redis.call('INCRBY', ARGV[1] .. '{OFFSET}', ARGV[2]) end
return held
"""

#: How often due timers may set others that are due at once.
_ROUNDS = 1000

_Call = Callable[..., Any]
_Many = Callable[[Sequence[Sequence[Argument]]], list[Any]]


def clocked(script: Script) -> Script:
    """The script with the offset."""
    return script.changed(_TIME, _MOVED).changed(_UNTIL, _FOR)


class ClockedLink:
    """A link that sends the scripts for tests in the place of production's, and moves ``TIME``."""

    def __init__(self, link: Link, root: str) -> None:
        self._call: _Call = link.call
        self._many: _Many = link.many
        self._offset_key = root + OFFSET
        self._replaced = _replaced()

    def call(self, *command: Argument) -> Any:
        if command[0] == "TIME":
            return self.many([command])[0]
        return self._call(*self._for_tests(command))

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        replies = self._many([self._for_tests(command) for command in commands])
        for at, command in enumerate(commands):
            if command[0] == "TIME":
                replies[at] = self._moved(replies[at])
        return replies

    def _for_tests(self, command: Sequence[Argument]) -> Sequence[Argument]:
        if command[0] not in ("EVALSHA", "EVAL"):
            return command
        return (command[0], self._replaced.get(command[1], command[1]), *command[2:])

    def _moved(self, reply: Sequence[bytes]) -> list[bytes]:
        offset = int(self._call("GET", self._offset_key) or 0)
        moved = int(reply[0]) * 1_000_000 + int(reply[1]) + offset * 1000
        return [str(part).encode() for part in divmod(moved, 1_000_000)]


def _replaced() -> dict[Argument, str]:
    """Digest and source of each of production's scripts -> those of the script for tests."""
    found: dict[Argument, str] = {}
    for script in all_scripts():
        changed = clocked(script)
        found |= {script.sha: changed.sha, script.source: changed.source}
    return found


def clock_this_process(prefix: str) -> None:
    """Make every link of this process clocked: for workers."""
    make = ServerLink.__init__

    def clocked_init(link: ServerLink, *arguments: Any, **options: Any) -> None:
        make(link, *arguments, **options)
        _put_before(link, prefix)

    setattr(ServerLink, "__init__", clocked_init)  # noqa: B010


def _put_before(link: ServerLink, prefix: str) -> None:
    before = ClockedLink(link, Keys(prefix).root)
    vars(link).update(call=before.call, many=before.many)


class VirtualClock:
    """Moves the clock of one fleet, and does what becomes due.

    ``store``: one whose link is clocked. The upkeep of the fleet's leader, if there is one, goes on
    beside it: each duty takes what it acts on.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._root = store.keys.root
        self._settings = settings
        self._duties = leader_duties(store, settings, store)

    @classmethod
    def of(cls, engine: Engine) -> VirtualClock:
        """That of the fleet of an engine, whose workers run ``tests.support.clocked_app``."""
        _put_before(engine.link, engine.settings.prefix)
        return cls(engine.store, engine.settings)

    def now(self) -> datetime:
        """The fleet's time."""
        seconds, micros = self._store.link.call("TIME")
        return datetime.fromtimestamp(int(seconds) + int(micros) / 1e6, UTC)

    def advance(self, **time: float) -> None:
        """Let time pass, given as for ``timedelta``, in one step; then do what is due.

        AssertionError while a lease is held: in the handler that holds it no time has passed.
        """
        ms = round(timedelta(**time).total_seconds() * 1000)
        held = self._store.link.call("EVAL", _MOVE, 0, self._root, ms)
        assert not held, (
            "the clock moves only while no lease is held; held are (job/invocation/token): "
            + ", ".join(member.decode() for member in held)
        )
        self._after(ms)

    def advance_running(self, **time: float) -> None:
        """Let time pass while handlers run; then do what is due.

        Their leases are renewed, as by workers that are there.
        """
        ms = round(timedelta(**time).total_seconds() * 1000)
        self._store.link.call("INCRBY", self._root + OFFSET, ms)
        leases = self._store.keys.of("leases")
        for member in self._store.link.call("ZRANGE", leases, 0, -1):
            self._store.link.call("ZINCRBY", leases, ms, member)
        self._after(ms)

    def _after(self, ms: int) -> None:
        # Some duties look again only when their own clock says so.
        self._duties = leader_duties(self._store, self._settings, self._store)
        self._shorten_lives(ms)
        self._age_reports(ms)
        self.look()

    def look(self) -> None:
        """Do every duty of the leader at once, and what is due until nothing is."""
        for _ in range(_ROUNDS):
            for one in self._duties:
                one.duty.run_once()
            if not self._due():
                return
        raise AssertionError(f"timers are due again and again: {self._due()}")

    def run_until_quiet(self, timeout: float = 25.0) -> None:
        """Return when nothing is due, queued or running: what is left waits for time or people.

        AssertionError, with what is left, after ``timeout`` seconds of the test's own time.
        """
        self.look()
        eventually(lambda: not self._busy(), timeout, lambda: f"quiet, but: {self._busy()}")

    def _busy(self) -> list[bytes]:
        if self._due():
            self.look()
        lists = self._store.link.call("HKEYS", self._store.keys.of("sequences"))
        unclaimed = [self._store.keys.of("unclaimed", name.decode()) for name in lists]
        keys = [self._store.keys.of("leases"), *unclaimed]
        found = self._store.link.many([("ZRANGE", key, 0, 9) for key in keys])
        return [member for members in found for member in members] + self._due()

    def _due(self) -> list[bytes]:
        now = int(self.now().timestamp() * 1000)
        found = self._store.link.many(
            [
                ("ZRANGEBYSCORE", self._store.keys.of(index), "-inf", now, "LIMIT", 0, 10)
                for index in ("timers", "schedules")
            ]
        )
        return [member for members in found for member in members]

    def _shorten_lives(self, ms: int) -> None:
        keys = [key for key in self._every_key() if not self._is_of_processes(key)]
        lives = self._store.link.many([("PTTL", key) for key in keys])
        for key, left in zip(keys, lives, strict=True):
            if left > ms:
                self._store.link.call("PEXPIRE", key, left - ms)
            elif left >= 0:
                self._store.link.call("UNLINK", key)

    def _every_key(self) -> Iterator[bytes]:
        cursor = b"0"
        while True:
            cursor, keys = self._store.link.call(
                "SCAN", cursor, "MATCH", f"{self._root}*", "COUNT", 1000
            )
            yield from keys
            if cursor == b"0":
                return

    def _is_of_processes(self, key: bytes) -> bool:
        return key.decode().removeprefix(self._root).startswith(_OF_PROCESSES)

    def _age_reports(self, ms: int) -> None:
        """Workers are as long there as before: what they reported is moved with the clock."""
        key = self._store.keys.of("workers")
        now = self.now().timestamp()
        reports = iter(self._store.link.call("HGETALL", key))
        for name, report in zip(reports, reports, strict=True):
            at, *facts = unpack_record(report, "a worker's report", 2)
            if now - at >= ms / 1000:
                self._store.link.call("HSET", key, name, pack_record(at + ms // 1000, *facts))
