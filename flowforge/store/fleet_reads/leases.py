"""The leases of handlers that run: whose they are, since when, and when they were renewed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flowforge.model.invocation_id import InvocationName, lease_of, parse_lease
from flowforge.store.lease_tokens import TokenOwner, owner_of
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Leases that one command looks at, and commands of one look.
_PAGE = 500
_PAGES = 20


class RunningAttempt(NamedTuple):
    """An attempt with a lease. ``expiry`` and ``claimed``: milliseconds of the server's clock.

    ``claimed``: None until the first renewal, which keeps it; the lease then still has the expiry
    that the claim gave it.
    """

    job_id: str
    invocation: InvocationName
    owner: TokenOwner
    expiry: int
    claimed: int | None
    number: int
    lost: int
    #: When the time of the attempt is over; None: it may take as long as it wants.
    ends: int | None = None

    def since(self, lease: float) -> int:
        """When it was claimed; ``lease``: seconds that a lease of its worker lasts."""
        return self.expiry - round(lease * 1000) if self.claimed is None else self.claimed


class Leases:
    """Reads the leases of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def of_job(self, job_id: str, most: int, routine: int | None = None) -> list[RunningAttempt]:
        """At most ``most`` attempts of a job, or of one of its routines by the routine's index, the
        oldest invocations first.

        Of a fleet with more than 10,000 leases some may be missing.
        """
        pattern = f"{job_id}/*" if routine is None else f"{job_id}/*.{routine}.*"
        found: dict[bytes, bytes] = {}
        cursor = b"0"
        for _ in range(_PAGES):
            cursor, page = self._link.call(
                "ZSCAN", self._keys.of("leases"), cursor, "MATCH", pattern, "COUNT", _PAGE
            )
            found.update(zip(page[::2], page[1::2], strict=True))
            if len(found) >= most or cursor == b"0":
                break
        attempts = self._attempts(list(found.items())[:most])
        own = [one for one in attempts if routine in (None, one.invocation.routine)]
        return sorted(own, key=lambda attempt: attempt.invocation)

    def some(self, most: int) -> list[RunningAttempt]:
        """At most ``most`` attempts of all jobs, those whose leases expire first."""
        reply = self._link.call("ZRANGE", self._keys.of("leases"), 0, most - 1, "WITHSCORES")
        return self._attempts(list(zip(reply[::2], reply[1::2], strict=True)))

    def long_running(self) -> Iterator[RunningAttempt]:
        """The attempts of all jobs that have been renewed, of at most 10,000 leases."""
        for page in range(_PAGES):
            reply = self._link.call(
                "ZRANGE", self._keys.of("leases"), page * _PAGE, (page + 1) * _PAGE - 1,
                "WITHSCORES",
            )  # fmt: skip
            pairs = list(zip(reply[::2], reply[1::2], strict=True))
            yield from self._attempts(pairs, renewed=True)
            if len(pairs) < _PAGE:
                return

    def _attempts(
        self, leases: Sequence[tuple[bytes, bytes]], *, renewed: bool = False
    ) -> list[RunningAttempt]:
        """What these leases are of. ``renewed``: only those whose time of claim is kept."""
        parsed = []
        for member, score in leases:
            try:
                job_id, invocation, token = parse_lease(member.decode())
                parsed.append(
                    (job_id, invocation, InvocationName.parse(invocation), token, int(float(score)))
                )
            except (ValueError, OverflowError):
                # The upkeep drops a member that names no attempt.
                continue
        times = self._claim_times([(job_id, name, token) for job_id, name, _, token, _ in parsed])
        both = [
            (one, time)
            for one, time in zip(parsed, times, strict=True)
            if time is not None or not renewed
        ]
        commands = [
            ("HMGET", self._keys.of("claims", job_id), name, f"l{name}")
            for (job_id, name, *_), _ in both
        ]
        replies = self._link.many(commands) if commands else []
        ends = self._ends([(job_id, name, token) for (job_id, name, _, token, _), _ in both])
        return [
            _attempt(job_id, invocation, token, expiry, counts, claimed, end)
            for ((job_id, _, invocation, token, expiry), claimed), counts, end in zip(
                both, replies, ends, strict=True
            )
        ]

    def _ends(self, leases: Sequence[tuple[str, str, str]]) -> list[int | None]:
        if not leases:
            return []
        names = [lease_of(*lease) for lease in leases]
        found = self._link.call("ZMSCORE", self._keys.of("attempt_ends"), *names)
        return [None if score is None else int(float(score)) for score in found]

    def _claim_times(self, leases: Sequence[tuple[str, str, str]]) -> list[bytes | None]:
        keys = [self._keys.of("claim_time", lease_of(*lease)) for lease in leases]
        found: list[bytes | None] = []
        for start in range(0, len(keys), _PAGE):
            found += self._link.call("MGET", *keys[start : start + _PAGE])
        return found


def _attempt(
    job_id: str, invocation: InvocationName, token: str, expiry: int, counts: list[bytes | None],
    claimed: bytes | None, ends: int | None,
) -> RunningAttempt:  # fmt: skip
    with reading(f"the claims of job {job_id}"):
        claims, lost = whole(counts[0] or 1), whole(counts[1] or 0)
        since = None if claimed is None else whole(claimed)
    return RunningAttempt(
        job_id, invocation, owner_of(token), expiry, since, claims - lost, lost, ends
    )
