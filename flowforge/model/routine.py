"""The unit of work that users write: slots in, events out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, NotRebuildableError
from flowforge.model import registry
from flowforge.model.error_handler import ErrorHandler, ErrorStrategy, check_error_handler
from flowforge.model.event import Event
from flowforge.model.handlers.handlers import check_handler_exists, handler_name
from flowforge.model.invocation import Invocation
from flowforge.model.join import Join
from flowforge.model.limit import LimitArgument
from flowforge.model.names import listing
from flowforge.model.offered import check_offered
from flowforge.model.records import Record, plain_copy, read, read_list, read_optional
from flowforge.model.running import Running
from flowforge.model.slot import MergeStrategy, Slot
from flowforge.model.times.start import Delay

_new = object.__new__

#: Methods of a routine that FlowForge calls on the user's object. A handler of such a name would be
#: called in their place.
_OWN = frozenset({"config", "deserialize", "events", "get_slot", "serialize", "slots"})


class Routine(Running):
    """Base class of every routine. Subclasses register themselves by module and name.

    ``__init__`` takes no required arguments: each worker process builds its own instance, and
    copies it for each delivery. Parameters of a routine are its config.
    """

    #: Celery queue that this routine's work goes to; None: what ``task_routes`` says.
    queue: str | None = None

    _config: dict[str, Any]
    _error_handler: ErrorHandler | None
    _revision: int

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if taken := sorted(_OWN & vars(cls).keys()):
            raise DefinitionError(
                f"{cls.__qualname__} defines {listing(taken)}, which FlowForge itself calls: give "
                "your method another name"
            )
        registry.register(cls)

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        # Here and not in __init__, so that a subclass which forgets super().__init__() works.
        self = _new(cls)
        vars(self).update(
            _slots={}, _events={}, _config={}, _stats={},
            _error_handler=None, _invocation=None, _revision=0,
        )  # fmt: skip
        return self

    def __init__(self) -> None:
        """Subclasses define their slots and events here."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Entry of a job, for a routine that overrides this with its own parameters."""
        raise DefinitionError(
            f"{type(self).__qualname__} does not override __call__: start the job at a slot"
        )

    def setup(self) -> None:
        """Override to open what handlers share: connections, models.

        Called once for each worker process, routine id and definition, before the first delivery.
        """

    # --- definition ---------------------------------------------------------------------

    def define_slot(
        self,
        name: str,
        handler: Callable[..., object],
        merge_strategy: MergeStrategy = "override",
        *,
        secret: Iterable[str] = (),
        join: Join | None = None,
        timeout: Delay | None = None,
        undo: Callable[..., object] | None = None,
        limit: LimitArgument | None = None,
    ) -> Slot:
        """Add an input, handled by a method of this routine.

        ``handler``: a method of this routine, passed bound. ``merge_strategy``: ``"override"``,
        ``"append"``, or a function ``(old, new) -> dict`` at the top level of a module. ``secret``
        names params that never reach history or logs. ``join`` collects deliveries and handles
        them together, as ``items``; it excludes a merge strategy. ``timeout``: seconds or a
        timedelta that an attempt may take, from its claim on; then it ends with a TimeoutError,
        whatever its handler does. ``undo``: another method, which undoes what the handler has done:
        when the job fails, or is cancelled with ``undo``, it is called once for each committed
        invocation, the latest first, with the params of the invocation and what ``undo_with`` has
        added. ``limit``: a :class:`Limit`, its name, or several: an attempt starts only with a
        place of each. ValueError for a duplicate name, an unknown strategy, or a handler that is
        async, a generator, or not found by its name.
        """
        method = handler_name(self, name, handler)
        undoes = None if undo is None else handler_name(self, name, undo, "undo")
        slot = Slot.of(name, method, merge_strategy, secret, join, timeout, undoes, limit)
        self._check_new("slot", name, self._slots)
        self._slots[name] = slot = slot.bound_to(self)
        self._revision += 1
        return slot

    def define_event(self, name: str, output_params: Iterable[str] | None = None) -> Event:
        """Add an output. ``output_params`` documents it; params beyond them travel as well."""
        event = Event.of(name, output_params)
        self._check_new("event", name, self._events)
        self._events[name] = event
        self._revision += 1
        return event

    def _check_new(self, kind: str, name: str, existing: Iterable[str]) -> None:
        self._refuse_in_handler(f"define the {kind} {name!r}")
        if name in existing:
            raise DefinitionError(f"{type(self).__qualname__} already has the {kind} {name!r}")

    def get_slot(self, name: str) -> Slot | None:
        """Return the slot, its handler bound to this instance; None if there is none."""
        slot = self._slots.get(name)
        return slot if slot is None or slot.routine is self else slot.bound_to(self)

    def get_event(self, name: str) -> Event | None:
        """Return the event; None if there is none."""
        return self._events.get(name)

    @property
    def slots(self) -> dict[str, Slot]:
        """All slots by name, in order of definition; a copy."""
        return dict(self._slots)

    @property
    def events(self) -> dict[str, Event]:
        """All events by name, in order of definition; a copy."""
        return dict(self._events)

    # --- error policy -------------------------------------------------------------------

    def set_error_handler(self, error_handler: ErrorHandler | None) -> None:
        """Set this routine's policy; None: the flow's applies."""
        self._refuse_in_handler("set the error handler")
        self._error_handler = check_error_handler(error_handler)
        self._revision += 1

    def get_error_handler(self) -> ErrorHandler | None:
        """Return this routine's policy; None: the flow's applies."""
        return self._error_handler

    def set_as_critical(
        self, max_retries: int = 3, retry_delay: float = 1.0, retry_backoff: float = 2.0
    ) -> None:
        """Retry on errors; when the retries are used up, the job fails."""
        handler = ErrorHandler(
            ErrorStrategy.RETRY, max_retries, retry_delay, retry_backoff, is_critical=True
        )
        self.set_error_handler(handler)

    def set_as_optional(self, strategy: ErrorStrategy | str = ErrorStrategy.CONTINUE) -> None:
        """Let the job go on when this routine fails: CONTINUE, or SKIP."""
        parsed = ErrorStrategy.parse(strategy)
        if parsed not in (ErrorStrategy.CONTINUE, ErrorStrategy.SKIP):
            raise DefinitionError(
                f"an optional routine can 'continue' or 'skip', not {shown(parsed.value)}: "
                "use set_error_handler or set_as_critical"
            )
        self.set_error_handler(ErrorHandler(parsed))

    # --- config: part of the definition, the same in every process ------------------------

    def set_config(self, /, **values: object) -> None:
        """Set parameters of this routine. ValueError names a value that JSON cannot carry."""
        copied = {name: plain_copy(value, f"config {name!r}") for name, value in values.items()}
        # A new dict each time: bound copies share this one until they change it.
        self._config = {**self._config, **copied}
        self._revision += 1

    def get_config(self, name: str, default: Any = None) -> Any:
        """Return a parameter of this routine; a copy where it is mutable."""
        value = self._config.get(name, default)
        # Bound copies share the dict, so what is mutable is handed out as a copy.
        return plain_copy(value, name) if name in self._config and _mutable(value) else value

    def config(self) -> dict[str, Any]:
        """Return all of the config; a deep copy."""
        return {name: plain_copy(value, name) for name, value in self._config.items()}

    # --- transport ------------------------------------------------------------------------

    def serialize(self) -> Record:
        """Return the JSON object from which any process that knows the class rebuilds this."""
        handler = self._error_handler
        return {
            "class": registry.class_name(type(self)),
            "config": self.config(),
            "queue": self.queue,
            "error_handler": None if handler is None else handler.serialize(),
            "slots": [slot.serialize() for slot in self._slots.values()],
            "events": [event.serialize() for event in self._events.values()],
            "call": overrides_call(type(self)),
        }

    @classmethod
    def deserialize(cls, data: Record) -> Self:
        """Rebuild from the registered class; UnknownRoutineClassError says what to import."""
        name = read(data, "class", str, "a routine")
        found = registry.lookup(name)
        if not issubclass(found, cls):
            raise DefinitionError(f"{name} is no {cls.__qualname__}: use Routine.deserialize")
        routine = fresh(found)
        routine._restore(data, f"routine {name}")
        return routine

    def _restore(self, data: Record, where: str) -> None:
        # All slots and events are taken from the record: it is what a running job pins.
        self._config = plain_copy(read(data, "config", dict, where), "config")
        self.queue = read_optional(data, "queue", str, where)
        handler = read_optional(data, "error_handler", dict, where)
        self._error_handler = None if handler is None else ErrorHandler.deserialize(handler)
        slots = [Slot.deserialize(raw) for raw in read_list(data, "slots", dict, where)]
        for slot in slots:
            check_handler_exists(type(self), slot.name, slot.handler_name)
            if slot.undo_name is not None:
                check_handler_exists(type(self), slot.name, slot.undo_name, "undo")
        # A new instance has what its class declares.
        check_offered(type(self), Routine, self._slots.values(), slots)
        events = [Event.deserialize(raw) for raw in read_list(data, "events", dict, where)]
        self._slots = {slot.name: slot.bound_to(self) for slot in slots}
        self._events = {event.name: event for event in events}
        self._revision += 1


R = TypeVar("R", bound=Routine)


# Not a method: a handler of any name may stand in the class.
def bound_to(routine: R, invocation: Invocation) -> R:
    """Return a shallow copy for one delivery, which delegates to ``invocation``.

    What ``setup`` opened is shared; what a handler sets on the copy is gone afterwards.
    """
    bound = _new(type(routine))
    state = bound.__dict__
    state.update(routine.__dict__)
    state["_stats"] = routine._stats.copy()
    state["_invocation"] = invocation
    return bound


def fresh(cls: type[R]) -> R:
    """Build an instance as a worker does: without arguments."""
    try:
        return cls()
    except Exception as error:
        raise NotRebuildableError(
            f"{cls.__module__}.{cls.__qualname__}() cannot be built without arguments ({error}): "
            "give __init__ no required arguments, take parameters from set_config/get_config, and "
            "open connections in setup()"
        ) from error


def overrides_call(cls: type[Routine]) -> bool:
    """Whether the class can be entered through its own ``__call__``."""
    return cls.__call__ is not Routine.__call__


def _mutable(value: object) -> bool:
    return isinstance(value, (list, dict))
