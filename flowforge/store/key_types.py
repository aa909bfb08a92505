"""Of which type each key is, and keys in place of which something else lies.

Redis says of a wrong type neither the key nor what it is; in a script not even the command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from redis.exceptions import ResponseError

from flowforge.errors import CommandRefusedError
from flowforge.store.keys import PATTERNS, Keys
from flowforge.store.server.link import Argument, Link
from flowforge.store.server.outage import is_forbidden

#: The keys that there is one of and the keys of one job, by the type that their table gives them.
_OF_TYPE = {
    "string": (
        "server", "leader", "limit_home", "limit_number", "dead_letter_number", "entry_params",
    ),
    "list": (
        "deletions", "parked", "segments", "output_segments", "late", "undo_log", "undoing",
        "outputs", "pauses", "further_keys",
    ),
    "stream": ("outbox", "audit", "history", "logs"),
    "hash": (
        "queue_pauses", "fair_lists", "entries", "flow_counts", "assignees", "sequences", "workers",
        "handlers", "damaged", "hooks", "hook_places", "limits", "limit_promises",
        "limit_starving", "job_totals",
        "job", "invocations", "claims", "lanes", "merges", "routines", "stats", "routine_data",
        "outstanding", "joins", "collected", "child_failures", "children", "put_off",
        "expectations", "answers", "early_answers", "inputs", "breakpoints", "limited",
    ),
    "zset": (
        "leases", "attempt_ends", "timers", "open_expectations", "expiry", "error_groups", "bulks",
        "active_bulks", "schedules", "limit_keys", "dead_letters", "opened", "stopped",
        "started_jobs",
    ),
}  # fmt: skip

#: Key -> its type.
TYPES = {name: kind for kind, names in _OF_TYPE.items() for name in names}

#: Keys without an argument, and keys of a job by its id.
SINGLE = tuple(name for name, pattern in PATTERNS.items() if "{}" not in pattern)
OF_JOB = tuple(name for name, pattern in PATTERNS.items() if pattern.startswith("j:{}"))

#: Jobs whose keys are asked for at once.
_AT_ONCE = 50

#: Arguments of a script among which the id of its job is looked for, and what ids look like.
_FIRST = 8
_ID = re.compile(r"[\w.-]{1,100}")

#: In an error that a script was ended by.
_IN_SCRIPT = "script: "


class WrongType(NamedTuple):
    """A key that something else lies in place of."""

    key: str
    found: str
    expected: str
    #: Of a key of a job: its id, unless with the key the job is gone.
    job_id: str = ""

    @property
    def text(self) -> str:
        """What is wrong, for people."""
        what = f"{self.key} is a {self.found} of another program"
        return f"{what}: FlowForge has a {self.expected} there"

    @property
    def fix(self) -> str:
        """What to do, with a command that can be copied."""
        aside = shlex.join(["RENAME", self.key, f"{self.key}-aside"])
        fix = f"keep that program from this prefix, and move the key: redis-cli {aside}"
        if not self.job_id:
            return fix
        # A script may have stopped between its writes.
        return f"{fix}; then end the job, which may hang: flowforge cancel {self.job_id}"


def wrong_types(link: Link, keys: Keys) -> list[WrongType]:
    """Those that there are, of the keys without an argument."""
    return _wrong(link, keys, [(name, "") for name in SINGLE])


def wrong_types_of(link: Link, keys: Keys, job_ids: Iterable[str]) -> list[WrongType]:
    """Those that there are, of the keys of some jobs. A job may be named by the key of its row."""
    row, found, ids = keys.of("job"), list[WrongType](), [*job_ids]
    for first in range(0, len(ids), _AT_ONCE):
        some = [job_id.removeprefix(row) for job_id in ids[first : first + _AT_ONCE]]
        found += _wrong(link, keys, [(name, job_id) for job_id in some for name in OF_JOB])
    return found


def _wrong(link: Link, keys: Keys, wanted: list[tuple[str, str]]) -> list[WrongType]:
    named = [keys.of(name, argument) for name, argument in wanted]
    found = link.many([("TYPE", key) for key in named]) if named else []
    return [
        WrongType(key, kind.decode(), TYPES[name], "" if name == "job" else argument)
        for (name, argument), key, kind in zip(wanted, named, found, strict=True)
        if kind.decode() not in ("none", TYPES[name])
    ]


def explained(
    link: Link, keys: Keys, arguments: Iterable[Argument], error: CommandRefusedError
) -> CommandRefusedError:
    """What to raise for a script that the server refused: which of the keys of its job, or of the
    keys that there is one of, is something else; of a script that has failed at a value, the job.
    Of other refusals the error itself.
    """
    if not isinstance(error.__cause__, ResponseError) or is_forbidden(error.__cause__):
        return error
    job_ids = [*dict.fromkeys(filter(_ID.fullmatch, map(_first_part, [*arguments][:_FIRST])))]
    try:
        wrong = wrong_types_of(link, keys, job_ids) or wrong_types(link, keys)
        there = link.many([("EXISTS", keys.of("job", job_id)) for job_id in job_ids])
    except CommandRefusedError:
        # A user who may not ask for types.
        return error
    if wrong:
        more = f" (so is {wrong[1].key})" if wrong[1:] else ""
        return CommandRefusedError(f"{wrong[0].text}{more}; {wrong[0].fix}")
    for job_id, exists in zip(job_ids, there, strict=True):
        if exists and _IN_SCRIPT in str(error.__cause__):
            return CommandRefusedError(
                f"what is kept of job {job_id} is damaged: a script failed at it "
                f"({error.__cause__}); flowforge cancel {job_id}, and submit it again"
            )
    return error


def _first_part(argument: Argument) -> str:
    return str(argument).partition("/")[0]
