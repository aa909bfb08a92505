"""Trees whose nodes count at two limits, or that count as whole jobs; and what must hold of places
and starts meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import redis

from flowforge import Flow, Limit
from flowforge.engine.engine import Engine
from tests.chaos.harness.flows import Gather, Node, Tree
from tests.chaos.harness.ledger import Line

#: Each size of tree is a key of its own.
RUNNING = Limit("fault-running", per="size", running=2)
RATE = Limit("fault-rate", rate=80, period=1, burst=5)

#: Of whole jobs.
JOBS = Limit("fault-jobs", running=2)

#: How many of each may run at once.
_MOST = {limit.name: limit.settings.running or 0 for limit in (RUNNING, JOBS)}

#: Seconds for which something may wait although there is a place: the interval of the looks, and
#: what the upkeep needs for one. From the latest fault on.
_FREE_FOR = 7.0

#: Seconds by which a handler may start later than its claim allowed, on a machine under load.
_LATE = 0.5

#: One look at all keys at once. Of each: its leases and the jobs that have begun and not ended,
#: places that are neither, places, what waits, and 1 if a place is kept for what waits elsewhere.
_LOOK = """
local P, found = ARGV[1], {}
local running = {}
for _, lease in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
  local job, invocation = string.match(lease, '^([^/]+)/([^/]+)/')
  local keys = redis.call('HGET', P .. 'j:' .. job .. ':limits', invocation)
  for key in string.gmatch(keys or '', '[^\\n]+') do running[key] = (running[key] or 0) + 1 end
end
local begun = {}
for _, status in ipairs({ 'pending', 'running', 'paused' }) do
  for _, job in ipairs(redis.call('ZRANGE', P .. 'jobs:' .. status, 0, -1)) do
    local f = redis.call('HMGET', P .. 'j:' .. job, 'limits', 'held')
    for key in string.gmatch(f[1] and not f[2] and f[1] or '', '[^\\n]+') do
      running[key] = (running[key] or 0) + 1
      begun[job .. '/0.0.0/'] = true
    end
  end
end
for _, key in ipairs(redis.call('ZRANGE', P .. 'limits:keys', 0, -1)) do
  local places, lost = P .. 'limit:' .. key .. ':p', 0
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', places, '(0', '+inf')) do
    if not begun[lease] and not redis.call('ZSCORE', P .. 'leases', lease) then lost = lost + 1 end
  end
  local waiting = redis.call('ZCARD', P .. 'limit:' .. key .. ':w')
  local kept = redis.call('HEXISTS', P .. 'limits:promises', key)
  found[#found + 1] = { key, running[key] or 0, lost, redis.call('ZCARD', places), waiting, kept }
end
return found
"""


class LimitedNode(Node):
    """A node that counts at a limit of its tree's size and at a rate of all."""

    def __init__(self) -> None:
        super(Node, self).__init__()
        self.define_slot("input", handler=self.grow, limit=[RUNNING, RATE])
        self.define_event("child", ["i", "size", "branch", "micros"])
        self.define_event("noted", ["i"])
        self.define_event("done", ["i"])


def _limited_flow() -> Flow:
    flow = Flow("chaos-limits")
    flow.add_routine(LimitedNode(), "node")
    flow.add_routine(Gather(), "gather")
    flow.connect("node", "child", "node", "input")
    flow.connect("node", "noted", "gather", "input")
    return flow


_FLOW = _limited_flow()


@dataclass(frozen=True)
class LimitedTree(Tree):
    """A tree of such nodes."""

    @property
    def flow(self) -> Flow:
        return _FLOW


def _whole_flow() -> Flow:
    flow = Flow("chaos-whole", limit=JOBS)
    flow.add_routine(Node(), "node")
    flow.add_routine(Gather(), "gather")
    flow.connect("node", "child", "node", "input")
    flow.connect("node", "noted", "gather", "input")
    return flow


_WHOLE = _whole_flow()


@dataclass(frozen=True)
class WholeTree(Tree):
    """A tree that has one place from its begin to its end."""

    @property
    def flow(self) -> Flow:
        return _WHOLE


@dataclass
class Looks:
    """Looks at the places of a site all the time, until it is ended."""

    engine: Engine
    violations: list[str] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        #: The most attempts or jobs of one key at once, by limit.
        self.most = dict.fromkeys(_MOST, 0)
        self._since: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def fault(self) -> None:
        """From now on it counts anew how long a place is free."""
        self._since.clear()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        root = self.engine.store.keys.of("limit_keys").removesuffix("limits:keys")
        while not self._ended.wait(0.02):
            try:
                found = self.engine.client.eval(_LOOK, 0, root)
            except redis.RedisError:
                self.fault()
                continue
            self.number += 1
            for key, leases, lost, places, waiting, promised in found:
                self._judge(key.decode(), leases, lost, places, waiting, promised)

    def _judge(
        self, key: str, leases: int, lost: int, places: int, waiting: int, promised: int
    ) -> None:
        if lost:
            self.violations.append(f"I5 {lost} places of {key} are nothing's")
        name = key.partition("/")[0]
        if name not in _MOST:
            return
        most = _MOST[name]
        self.most[name] = max(self.most[name], leases)
        if leases > most:
            self.violations.append(f"I5 {leases} attempts or jobs of {key} at once")
        if not waiting or places + promised >= most:
            self._since.pop(key, None)
            return
        since = self._since.setdefault(key, time.monotonic())
        if time.monotonic() - since > _FREE_FOR:
            self.violations.append(
                f"I5 {waiting} wait at {key}, of which {places} places are taken"
            )
            self._since.pop(key)


def most_starts(lines: Iterable[Line], seconds: float) -> int:
    """The most nodes that started within so many seconds."""
    starts = sorted(one.at / 1e9 for one in lines if one.kind == "start" and one.routine == "node")
    most = first = 0
    for index, at in enumerate(starts):
        while starts[first] < at - seconds:
            first += 1
        most = max(most, index - first + 1)
    return most


def allowed_starts() -> float:
    """How many may start within the period of the rate, as far as the ledger tells."""
    rate, burst = RATE.settings.rate or 0, RATE.settings.burst or 1
    return burst + rate * (1 + _LATE)
