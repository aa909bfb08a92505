"""Limits on one server: what is in force, and what holds and waits for places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from flowforge.model.limit import LimitSettings
from flowforge.store.keys import Keys
from flowforge.store.reading import reading, whole
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Link

#: Keys at which one call lets in what waits, and keys that one page of a list has, about.
_LET_IN = 50
_PAGE = 500

#: Pages that a walk over the keys reads: the leader looks at each key within seconds. More than
#: there are, where the order of the names needs all.
_PAGES = 20
_ALL_PAGES = 100_000

#: Invocations of a job that are looked at.
_SAMPLE = 64

#: What stands before the name of a limit as the code has it.
_DECLARED = "="


class StoredLimit(NamedTuple):
    """What is set for a limit or for one of its keys."""

    #: ``name`` or ``name/value``.
    key: str
    #: Whether the code says so, and no operator.
    declared: bool
    settings: LimitSettings
    #: The param that the limit counts by, as the code has it; empty: none, or not known.
    per: str


class LimitUsage(NamedTuple):
    """What a key of a limit has. Times are milliseconds of the server's clock."""

    key: str
    #: Attempts and jobs that have a place, and messages that have one until they are claimed.
    running: int
    reserved: int
    waiting: int
    #: Since when the first waiter waits; None: there is none.
    waits_since: int | None
    #: Until when nothing starts; None: it does not rest.
    rests_until: int | None


class AtLimit(NamedTuple):
    """An invocation that waits at a key, or a job (``WHOLE_JOB``). ``before``: how many are before
    it; ``since``: ms.
    """

    invocation: str
    key: str
    before: int
    since: int


class Limits:
    """Reads and transitions of limits."""

    def __init__(self, scripts: ScriptRunner, link: Link, keys: Keys) -> None:
        self._scripts = scripts
        self._link = link
        self._keys = keys

    # --- what is in force ----------------------------------------------------------------

    def declare(self, name: str, settings: LimitSettings, per: str | None) -> None:
        """Keep what the code says of a limit."""
        self._scripts.run("set_limit", _DECLARED + name, *settings.texts(), per or "")

    def set(self, key: str, settings: LimitSettings) -> None:
        """Keep what an operator says of a limit or a key; what is None stays as it is."""
        self._scripts.run("set_limit", key, *settings.texts(), "")

    def remove(self, key: str, *, declared: bool) -> bool:
        """Forget what an operator has set for a key, or for a limit, with ``declared`` also what
        the code says; whether there was anything.
        """
        fields = [key, _DECLARED + key] if declared else [key]
        return bool(self._scripts.run("remove_limit", new_request(), *fields))

    def stored(self) -> list[StoredLimit]:
        """All that is set, by name."""
        reply = self._link.call("HGETALL", self._keys.of("limits"))
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return sorted(_stored(field, text) for field, text in pairs)

    def are_kept(self) -> bool:
        """Whether a limit was ever written to this server."""
        return bool(self._link.call("EXISTS", self._keys.of("limit_home")))

    def let_in(self, keys: Iterable[str]) -> None:
        """Let in what waits at these keys, after something was changed for them."""
        left: list[str] = []
        more = iter(keys)
        while left := left + list(islice(more, _LET_IN - len(left))):
            left = left[self._scripts.run("let_in", *left) :]

    # --- keys ----------------------------------------------------------------------------

    def keys(self, name: str | None = None, pages: int = _PAGES) -> Iterator[str]:
        """The keys at which there is something, in no order; ``name``: those of one limit.

        ``pages``: of about 500 keys, that are looked at.
        """
        cursor = b"0"
        for _ in range(pages):
            cursor, page = self._link.call(
                "ZSCAN", self._keys.of("limit_keys"), cursor, "COUNT", _PAGE
            )
            for key in page[::2]:
                text = key.decode("utf-8", "replace")
                if name is None or text.partition("/")[0] == name:
                    yield text
            if cursor == b"0":
                return

    def keys_behind(self, key: str, name: str | None, most: int) -> list[str]:
        """The next keys behind one in the order of their texts, ``most``; ``name``: those of one
        limit. The server has no such order, so the names of all keys are read.
        """
        found: list[str] = []
        all_keys = (one for one in self.keys(name, _ALL_PAGES) if one > key)
        while piece := list(islice(all_keys, 10 * _PAGE)):
            found = sorted({*found, *piece})[:most]
        return found

    def usage(self, keys: Iterable[str]) -> list[LimitUsage]:
        """What these keys have."""
        wanted = list(keys)
        found: list[LimitUsage] = []
        for at in range(0, len(wanted), _PAGE):
            page = wanted[at : at + _PAGE]
            commands: list[tuple[str | int, ...]] = []
            for key in page:
                places = self._keys.of("limit_places", key)
                waiters = self._keys.of("limit_waiters", key)
                commands += [
                    ("ZCOUNT", places, "(0", "+inf"),
                    ("ZCOUNT", places, "-inf", "(0"),
                    ("ZCARD", waiters),
                    ("ZRANGE", waiters, 0, 0, "WITHSCORES"),
                    ("HGET", self._keys.of("limit_state", key), "rest"),
                ]
            replies = self._link.many([*commands, ("TIME",)])
            now = int(replies[-1][0]) * 1000 + int(replies[-1][1]) // 1000
            for index, key in enumerate(page):
                found.append(_usage(key, replies[5 * index : 5 * index + 5], now))
        return found

    def holders(self, key: str, most: int) -> list[tuple[str, str]]:
        """Job and invocation, or ``WHOLE_JOB``, of what has a place, those that began first,
        ``most``.
        """
        members = self._link.call(
            "ZRANGEBYSCORE", self._keys.of("limit_places", key), "(0", "+inf", "LIMIT", 0, most
        )
        return [_parts(member) for member in members]

    def waiters(self, key: str, most: int) -> list[tuple[str, str, int]]:
        """Job and invocation of what waits at a key and since when (ms), in its order, ``most``."""
        reply = self._link.call(
            "ZRANGE", self._keys.of("limit_waiters", key), 0, most - 1, "WITHSCORES"
        )
        with reading(f"the limit {key!r}"):
            pairs = zip(reply[::2], reply[1::2], strict=True)
            return [(*_parts(member), int(float(score)) // 100) for member, score in pairs]

    def waiting_of(self, job_id: str, most: int) -> list[AtLimit]:
        """Invocations of a job that wait at keys, those that came first, of a sample."""
        numbers = self._numbers(job_id)
        if not numbers:
            return []
        keys = self._link.call("HMGET", self._keys.of("limited", job_id), *numbers)
        asked = [
            (invocation, key, (invocation.decode(), key.decode("utf-8", "replace")))
            for invocation, text in zip(numbers, keys, strict=True)
            for key in (text or b"").split(b"\n")
        ]
        ranks = self._link.many(
            [
                ("ZRANK", self._keys.of("limit_waiters", key), f"{job_id}/{invocation}")
                for _, _, (invocation, key) in asked
            ]
        )
        found = [
            AtLimit(invocation, key, rank, int(float(numbers[raw])) // 100)
            for (raw, _, (invocation, key)), rank in zip(asked, ranks, strict=True)
            if rank is not None
        ]
        return sorted(found, key=lambda one: (one.since, one.before))[:most]

    def _numbers(self, job_id: str) -> dict[bytes, bytes]:
        """Invocation -> its number at limits, of some of the job."""
        found: dict[bytes, bytes] = {}
        cursor = b"0"
        for _ in range(_PAGES):
            cursor, page = self._link.call(
                "HSCAN", self._keys.of("limited", job_id), cursor, "MATCH", "n*", "COUNT", _PAGE
            )
            found |= {
                field[1:]: number for field, number in zip(page[::2], page[1::2], strict=True)
            }
            if cursor == b"0" or len(found) >= _SAMPLE:
                break
        return dict(islice(found.items(), _SAMPLE))

    def starving(self, most: int) -> tuple[int, list[tuple[str, int]]]:
        """How many keys have had something waiting for too long; ``most`` of them about, those that
        starve for longest first, and since when: milliseconds.
        """
        number = self._link.call("HLEN", self._keys.of("limit_starving"))
        if not number:
            return 0, []
        _, page = self._link.call("HSCAN", self._keys.of("limit_starving"), 0, "COUNT", _PAGE)
        with reading("the limits that starve"):
            found = [
                (key.decode("utf-8", "replace"), whole(since))
                for key, since in zip(page[::2], page[1::2], strict=True)
            ]
        return number, sorted(found, key=lambda one: one[1])[:most]

    def look(self, most: int, patience_ms: int) -> tuple[int, int]:
        """Look at ``most`` keys whose turn it is: how many there were, and how many of their places
        nothing held. ``patience_ms``: after which what waits first starves.
        """
        looked, lost = self._scripts.run("look_at_limits", most, patience_ms)
        return looked, lost


def _stored(field: bytes, text: bytes) -> StoredLimit:
    with reading(f"the limit {field.decode('utf-8', 'replace')!r}"):
        key = field.decode()
        *texts, per = text.decode().split(" ", 7)
        return StoredLimit(
            key.removeprefix(_DECLARED), key.startswith(_DECLARED), LimitSettings.parse(texts), per
        )


def _usage(key: str, replies: Sequence[object], now: int) -> LimitUsage:
    running, reserved, waiting, first, rest = replies
    with reading(f"the limit {key!r}"):
        since = int(float(first[1])) // 100 if first else None  # type: ignore[index]
        until = whole(rest) if rest else 0  # type: ignore[arg-type]
        return LimitUsage(
            key, whole(running), whole(reserved), whole(waiting), since,  # type: ignore[arg-type]
            until if until > now else None,
        )  # fmt: skip


def _parts(member: bytes) -> tuple[str, str]:
    job_id, invocation, *_ = member.decode("utf-8", "replace").split("/")
    return job_id, invocation
