"""The keys by which an earlier job may stand for a new one, and where jobs with keys live."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.codec.binary import pack_record
from flowforge.common.bounded_repr import shown
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError
from flowforge.model.times.debounce import (
    Debounce,
    WhenRunning,
    check_key,
    checked_when_running,
    scope_of,
)
from flowforge.model.times.start import Start
from flowforge.store.history import who_and_why
from flowforge.store.transitions.keyed_submission import KeyedJob
from flowforge.store.transitions.submission import NewJob


class JobKeys(NamedTuple):
    """As ``Flow.execute`` takes them."""

    debounce: Debounce | None = None
    single: str | None = None
    when_running: WhenRunning = "skip"

    def start(self, start: Start | None) -> Start | None:
        """When the job starts that the first call makes; InvalidValueError for two times."""
        if self.debounce is None:
            return start
        if start is not None:
            raise InvalidValueError(
                "give debounce or a delay, not both: wait says when the job starts"
            )
        return Start("+", self.debounce.wait_ms)


def job_keys(
    debounce: object, single: object, when_running: object, what: str = ""
) -> JobKeys | None:
    """The keys that are meant; None without any. ``what``: stands behind the names in errors."""
    when = checked_when_running(when_running)
    if debounce is None and single is None:
        return None
    if debounce is not None and not isinstance(debounce, Debounce):
        raise InvalidValueError(
            f"debounce{what} must be a Debounce, such as Debounce('doc-7', wait=5), not "
            f"{shown(debounce)}"
        )
    if debounce is not None:
        checked_text(f"the key of debounce{what}", debounce.key)
    return JobKeys(debounce, _checked_single(single, f"single{what}"), when)


def check_when(single: object, when_running: object) -> None:
    """InvalidValueError for what is to be done while a job runs, of a call without ``single``."""
    if single is None and checked_when_running(when_running) != "skip":
        raise InvalidValueError(
            f"when_running={when_running!r} needs single, the key of which one job runs at a time"
        )


def _checked_single(single: object, name: str) -> str | None:
    if single is None:
        return None
    check_key(name, single)
    return checked_text(name, single)


def scoped_key(flow_id: str, key: str | None) -> str:
    """Return the name of a key among those of all flows; empty without a key."""
    return "" if key is None else scope_of(flow_id) + key


def debounce_name(flow_id: str, entry: str, debounce: Debounce | None) -> str:
    """The name of a debounce key among those of all flows and entries; empty without one."""
    return "" if debounce is None else scope_of(flow_id) + scope_of(entry) + debounce.key


class HomeKey(NamedTuple):
    """A key that decides which server a job lives on. ``kind``: of the store's key with the name.

    ``text``: what its home is the hash of.
    """

    kind: str
    name: str
    text: str


def home_keys(
    flow_id: str, entry: str, idempotency_key: str | None, keys: JobKeys | None
) -> list[HomeKey]:
    """The keys of a job that decide, the one last whose hash does where nothing has them yet.

    With a single key a debounce key does not: jobs of one single key must not live on two servers,
    also where calls without it have made a job for the debounce key elsewhere.
    """
    found = []
    if idempotency_key is not None:
        name = scoped_key(flow_id, idempotency_key)
        found.append(HomeKey("idempotency", name, idempotency_key))
    if keys is not None and keys.single is not None:
        name = scoped_key(flow_id, keys.single)
        found.append(HomeKey("single", name, f"single/{name}"))
    elif keys is not None and keys.debounce is not None:
        name = debounce_name(flow_id, entry, keys.debounce)
        found.append(HomeKey("debounce", name, f"debounce/{name}"))
    return found


def keyed_job(keys: JobKeys | None, flow_id: str, entry: str, job: NewJob, size: int) -> KeyedJob:
    """What the store is told of a job. ``size``: bytes of its params in the record."""
    if keys is None:
        return KeyedJob(job, size)
    found = KeyedJob(
        job, size, debounce_name(flow_id, entry, keys.debounce),
        single=scoped_key(flow_id, keys.single), when_running=keys.when_running,
        replaced=who_and_why("", f"replaced by job {job.job_id}"),
    )  # fmt: skip
    if keys.debounce is None:
        return found
    one = keys.debounce
    told = pack_record(one.key, one.wait_ms, one.at_most_ms, one.keep)
    return found._replace(
        wait_ms=one.wait_ms, at_most_ms=one.at_most_ms, keep=one.keep, debounced=told
    )
