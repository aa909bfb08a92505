"""What a routine can do only while a handler runs, and the stats that handlers keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from flowforge.common.bounded_repr import shown
from flowforge.errors import (
    ChildJobError,
    DefinitionError,
    EmissionError,
    InvalidValueError,
    OutsideInvocationError,
)
from flowforge.model.answers.expectation import Expect, Ticket
from flowforge.model.event import Event
from flowforge.model.invocation import Invocation
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.names import listing
from flowforge.model.slot import Slot
from flowforge.model.times.child_start import OnFailure, child_start
from flowforge.model.times.deadlines import deadlines_of
from flowforge.model.times.start import Delay, delay_ms, timeout_ms


class Running:
    """The part of a routine that delegates to the invocation it is bound to."""

    _slots: dict[str, Slot]
    _events: dict[str, Event]
    _invocation: Invocation | None
    _stats: dict[str, Any]

    @property
    def job(self) -> JobHandle:
        """The running job's ``JobState``."""
        return self._running("job").job

    @property
    def job_id(self) -> str:
        """The running job's id."""
        return self._running("job_id").job_id

    @property
    def attempt(self) -> int:
        """1 for the first attempt at this invocation. Lost workers do not count."""
        return self._running("attempt").attempt_number

    @property
    def checkpoint(self) -> Any:
        """What the latest pause with a checkpoint left, or None."""
        return self._running("checkpoint").checkpoint

    @property
    def scheduled_at(self) -> datetime | None:
        """The time for which a schedule has started the job, aware, UTC; None: none has.

        Not when it really started: a job that is late, or for a time that was missed, has the time
        that it stands for.
        """
        return self._running("scheduled_at").scheduled_at

    @property
    def cancelled(self) -> bool:
        """Whether the job has ended under this handler, or the attempt has lost its lease.

        True within a heartbeat of it: a long handler looks now and then, and returns.
        """
        return self._running("cancelled").cancelled

    def extend(self, time: Delay) -> None:
        """Let this attempt run for ``time`` from now on, where its slot has a timeout.

        Seconds or a timedelta; it never takes time away. LeaseLostError when its time was over,
        which nothing that the attempt does can change; ValueError for what is no length of time.
        """
        if not (ms := timeout_ms("time", time)):
            raise InvalidValueError("time must be seconds or a timedelta, not None")
        self._running("extend").extend(ms)

    def emit(self, event: str, /, **params: object) -> None:
        """Send params to every slot connected to ``event``, when this handler has succeeded.

        EmissionError for an undeclared event, PayloadError for a value that cannot travel.
        """
        if event not in self._events:
            self._refuse_event(event)
        if self._invocation is None:
            self._outside("emit")
        self._invocation.emit(event, params)

    def emit_later(self, event: str, delay: Delay, /, **params: object) -> None:
        """Emit ``event``, and have it delivered after ``delay``: seconds or a timedelta.

        It counts from the commit of this attempt, or after many emissions from when they were sent
        to the server. Until then the delivery holds no worker, and the job does not end. ValueError
        for what is no delay; EmissionError too where no connection leads from the event; else as
        ``emit``.
        """
        if event not in self._events:
            self._refuse_event(event)
        ms = delay_ms("delay", delay)
        self._running("emit_later").emit(event, params, ms)

    def _refuse_event(self, event: str) -> NoReturn:
        raise EmissionError(
            f"{type(self).__qualname__} has not declared the event {event!r}; declared: "
            f"{listing(self._events)}; use define_event"
        )

    def start(
        self,
        flow: Any,
        entry_routine_id: str,
        entry_params: dict[str, Any] | None = None,
        *,
        event: str | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
        labels: Mapping[str, str] | None = None,
        start_within: Delay | None = None,
        finish_within: Delay | None = None,
        delay: Delay | None = None,
        detached: bool = False,
        on_failure: OnFailure = "stop",
    ) -> str:
        """Start a job of another flow when this attempt commits; return the job's id.

        ``priority`` and ``max_in_flight`` as in ``Flow.execute``; None: those of this job, but a
        flow with a ``max_in_flight`` of its own keeps it. ``labels``: None: those that this job has
        at the commit. ``start_within``, ``finish_within``, ``delay``: as in ``Flow.execute``, from
        the commit on.

        When it completes, ``event`` is emitted here with ``job_id`` and ``outputs``, a list of
        ``routine_id``, ``event`` and ``params`` each. This job completes after it; a pause or the
        end of this job reaches it; if it fails or is cancelled, that is an error of this routine.
        With ``on_failure="continue"`` it is none: ``event`` has one more param then, ``failure``,
        which says what happened, with no ``outputs``; None after a job that completed.

        ``detached``: in place of an ``event``, for a job that nothing waits for: it is created with
        the commit, and neither job hears of the other's end, pause or failure.
        """
        if event is not None and event not in self._events:
            self._refuse_event(event)
        started = child_start(event, detached, on_failure, delay)
        return self._running("start").start(
            flow, entry_routine_id, entry_params, started, priority, max_in_flight, labels,
            deadlines_of(start_within, finish_within),
        )  # fmt: skip

    def expect(
        self,
        slot: str,
        within: Delay | None = None,
        otherwise: dict[str, Any] | None = None,
        *,
        form: Any = None,
        assign: Sequence[str] = (),
        key: str | int = "",
        remind: Delay | None = None,
    ) -> Ticket:
        """Expect an answer from outside, which is delivered to a slot of this routine.

        It is open from the commit of this attempt until ``job.deliver``, the dashboard or the
        ticket's link answers it, holds no worker meanwhile, and keeps the job from ending. The
        first answer counts. One that came earlier is delivered at once.

        ``within``: seconds or a timedelta, after which ``otherwise`` is delivered; without
        ``otherwise`` the job fails then. ``form``: a dataclass, a TypedDict, a pydantic model or a
        JSON schema, which an answer has to fit. ``assign``: names of those who should answer, for
        lists. ``key``: text or a whole number, for the items of a job that wait side by side.
        ``remind``: seconds or a timedelta, after each of which history and hooks are told again.

        ValueError for an unknown slot and for what is unfit; EmissionError for an answer that this
        attempt expects already. The job fails at the commit when it is open from an earlier one.
        """
        self._check_slot(slot)
        wanted = [Expect(slot, key, form, assign)]
        after = None if otherwise is None else (slot, otherwise)
        return self._running("expect").expect(wanted, within, after, remind)[0]

    def expect_any(
        self,
        answers: Sequence[str | Expect],
        within: Delay | None = None,
        otherwise: tuple[str, dict[str, Any]] | None = None,
        *,
        remind: Delay | None = None,
    ) -> list[Ticket]:
        """Expect one of several answers: the first one takes the others away.

        ``answers``: slots of this routine, or ``Expect(slot, key, form, assign)``. ``otherwise``: a
        slot of them and params. Returns a ticket for each; else as ``expect``.
        """
        wanted = [one if isinstance(one, Expect) else Expect(one) for one in answers]
        for one in wanted:
            self._check_slot(one.slot)
        return self._running("expect_any").expect(wanted, within, otherwise, remind)

    def _child_ended(self, job_id: str, event: str, goes_on: bool = False) -> None:
        """Handle the end of a job that ``start`` has started."""
        try:
            outputs = self._running("start").child_outputs(job_id)
        except ChildJobError as error:
            if not goes_on:
                raise
            self.emit(event, job_id=job_id, outputs=[], failure=error.what)
            return
        failure: dict[str, object] = {"failure": None} if goes_on else {}
        self.emit(event, job_id=job_id, outputs=outputs, **failure)

    def undo_with(self, /, **params: object) -> None:
        """Give the ``undo`` of the slot these params too, should this invocation be undone.

        They are kept when this attempt commits, and take the place of params of the same name.
        EmissionError for a slot without an undo, PayloadError for a value that cannot travel.
        """
        self._running("undo_with").undo_with(params)

    def slot_data(self, name: str) -> dict[str, Any]:
        """Return what the slot has merged in this job; of an ``override`` slot the latest payload.

        ValueError for an unknown slot.
        """
        self._check_slot(name)
        return self._running("slot_data").slot_data(name)

    def reset_slot(self, name: str) -> None:
        """Forget what the slot has merged, when this attempt commits. ValueError if unknown."""
        self._check_slot(name)
        self._running("reset_slot").reset_slot(name)

    def _check_slot(self, name: str) -> None:
        if name not in self._slots:
            raise DefinitionError(
                f"{type(self).__qualname__} has no slot {name!r}; it has: {listing(self._slots)}"
            )

    def set_stat(self, name: str, value: object) -> None:
        """Keep a value for this routine and job, with the commit."""
        self._stats[name] = value
        if self._invocation is not None:
            self._invocation.record_stat("set", name, value)

    def get_stat(self, name: str, default: Any = None) -> Any:
        """Return what this instance has recorded; a handler's instance lives for one delivery."""
        return self._stats.get(name, default)

    def increment_stat(self, name: str, amount: float = 1) -> Any:
        """Add to a number (0 at first) and return this instance's new value.

        Increments of concurrent handlers add up in the job's own stats. EmissionError when one of
        the two is no number.
        """
        before = self._stats.get(name, 0)
        try:
            value = self._stats[name] = before + amount
        except TypeError:
            raise EmissionError(
                f"stat {name!r} of {type(self).__qualname__} cannot grow from {shown(before)} by "
                f"{shown(amount)}: both must be numbers"
            ) from None
        if self._invocation is not None:
            self._invocation.record_stat("add", name, amount)
        return value

    def stats(self) -> dict[str, Any]:
        """Return all that this instance has recorded; a copy."""
        return dict(self._stats)

    def reset_stats(self) -> None:
        """Forget the stats of this routine, with the commit those of the job too."""
        self._stats.clear()
        if self._invocation is not None:
            self._invocation.record_stat("reset", None, None)

    def _running(self, what: str) -> Invocation:
        if self._invocation is None:
            self._outside(what)
        return self._invocation

    def _outside(self, what: str) -> NoReturn:
        raise OutsideInvocationError(
            f"{type(self).__qualname__}.{what} is only possible while a handler of a job is running"
        )

    def _refuse_in_handler(self, what: str) -> None:
        if self._invocation is not None:
            raise DefinitionError(
                f"{type(self).__qualname__} cannot {what} in a handler, whose instance lives for "
                "one attempt: do it in __init__"
            )
