"""Creating jobs for which an earlier one may stand: the script, and what it is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from flowforge.store.reading import reading, whole
from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import SUBMIT_KEYED, Answer
from flowforge.store.transitions.submission import NewJob, Submission

#: Calls that one job stands for with ``keep="all"``, and bytes of their params together: what the
#: script copies with each call. With one more the job starts, and a new one waits.
MOST_CALLS = 1000
MOST_CALL_BYTES = 256 * 1024

#: Jobs that wait for one key at most.
MOST_WAITING = 1000

#: How a call has come to its job: it created it, or found an earlier one by one of three keys.
How = Literal["created", "key", "debounce", "single"]
_HOWS = ("created", "key", "debounce", "single")


class KeyedJob(NamedTuple):
    """A job to create, and what says that an earlier one stands for it."""

    job: NewJob
    #: Bytes of the params in its record.
    size: int
    #: Among the keys of all flows; empty: none.
    debounce: str = ""
    wait_ms: int = 0
    #: None: without limit.
    at_most_ms: int | None = None
    keep: str = "last"
    #: Packed, for the history of the job.
    debounced: bytes = b""
    #: Among the keys of all flows; empty: none.
    single: str = ""
    when_running: str = "skip"
    #: Packed, for the history of a job that is replaced.
    replaced: bytes = b""


class Placed(NamedTuple):
    """The job that a call was given. ``calls``: how many calls the job stands for."""

    job_id: str
    how: How
    calls: int


class FullKey(NamedTuple):
    """As many jobs wait for a key as may: that of the job at this ``place``."""

    place: int


class NewerJob(NamedTuple):
    """A later release keeps the job that has the key."""

    job_id: str


class KeyedSubmissions:
    """The transition that producers make of jobs with such keys."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def submit(
        self,
        common: Submission,
        jobs: Sequence[KeyedJob],
        kept_params: int,
        definition: dict[str, Argument] | None,
    ) -> list[Placed] | FullKey | NewerJob | None:
        """Create those jobs for which no earlier one stands, or none: what became of each.

        None asks for the ``definition``, which the store does not have. ``kept_params``: bytes of
        entry params up to which they are kept.
        """
        arguments: list[Argument] = [
            *common.arguments(), MOST_CALLS, MOST_CALL_BYTES, kept_params, MOST_WAITING, len(jobs),
        ]  # fmt: skip
        for one in jobs:
            at_most = "" if one.at_most_ms is None else one.at_most_ms
            arguments += one.job
            arguments += (
                one.size, one.debounce, one.wait_ms, at_most, one.keep, one.debounced, one.single,
                one.when_running, one.replaced,
            )  # fmt: skip
        for pair in (definition or {}).items():
            arguments += pair
        reply, *found = self._scripts.run("submit_keyed", *arguments)
        answer = SUBMIT_KEYED[reply]
        if answer is Answer.DEFINITION:
            return None
        with reading("the job of a key"):
            if answer is Answer.FULL:
                return FullKey(whole(found[0]))
            if answer is Answer.NEWER:
                return NewerJob(found[0].decode())
            return [_placed(*found[at : at + 3]) for at in range(0, len(found), 3)]


def _placed(job_id: bytes, how: bytes, calls: int) -> Placed:
    word = how.decode()
    if word not in _HOWS:
        raise ValueError(f"no way to a job: {word!r}")
    return Placed(job_id.decode(), cast("How", word), calls)
