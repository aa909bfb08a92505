"""What a form says of a new job beside its params: labels, deadlines, its start, and its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple, TypeVar, cast

from flowforge.common.duration import span_of
from flowforge.engine.submission.job_items import Submitted
from flowforge.engine.submission.job_keys import JobKeys, check_when, job_keys
from flowforge.model.times.deadlines import Deadlines
from flowforge.model.times.debounce import Debounce, Keep, checked_when_running
from flowforge.model.times.start import Start, start_of, timeout_ms
from flowforge.web.label_words import labels_of

_Found = TypeVar("_Found")

#: The fields, by their names.
FIELDS = (
    "labels", "key", "priority", "start_within", "finish_within", "delay", "debounce",
    "debounce_wait", "debounce_at_most", "keep", "single", "when_running",
)  # fmt: skip

#: How an earlier job was found -> what is said to who started none; with its id.
_FOUND = {
    "key": "Nothing was started: job {} has this idempotency key already.",
    "debounce": "Job {} waits for further calls with this key, and stands for this one too.",
    "single": "Nothing was started: job {} has the key and has not ended.",
}


class RunOptions(NamedTuple):
    """``errors``: what is wrong, by the field; with any the rest is not to be used."""

    errors: dict[str, str]
    labels: dict[str, str]
    deadlines: Deadlines
    start: Start | None
    keys: JobKeys | None


def run_options(typed: Mapping[str, str]) -> RunOptions:
    """What was typed."""
    found = _Reader(typed)
    if typed["priority"] not in ("", *map(str, range(10))):
        found.errors["priority"] = "It must be a whole number from 0 to 9."
    labels = found.read("labels", lambda: labels_of(typed["labels"])) or {}
    deadlines = Deadlines(found.within("start_within"), found.within("finish_within"))
    delay = found.span("delay")
    start = found.read("delay", lambda: start_of(delay, None))
    debounce, single = found.debounce(), typed["single"] or None
    when = found.read("when_running", lambda: checked_when_running(typed["when_running"] or "skip"))
    found.read("single", lambda: check_when(single, when or "skip"))
    keys = found.read("single", lambda: job_keys(debounce, single, when or "skip"))
    if keys is not None and debounce is not None:
        start = found.read("delay", lambda: keys.start(start))
    return RunOptions(found.errors, labels, deadlines, start, keys)


class _Reader:
    """Reads fields, and collects what is wrong with them."""

    def __init__(self, typed: Mapping[str, str]) -> None:
        self._typed = typed
        self.errors: dict[str, str] = {}

    def read(self, field: str, read: Callable[[], _Found]) -> _Found | None:
        """What it returns; None for an error, which is the field's."""
        try:
            return read()
        except ValueError as error:
            self.errors.setdefault(field, str(error))
            return None

    def span(self, field: str) -> timedelta | None:
        """A length of time; None where there is none."""
        text = self._typed[field]
        found = span_of(text) if text else None
        if text and found is None:
            self.errors[field] = "It is no length of time: give seconds, or 30m, 2h or 7d."
        return found

    def within(self, field: str) -> int:
        """Milliseconds in which something is to happen; 0: no such time."""
        span = self.span(field)
        return self.read(field, lambda: timeout_ms("It", span)) or 0

    def debounce(self) -> Debounce | None:
        """None where there is no key; what belongs to one is an error then."""
        key, keep = self._typed["debounce"], cast("Keep", self._typed["keep"] or "last")
        wait, at_most = self.span("debounce_wait"), self.span("debounce_at_most")
        if not key:
            if wait or at_most:
                self.errors["debounce"] = "It needs a key."
            return None
        if wait is None:
            self.errors.setdefault("debounce_wait", "Say how long it waits after the latest call.")
            return None
        return self.read("debounce", lambda: Debounce(key, wait, at_most, keep))


def said_of(submitted: Submitted, typed: Mapping[str, str], options: RunOptions) -> str:
    """What to tell who has sent the form."""
    job_id = submitted.job_id
    if not submitted.created and submitted.how == "key" and not typed["key"]:
        return f"This form has started job {job_id} before, and nothing now."
    if not submitted.created:
        return _FOUND[submitted.how].format(job_id)
    if options.start is not None or options.keys is not None:
        return f"Job {job_id} was submitted."
    return f"Job {job_id} has begun."
