"""The hooks of this process: functions and webhooks that get events.

A worker knows those of the modules that it imports, as it knows routines.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.model.hooks.hook_event import TYPES_OF, EventType, HookEvent
from flowforge.model.hooks.webhook import Webhook
from flowforge.model.locate import address_of, real_module

HookFunction: TypeAlias = Callable[[HookEvent], object]
Function = TypeVar("Function", bound=HookFunction)

#: Hooks of one process: each has a thread.
MOST_HOOKS = 32

#: Seconds that an attempt may take.
TIMEOUT = 10.0
_LONGEST = 300.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Hook:
    """Who is told, of what. ``flow``: None for all flows; ``timeout``: seconds."""

    name: str
    target: HookFunction | Webhook
    events: frozenset[EventType]
    flow: str | None
    timeout: float

    @property
    def place(self) -> str:
        """The function, or the URL without what may be a secret."""
        return self.target.place if isinstance(self.target, Webhook) else _address(self.target)

    def type_of(self, happened: str, flow_id: str) -> str | None:
        """The type of event that the hook gets for a line of the outbox; None: none."""
        if self.flow not in (None, flow_id):
            return None
        types = TYPES_OF.get(happened, ())
        return next((one.value for one in types if one in self.events), None)


Listener: TypeAlias = Callable[[Hook], None]

_lock = threading.Lock()
_hooks: dict[str, Hook] = {}
_listeners: list[Listener] = []


def on_event(
    *events: str, flow: str | None = None, name: str | None = None, timeout: float = TIMEOUT
) -> Callable[[Function], Function]:
    """Call the decorated function in a worker when something happened that a person should know.

    ``events``: ``"job.failed"``, ``"invocation.quarantined"``, ``"undo.failed"``, ``"job.late"``;
    none: all of them, also those of later releases. ``flow``: the id of a flow; None: all.
    ``name``: by which ``flowforge hooks`` names it; None: the function's. ``timeout``: seconds
    after which a call counts as failed.

    The function gets a :class:`HookEvent`. It has to stand in a module that workers import. It is
    called at least once for each event; if it raises, it is called again later. It runs in a thread
    of a worker's main process, and holds up neither jobs nor other hooks.

    Raises ValueError for an unknown event and for a name that another function has.
    """

    def register(function: Function) -> Function:
        if not _is_plain(function):
            raise InvalidValueError(f"a hook must be a plain function, not {shown(function)}")
        given = getattr(function, "__name__", None) if name is None else name
        _add(Hook(_checked_name(given), function, _types(events), _flow(flow), _seconds(timeout)))
        return function

    return register


def webhook(
    name: str,
    url: str,
    *,
    secret: str | Sequence[str] | None,
    events: Sequence[str] = (),
    flow: str | None = None,
    timeout: float = TIMEOUT,
    insecure: bool = False,
) -> None:
    """Send an HTTP request to ``url`` when something happened that a person should know.

    ``name``: by which ``flowforge hooks`` names it. ``secret``: with which the requests are signed
    as Standard Webhooks has it, ``whsec_`` and base64 of 24 to 64 bytes; several while it is being
    changed; None: they are not signed. ``events``, ``flow``: as for :func:`on_event`. ``timeout``:
    seconds. ``insecure``: send to an ``http://`` URL that is not of this machine.

    Call it in a module that workers import. The request is a POST with JSON. An answer of 200 to
    299 means that it was received; anything else is an attempt that failed, redirects too.

    Raises ValueError for what cannot be, and for a name that another hook has.
    """
    target = Webhook.of(url, secret, insecure=insecure)
    if isinstance(events, str):
        raise InvalidValueError(f"events must be a list, such as [{shown(events)}]")
    _add(Hook(_checked_name(name), target, _types(events), _flow(flow), _seconds(timeout)))


def known_hooks() -> list[Hook]:
    """The hooks of this process."""
    with _lock:
        return list(_hooks.values())


def on_hook(callback: Listener) -> Callable[[], None]:
    """Call back once for each known hook and for each later one; return what ends that."""
    with _lock:
        _listeners.append(callback)
        known = tuple(_hooks.values())
    for hook in known:
        callback(hook)

    def unsubscribe() -> None:
        with _lock:
            if callback in _listeners:
                _listeners.remove(callback)

    return unsubscribe


def _add(hook: Hook) -> None:
    with _lock:
        former = _hooks.get(hook.name)
        # The same one again, from a module that was loaded again or a cell that ran again.
        if former is not None and former.place != hook.place:
            raise DefinitionError(
                f"there is a hook {hook.name!r} already ({former.place}): give this one another "
                "name"
            )
        if former is None and len(_hooks) >= MOST_HOOKS:
            raise DefinitionError(f"a process can have {MOST_HOOKS} hooks, since each has a thread")
        _hooks[hook.name] = hook
        listeners = tuple(_listeners)
    for listener in listeners:
        listener(hook)


def _is_plain(function: object) -> bool:
    """Whether a call of it is done when it returns."""
    return callable(function) and not inspect.iscoroutinefunction(function)


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidValueError(
            "the name of a hook must have 1 to 64 letters, digits, '_', '-' and '.', and begin "
            f"with a letter or digit: {shown(name)}"
        )
    return name


def _types(events: Sequence[str]) -> frozenset[EventType]:
    try:
        return frozenset(EventType(event) for event in events) or frozenset(EventType)
    except ValueError:
        known = ", ".join(EventType)
        raise InvalidValueError(f"events must be of {known}, not {shown(events)}") from None


def _flow(flow: object) -> str | None:
    if flow is not None and not isinstance(flow, str):
        raise InvalidValueError(f"flow must be the id of a flow, not {shown(flow)}")
    return flow


def _seconds(timeout: object) -> float:
    fits = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not fits or not 0 < timeout <= _LONGEST:  # type: ignore[operator]  # a number by then
        raise InvalidValueError(
            f"timeout must be above 0 and at most {_LONGEST:g} seconds, not {shown(timeout)}"
        )
    return float(timeout)  # type: ignore[arg-type]


def _address(function: HookFunction) -> str:
    found = address_of(function)
    if found is not None:
        return found
    # A method or a callable object, for example.
    named: object = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{real_module(str(function.__module__))}:{named}"
