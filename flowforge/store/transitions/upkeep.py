"""The transitions of the upkeep, which acts on jobs whose time has come or whose worker is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flowforge.store.runner import ScriptRunner


class Lost(NamedTuple):
    """An invocation of which a lease was taken back. ``worker``: empty when it is not known."""

    job_id: str
    invocation: str
    definition: str
    worker: str
    #: How often it was lost by now.
    times: int


class Reclaimed(NamedTuple):
    """``counts``: requeued, quarantined, dropped; ``lost``: those requeued or quarantined."""

    counts: tuple[int, int, int]
    lost: list[Lost]


class Pushed(NamedTuple):
    """An invocation whose message was pushed again."""

    job_id: str
    invocation: str
    definition: str


class Resent(NamedTuple):
    """``counts``: pushed, parked, dropped; ``pushed``: those that were pushed."""

    counts: tuple[int, int, int]
    pushed: list[Pushed]


class UpkeepScripts:
    """Each method is one script, which a duty of the upkeep runs."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def release_due(self, most: int) -> int:
        """Do what due timers are for, of ``most`` at most: how many were due."""
        due: int = self._scripts.run("due", most)
        return due

    def reclaim(self, max_losses: int, most: int, longest_ms: int = 0) -> Reclaimed:
        """Take back expired leases.

        ``longest_ms``: what no lease outlasts, whatever the server's clock has done; 0: not asked.
        """
        requeued, quarantined, dropped, *told = self._scripts.run(
            "reclaim", max_losses, most, longest_ms
        )
        lost = []
        for at in range(0, len(told), 5):
            job_id, invocation, definition, worker = (part.decode() for part in told[at : at + 4])
            lost.append(Lost(job_id, invocation, definition, worker, told[at + 4]))
        return Reclaimed((requeued, quarantined, dropped), lost)

    def take_overdue(
        self, token: str, lease_ms: int, most: int, only: str = ""
    ) -> list[tuple[str, str, str, bytes, int, int, int, str, str]]:
        """Take the leases of attempts whose time is over, with ``token``; or ``only`` that lease.

        Of each: job, invocation, definition, record, claims, losses, milliseconds since its claim,
        worker, the lease that was taken.
        """
        told = self._scripts.run("overdue", token, lease_ms, most, *([only] if only else ()))
        taken = []
        for at in range(0, len(told), 9):
            job_id, invocation, definition, record, *numbers, worker, lease = told[at : at + 9]
            names = job_id.decode(), invocation.decode(), definition.decode()
            taken.append((*names, record, *numbers, worker.decode(), lease.decode()))
        return taken

    def tell_damaged(self, index: str, member: bytes | str, why: str) -> None:
        """Remember a member of an index that nothing can be made of."""
        self._scripts.run("damage", index, member, why)

    def resend(self, broker_list: str, lost: Iterable[tuple[bytes, int | bytes]]) -> Resent:
        """Push lost messages (member, push number) again."""
        arguments = [part for member, number in lost for part in (number, member)]
        pushed, parked, dropped, *told = self._scripts.run("resend", broker_list, *arguments)
        parts = [part.decode() for part in told]
        again = [Pushed(*parts[at : at + 3]) for at in range(0, len(parts), 3)]
        return Resent((pushed, parked, dropped), again)

    def prune(self, most: int) -> int:
        """Forget ended jobs whose keys have expired: how many."""
        forgotten: int = self._scripts.run("prune", most)
        return forgotten

    def forget_vanished(self, cursor: str, most: int) -> str:
        """Take jobs out of the indexes whose rows are gone, of about ``most`` that are looked at
        from ``cursor`` on (``0``: the first); the next cursor.
        """
        cursor_found, _ = self._scripts.run("vanished", cursor, most)
        return str(cursor_found.decode())

    def forget_vanished_answers(self, assignee: str, cursor: str, most: int) -> tuple[str, int]:
        """Take expectations out of the index of an assignee (empty: of all) that no job has, of
        about ``most`` that are looked at from ``cursor`` on: the next cursor (``0``: all have been
        looked at), and how many.
        """
        cursor_found, gone = self._scripts.run("vanished_answers", assignee, cursor, most)
        return str(cursor_found.decode()), gone

    def delete(self, most: int) -> bool:
        """Remove a piece, of at most ``most`` fields, of what waits for its deletion; False when
        nothing waits.
        """
        return bool(self._scripts.run("delete", most))

    def forget_reports(self, reports: Iterable[tuple[bytes | str, bytes]]) -> int:
        """Remove reports (worker name, report), each only if it is still the same: how many."""
        arguments = [part for report in reports for part in report]
        removed: int = self._scripts.run("forget", *arguments)
        return removed

    def lead(self, candidate: str, lead_ms: int) -> bool:
        """Take or keep the lead of the upkeep: whether ``candidate`` has it now."""
        return bool(self._scripts.run("lead", candidate, lead_ms))

    def resign(self, candidate: str) -> bool:
        """Give up the lead: whether ``candidate`` had it."""
        return bool(self._scripts.run("resign", candidate))
