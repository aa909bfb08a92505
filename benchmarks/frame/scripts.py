"""How long scripts kept the server busy, from the server's own log of slow commands."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import redis

from flowforge.store.scripts import all_scripts

#: Microseconds from which the server logs a script. Logging all of them would cost a third of the
#: server's time (it logs the commands inside of scripts as well); those below are the fast ones,
#: and how many there are is known.
THRESHOLD = 250


class ScriptTimes:
    """Collects the execution times of FlowForge's scripts, from its making on."""

    #: Directives that the server needs for it.
    CONFIG = MappingProxyType(
        {"slowlog-log-slower-than": str(THRESHOLD), "slowlog-max-len": "200000"}
    )

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._names = {script.sha.encode(): script.name for script in all_scripts()}
        client.slowlog_reset()

    def figures(self, commits: int) -> dict[str, float]:
        """p99 and longest of ``commit``, of which there were so many, and the longest script; ms.

        A p99 below the threshold is given as the threshold.
        """
        slow = self._slow()
        found = sorted((micros for name, micros in slow if name == "commit"), reverse=True)
        rank = commits // 100
        p99 = found[rank] if rank < len(found) else THRESHOLD
        return {
            "commit_p99_ms": p99 / 1000,
            "commit_max_ms": max(found, default=THRESHOLD) / 1000,
            "script_max_ms": max((micros for _, micros in slow), default=THRESHOLD) / 1000,
        }

    def _slow(self) -> list[tuple[str, int]]:
        """Script and microseconds of everything that the server logged."""
        entries: Any = self._client.slowlog_get(-1)
        commands = [(entry["command"].split(b" ", 2), entry["duration"]) for entry in entries]
        return [
            (self._names[words[1]], micros)
            for words, micros in commands
            if len(words) > 1 and words[1] in self._names
        ]
