"""What limits do, said again in Python, as plainly as possible.

Every invocation is in one place: it has a message, a lease, a line of a key, or is parked. Times
are left out: a limit here is how many may run at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: How often a turn may come in vain before a place is kept.
VAIN_TURNS = 2

#: Statuses of jobs of which something may start.
LIVE = ("pending", "running")


@dataclass
class Work:
    """One invocation: its name, as ``job/invocation``, and the keys at which it counts."""

    name: str
    keys: list[str]
    #: Its number in the lines, from when it first waited until it starts.
    number: int | None = None
    vain: int = 0

    @property
    def job(self) -> str:
        return self.name.partition("/")[0]


@dataclass
class Line:
    """A key: what has a message with a place, what runs with one, and what waits."""

    most: int = 1
    messages: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    waiting: dict[str, int] = field(default_factory=dict)
    #: For what a place is kept: number, name, and the key at which it waits.
    kept: tuple[int, str, str] | None = None

    @property
    def first(self) -> tuple[str, int] | None:
        return min(self.waiting.items(), key=lambda one: one[1], default=None)


class Limits:
    """All transitions, as far as they concern limits."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.status: dict[str, str] = {}
        self.work: dict[str, Work] = {}
        self.unclaimed: list[str] = []
        self.leases: set[str] = set()
        self.parked: dict[str, list[str]] = {}
        self.started: set[str] = set()
        self._last = 0

    # --- room --------------------------------------------------------------------------

    def _kept_before(self, key: str, number: int | None) -> int:
        line = self.lines[key]
        if line.kept is None or (number is not None and number <= line.kept[0]):
            return 0
        _, name, at = line.kept
        status = self.status[name.partition("/")[0]]
        if name in self.lines[at].waiting and status in LIVE:
            return 1
        line.kept = None
        return 0

    def room(self, key: str, number: int | None) -> int:
        line = self.lines[key]
        free = line.most - len(line.messages) - len(line.running)
        # One place is kept at most: of more, there is no need to know for what.
        return free - self._kept_before(key, number) if free == 1 else free

    def _wait(self, one: Work, key: str) -> None:
        if one.number is None:
            self._last += 1
            one.number = self._last
        self.lines[key].waiting[one.name] = one.number

    # --- messages ----------------------------------------------------------------------

    def push(self, name: str) -> None:
        """A message for it, if there is a place of each key; else it waits at the first one."""
        one = self.work[name]
        for key in one.keys:
            if self.lines[key].waiting or self.room(key, one.number) <= 0:
                self._wait(one, key)
                return
        for key in one.keys:
            self.lines[key].messages.add(name)
        self.unclaimed.append(name)

    def enqueue(self, name: str) -> None:
        job = name.partition("/")[0]
        if self.status[job] in LIVE:
            self.push(name)
        else:
            self.parked[job].append(name)

    def hand_on(self, keys: list[str]) -> None:
        """What is free goes to what came first."""
        for key in keys:
            line = self.lines[key]
            while line.first is not None:
                name, number = line.first
                if self.room(key, number) <= 0:
                    break
                del line.waiting[name]
                self._let_in(name, number, key)

    def _let_in(self, name: str, number: int, at: str) -> None:
        one, job = self.work.get(name), name.partition("/")[0]
        if one is None or self.status[job] in ("completed", "cancelled"):
            return
        if self.status[job] not in LIVE:
            self.parked[job].append(name)
            return
        for key in one.keys:
            if key != at and self.room(key, number) <= 0:
                one.vain += 1
                self._keep(one, number, at, key)
                self._wait(one, key)
                return
        for key in one.keys:
            kept = self.lines[key].kept
            if kept is not None and kept[1] == name:
                self.lines[key].kept = None
            self.lines[key].messages.add(name)
        self.unclaimed.append(name)

    def _keep(self, one: Work, number: int, at: str, full: str) -> None:
        """From the second turn in vain a place is kept."""
        former = self.lines[at].kept
        if one.vain >= VAIN_TURNS and (former is None or former[0] >= number):
            self.lines[at].kept = (number, one.name, full)
        for key in one.keys:
            kept = self.lines[key].kept
            if kept is not None and kept[1] == one.name:
                self.lines[key].kept = (number, one.name, full)

    def _leave(self, name: str) -> None:
        """A message that is not to start gives its places on."""
        freed = [key for key in self.work[name].keys if name in self.lines[key].messages]
        for key in freed:
            self.lines[key].messages.discard(name)
        self.hand_on(freed)

    # --- attempts ----------------------------------------------------------------------

    def submit(self, job: str, invocation: str, keys: list[str]) -> None:
        self.status[job], self.parked[job] = "pending", []
        self.add(job, invocation, keys)

    def add(self, job: str, invocation: str, keys: list[str]) -> None:
        name = f"{job}/{invocation}"
        self.work[name] = Work(name, keys)
        self.enqueue(name)

    def claim(self, name: str) -> str:
        self.unclaimed.remove(name)
        one = self.work[name]
        status = self.status[one.job]
        if status not in LIVE:
            self._leave(name)
            if status == "cancelled":
                return "dropped"
            self.parked[one.job].append(name)
            return "dropped" if status == "failed" else "paused"
        owned, full = [], None
        for key in one.keys:
            line = self.lines[key]
            own = name in line.messages
            line.messages.discard(name)
            if own:
                owned.append(key)
            if full is None and self._is_full(line, key, one, own):
                full = key
        if full is not None:
            self._wait(one, full)
            self.hand_on(owned)
            return "limited"
        for key in one.keys:
            self.lines[key].running.add(name)
        one.number, one.vain = None, 0
        self.leases.add(name)
        self.status[one.job] = "running"
        self.started.add(one.job)
        return "granted"

    def _is_full(self, line: Line, key: str, one: Work, own: bool) -> bool:
        """Of messages with a place none is before one that has its own."""
        if own:
            return len(line.running) >= line.most
        return self.room(key, one.number) <= 0

    def give_back(self, name: str) -> list[str]:
        """The keys whose places the end of an attempt frees."""
        self.leases.discard(name)
        freed = [key for key in self.work[name].keys if name in self.lines[key].running]
        for key in freed:
            self.lines[key].running.discard(name)
        return freed

    def commit(self, name: str, emitted: list[tuple[str, list[str]]]) -> str:
        freed, job = self.give_back(name), name.partition("/")[0]
        if self.status[job] in ("failed", "cancelled"):
            self._discard(name)
            self.hand_on(freed)
            return "dropped"
        del self.work[name]
        for invocation, keys in emitted:
            self.add(job, invocation, keys)
        self.settle(job)
        self.hand_on(freed)
        return "ok"

    def _discard(self, name: str) -> None:
        job = name.partition("/")[0]
        if self.status[job] == "failed":
            self.parked[job].append(name)

    def retry_at_once(self, name: str) -> str:
        """An attempt that fails and is due again: others have had its place by then."""
        freed, job = self.give_back(name), name.partition("/")[0]
        if self.status[job] in ("failed", "cancelled"):
            self._discard(name)
            self.hand_on(freed)
            return "dropped"
        self.hand_on(freed)
        self.enqueue(name)
        return "ok"

    def fail(self, name: str) -> str:
        freed, job = self.give_back(name), name.partition("/")[0]
        if self.status[job] in ("failed", "cancelled"):
            self._discard(name)
            self.hand_on(freed)
            return "dropped"
        self.parked[job].append(name)
        self.status[job] = "failed"
        self.hand_on(freed)
        return "ok"

    def lose(self, name: str) -> None:
        """The lease expires: the invocation comes again."""
        freed, job = self.give_back(name), name.partition("/")[0]
        if self.status[job] == "cancelled":
            self.hand_on(freed)
            return
        if self.status[job] in LIVE:
            # It is queued before the place goes on, behind what waits.
            self.enqueue(name)
            self.hand_on(freed)
        else:
            self.parked[job].append(name)
            self.hand_on(freed)

    # --- control -----------------------------------------------------------------------

    def pause(self, job: str) -> None:
        self.status[job] = "paused"

    def go_on(self, job: str) -> None:
        self.status[job] = "running" if job in self.started else "pending"
        for name in self.parked.pop(job):
            self.push(name)
        self.parked[job] = []
        self.settle(job)

    def cancel(self, job: str) -> None:
        self.status[job], self.parked[job] = "cancelled", []

    def skip(self, name: str) -> None:
        for line in self.lines.values():
            line.waiting.pop(name, None)
        one = self.work.pop(name)
        if name in self.parked[one.job]:
            self.parked[one.job].remove(name)
        self.settle(one.job)

    def settle(self, job: str) -> None:
        if self.status[job] in LIVE and not any(w.job == job for w in self.work.values()):
            self.status[job] = "completed"

    def look(self, keys: list[str]) -> None:
        """Messages that nothing will start give their places on."""
        for key in keys:
            messages = self.lines[key].messages
            for name in list(messages):
                if self.status[name.partition("/")[0]] not in (*LIVE, "paused"):
                    messages.discard(name)
            self.hand_on([key])
            line = self.lines[key]
            if not (line.messages or line.running or line.waiting):
                # A key at which there is nothing is forgotten, if nothing keeps a place there.
                self._kept_before(key, None)

    def set(self, key: str, most: int) -> None:
        self.lines[key].most = most
        self.hand_on([key])
