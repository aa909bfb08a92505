"""Submissions with keys, by which an earlier job stands for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowforge.codec.binary import invocation_record, pack_record, packb, read_invocation
from flowforge.engine.submission.entry import KEPT_PARAMS
from flowforge.store.history import who_and_why
from flowforge.store.transitions.keyed_submission import FullKey, KeyedJob, NewerJob, Placed
from flowforge.store.transitions.submission import SAME_PARAMS, Submission
from tests.contract.bench import Bench

WAIT = 5_000


@dataclass(frozen=True)
class Keyed:
    """A call, which can be sent more than once."""

    common: Submission
    job: KeyedJob

    def send(self, bench: Bench) -> list[Placed] | FullKey | NewerJob | None:
        """The store asks for a definition that it does not have; then it gets it."""
        for fields in (None, bench.fields()):
            found = bench.store.keyed_submissions.submit(
                self.common, [self.job], KEPT_PARAMS, fields
            )
            if found is not None:
                return found
        return None


def keyed(bench: Bench, **changes: Any) -> Keyed:
    """A call; ``changes``: ``params``, fields of KeyedJob, of Submission and of NewJob.

    With a ``debounce`` key it waits for ``WAIT`` unless told otherwise.
    """
    payload = packb(changes.pop("params", {}))
    own = {name: changes.pop(name) for name in KeyedJob._fields if name in changes}
    if "debounce" in own:
        own = {"wait_ms": WAIT, "debounced": pack_record("k", WAIT, None, "last"), **own}
        mode = changes.get("mode", "")
        changes["mode"] = f"+{own['wait_ms']} :{mode}"
    changes = {"record": invocation_record(0, payload), "params": SAME_PARAMS, **changes}
    request = bench.submission(**changes)
    replaced = who_and_why("", f"replaced by job {request.job_id}")
    return Keyed(request.common, KeyedJob(request.job, len(payload), replaced=replaced, **own))


def call(bench: Bench, **changes: Any) -> Placed:
    """Make one call that is not refused."""
    found = keyed(bench, **changes).send(bench)
    assert isinstance(found, list), found
    return found[0]


def params_of(bench: Bench, job_id: str, invocation: str = "1.0.0") -> dict[str, Any]:
    """What waits for a handler."""
    return read_invocation(bench.hash("invocations", job_id)[invocation], "")[1]


def messages(bench: Bench) -> list[str]:
    """The jobs that have something to claim."""
    return [member.partition("/")[0] for member in bench.unclaimed(bench.list)]


def run(bench: Bench, job_id: str) -> None:
    """Run a job to its end."""
    bench.start(job_id)
    bench.commit(job_id)
    assert bench.row(job_id)["status"] == "completed"
