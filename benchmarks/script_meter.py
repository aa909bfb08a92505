"""What each call of a script costs the server: its main thread's own time, as the kernel counts it.

Other programs on the machine slow a call down, and its time by the clock with it; this time they
change little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Argument

_NS_IN_MS = 1e6


class ScriptMeter:
    """``pid``: of a server on this machine."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/task/{pid}/schedstat")
        self._known: set[str] = set()

    def measured(self, what: str, act: Callable[[], None]) -> None:
        """Print a line for each script that runs while ``act`` does."""
        spent: dict[str, list[float]] = defaultdict(list)
        with self._counted(spent):
            act()
        for name, times in sorted(spent.items()):
            times.sort()
            middle, most = (
                times[len(times) // 2],
                times[min(len(times) - 1, len(times) * 99 // 100)],
            )
            print(
                f"{what:<28} {name:<16} {len(times):>6,} calls, ms: median {middle:>5.2f}, "
                f"99 % within {most:>5.2f}, longest {times[-1]:>5.2f}",
                flush=True,
            )

    @contextmanager
    def _counted(self, spent: dict[str, list[float]]) -> Iterator[None]:
        run = ScriptRunner.run

        def counted(runner: ScriptRunner, script: str, *arguments: Argument) -> Any:
            before = self._ran()
            reply = run(runner, script, *arguments)
            # The first call makes the server read the script.
            if script in self._known:
                spent[script].append((self._ran() - before) / _NS_IN_MS)
            self._known.add(script)
            return reply

        # For this measurement alone.
        setattr(ScriptRunner, "run", counted)  # noqa: B010
        try:
            yield
        finally:
            setattr(ScriptRunner, "run", run)  # noqa: B010

    def _ran(self) -> int:
        return int(self._stat.read_text().split()[0])
