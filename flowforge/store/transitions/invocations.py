"""The transitions of one invocation: claim, commit, and the other ways in which an attempt ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge.execution.effects import Effects, Emitted
from flowforge.model.invocation_id import parse_lease
from flowforge.model.jobs.error_group import Sample
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.runner import ScriptRunner
from flowforge.store.transitions.answers import (
    CLAIM,
    COMMIT,
    EXTEND,
    FAIL,
    GIVE_BACK,
    HEARTBEAT,
    STAGE,
    Answer,
    AnswerOrStatus,
)
from flowforge.store.transitions.claims import Claim, Granted, NextClaim, Question, Verdict
from flowforge.store.transitions.commit import EXPECTING, sections

#: What follows an attempt in the name of the list of its staged outputs.
OUTPUTS = "/o"


class Invocations:
    """Each method is one script, which workers run."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def claim(
        self, job_id: str, invocation: str, token: str, lease_ms: int,
        verdict: Verdict = (),
    ) -> Claim | Question | Answer:  # fmt: skip
        """A Claim, or why there is none: GONE, NEWER, TAKEN, PAUSED, DROPPED, STOPPED,
        LIMITED.

        A Question is to be answered with another claim. ``verdict``: its condition, and 1 if the
        params fulfil it, else 0.
        """
        reply = self._scripts.run("claim", job_id, invocation, token, lease_ms, *verdict)
        answer = CLAIM[reply[0]]
        if answer is Answer.GRANTED:
            return _claim(reply[1:])
        return Question(reply[1], reply[2]) if answer is Answer.ASKS else answer

    def commit(
        self, job_id: str, invocation: str, token: str, outcome: AttemptOutcome, micros: int,
        details: bytes, effects: Effects, then: NextClaim | None = None,
        sample: Sample = (), queued_ms: int = 0,
    ) -> tuple[Answer, Granted | None]:  # fmt: skip
        """OK, or why nothing was accepted: DONE, STALE, GONE, NEWER, DROPPED; INCOMPLETE when
        the store no longer has all that was staged; EXPECTED when it expects an answer that is
        expected already.

        With ``then`` also what was claimed next; None when the lists are empty, or hold something
        that is no invocation. ``sample``: of what was passed over, unless it has completed;
        ``queued_ms``: as the claim has told it.
        """
        reply = self._scripts.run(
            "commit", job_id, invocation, token, EXPECTING if effects.expected else outcome, micros,
            details, queued_ms, *sample, *sections(effects, then),
        )  # fmt: skip
        answer = COMMIT[reply[0]]
        if then is None or answer is Answer.EXPECTED:
            return answer, None
        if len(reply) == 1:
            return answer, self._find_granted(then) if answer is Answer.DONE else None
        claim = _claim(reply[3:])
        job, invocation = reply[1].decode(), reply[2].decode()
        return answer, Granted(job, invocation, then.token, claim, then.asked)

    def _find_granted(self, then: NextClaim) -> Granted | None:
        """What a commit claimed whose reply was lost: it is known by its token alone."""
        key, cursor = self._scripts.keys.of("leases"), b"0"
        while True:
            cursor, page = self._scripts.link.call("ZSCAN", key, cursor, "MATCH", f"*/{then.token}")
            if page:
                job_id, invocation, token = parse_lease(page[0].decode())
                claim = self.claim(job_id, invocation, token, then.lease_ms)
                if not isinstance(claim, Claim):
                    return None
                return Granted(job_id, invocation, token, claim, then.asked)
            if cursor == b"0":
                return None

    def view(
        self, job_id: str, invocation: str, token: str, most: int
    ) -> tuple[int, list[bytes | None]]:
        """What a delivery to a merging slot is shown before itself, the same in every attempt.

        The position of the first record (0: the lease is lost or the job has ended), and at most
        ``most`` records from there on.
        """
        first, *records = self._scripts.run("view", job_id, invocation, token, most) or [0]
        return first, records

    def stage(
        self, job_id: str, invocation: str, token: str, emitted: Sequence[Emitted], already: int
    ) -> Answer:
        """Keep emissions for the commit of this attempt: OK, or STALE when it cannot be, or
        INCOMPLETE when the store does not have what the attempt had staged before.

        ``already``: how many that is. A part may be staged again when it is not known whether it
        has been.
        """
        items = [
            b"%d %d %d %s%s" % (routine, slot, len(packed), packed, record)
            for routine, slot, mode, record in emitted
            for packed in (mode.encode(),)
        ]
        return STAGE[self._scripts.run("stage", job_id, invocation, token, "", already, *items)]

    def stage_outputs(
        self, job_id: str, invocation: str, token: str, outputs: Sequence[bytes], already: int
    ) -> Answer:
        """The same for outputs, which are counted on their own."""
        return STAGE[
            self._scripts.run("stage", job_id, invocation, token, OUTPUTS, already, *outputs)
        ]

    def may_start(self, job_id: str) -> bool:
        """Whether a handler of the job that was claimed a while ago may start now."""
        return bool(self._scripts.run("may_start", job_id))

    def retry_later(
        self, job_id: str, invocation: str, token: str, delay_ms: int, micros: int,
        details: bytes, sample: Sample, queued_ms: int = 0,
    ) -> Answer:  # fmt: skip
        """Record a failed attempt and set the timer of the next one.

        OK, or why nothing was accepted: DONE, STALE, GONE, NEWER, DROPPED.
        """
        reply = self._scripts.run(
            "fail", job_id, invocation, token, "retry", delay_ms, micros, details, queued_ms, "",
            "", 0, *sample,
        )  # fmt: skip
        return FAIL[reply]

    def release(
        self, job_id: str, invocation: str, token: str, delay_ms: int, details: bytes,
        most: int = 0, reason: str = "", problem: bytes = b"",
        sample: Sample = (),
    ) -> Answer:  # fmt: skip
        """Return a claimed invocation that this worker cannot run; no attempt is counted.

        The ``most``th time (0: never) fails the job with ``reason``, ``problem`` and ``sample``.
        Answers as ``retry_later``.
        """
        reply = self._scripts.run(
            "fail", job_id, invocation, token, "release", delay_ms, 0, details, 0, reason,
            problem, most, *sample,
        )  # fmt: skip
        return FAIL[reply]

    def rest(
        self, job_id: str, invocation: str, token: str, delay_ms: int, micros: int,
        details: bytes, limit: str, queued_ms: int = 0,
    ) -> Answer:  # fmt: skip
        """Let the limits of a claimed invocation rest, or the one of this name; it is the next of
        them, and no attempt is counted. Answers as ``retry_later``.
        """
        reply = self._scripts.run(
            "fail", job_id, invocation, token, "rest", delay_ms, micros, details, queued_ms,
            limit, b"", 0,
        )  # fmt: skip
        return FAIL[reply]

    def fail(
        self, job_id: str, invocation: str, token: str, micros: int, details: bytes, reason: str,
        problem: bytes, sample: Sample, queued_ms: int = 0,
    ) -> Answer:  # fmt: skip
        """Record a failed attempt that ends the job. Answers as ``retry_later``."""
        reply = self._scripts.run(
            "fail", job_id, invocation, token, "stop", 0, micros, details, queued_ms, reason,
            problem, 0, *sample,
        )  # fmt: skip
        return FAIL[reply]

    def give_back(
        self, job_id: str, invocation: str, delay_ms: int, most: int, details: bytes, reason: str,
        sample: Sample,
    ) -> Answer:  # fmt: skip
        """Return an invocation of an unknown class: OK, or FAILED at the ``most``th time.

        Else it was not there to be returned: TAKEN, GONE, NEWER, PAUSED, DROPPED.
        """
        reply = self._scripts.run(
            "give_back", job_id, invocation, delay_ms, most, details, reason, *sample
        )
        return GIVE_BACK[reply]

    def extend(self, job_id: str, invocation: str, token: str, ms: int) -> Answer:
        """Give an attempt that has a timeout ``ms`` from now on: OK, or LOST."""
        return EXTEND[self._scripts.run("extend", job_id, invocation, token, ms)]

    def heartbeat(self, lease_ms: int, leases: Sequence[str]) -> list[AnswerOrStatus]:
        """Renew leases (job/invocation/token): for each OK, LOST or the status of a job that has
        ended.
        """
        return [HEARTBEAT[reply] for reply in self._scripts.run("heartbeat", lease_ms, *leases)]


def _claim(reply: Sequence[Any]) -> Claim:
    record, claims, lost, definition, queued_ms, *limits = reply
    return Claim(record, definition.decode(), claims, lost, queued_ms, *limits)
