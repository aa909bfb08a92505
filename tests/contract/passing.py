"""The end of everything: jobs are cancelled, their retention passes, the upkeep clears up.

No test can wait that long, so what the server would let expire by then is removed here, and what is
due by then is made due. What is left afterwards is left for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.contract.bench import LONG, Bench

#: Milliseconds that a definition outlives its last job, and then some.
AFTER = 2000

#: Milliseconds for which a bulk operation is kept after its end.
BULK_KEPT = 7 * 86_400_000

#: Timers that look at jobs; those of invocations and joins must have gone with their jobs.
LOOKS = ("look", "children", "more", "late", "retry")


def end_everything(bench: Bench, jobs: Iterable[str], lists: Sequence[str]) -> set[str]:
    """The keys that are left when all jobs have ended and been forgotten."""
    for number, job in enumerate(_end_jobs(bench, jobs, lists)):
        if number % 2:
            assert bench.store.control.delete(job) in ("ok", "gone", "awaited")
    for key in bench.every_key():
        longest = BULK_KEPT if key.startswith(f"{bench.prefix}:bulk") else LONG + AFTER
        if 0 <= bench.link.call("PTTL", key) <= longest:
            bench.link.call("DEL", key)
    _make_due(bench, "expiry", list(bench.members("expiry")))
    while _upkeep(bench):
        pass
    for name in lists:
        while bench.store.fair_order.let_in(name, None):
            pass
    return bench.every_key()


def _end_jobs(bench: Bench, jobs: Iterable[str], lists: Sequence[str]) -> list[str]:
    """Cancel them, and those that undo them; all of them."""
    ended = list(jobs)
    for job in ended:
        bench.store.control.cancel(job, "the end")
    for name in lists:
        bench.link.call("DEL", name)
    _make_due(bench, "leases", list(bench.members("leases")))
    while any(bench.reclaim(99, 100)):
        pass
    # What ran of jobs that are to be undone has ended, so that others undo them.
    undoing = list(bench.members("status", "pending"))
    for job in undoing:
        bench.store.control.cancel(job, "the end")
    return ended + undoing


def _upkeep(bench: Bench) -> bool:
    """One round of it; whether there was anything to do."""
    looks = [timer for timer in bench.members("timers") if timer.split("/")[1] in LOOKS]
    _make_due(bench, "timers", looks)
    released = bench.store.upkeep.release_due(100) if looks else 0
    return bool(released + bench.store.upkeep.prune(100) + bench.store.upkeep.delete(500))


def _make_due(bench: Bench, name: str, members: list[str]) -> None:
    for member in members:
        bench.link.call("ZADD", bench.key(name), 1, member)
