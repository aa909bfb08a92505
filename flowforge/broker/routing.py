"""Where the messages of invocations go: the broker's lists of each routine of a definition."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator, Sequence

from celery import Celery

from flowforge.broker.message import message_format
from flowforge.model.definition import Definition
from flowforge.model.delivery_limits import fixed_keys
from flowforge.model.slot import CHILD_SLOT, CHILD_SLOT_INDEX, UNDO_SLOT, UNDO_SLOT_INDEX
from flowforge.store.server.link import Argument


class Router:
    """Where an app's workers expect the tasks of a routine class."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        options = app.conf.broker_transport_options or {}
        self._steps: list[int] = list(options.get("priority_steps", [0, 3, 6, 9]))
        self._separator: str = options.get("sep", "\x06\x16")
        self._prefix: str = options.get("global_keyprefix", "")
        self._lists: dict[str, tuple[str, ...]] = {}

    def queue(self, class_name: str, queue: str | None) -> str:
        """The queue of a routine: its own ``queue``, else ``task_routes``, else the default."""
        options = {"queue": queue} if queue else {}
        routed = self._app.amqp.router.route(options, class_name, (), {})
        return str(routed["queue"].name)

    def suffix(self, priority: int) -> str:
        """What kombu appends to a list's name for a priority (0 is served first)."""
        step = self._steps[bisect(self._steps, priority) - 1]
        return f"{self._separator}{step}" if step else ""

    def lists(self, queue: str) -> Sequence[str]:
        """The broker lists of a queue, most urgent first."""
        found = self._lists.get(queue)
        if found is None:
            base = self._prefix + queue
            found = tuple(base + self.suffix(step) for step in self._steps)
            self._lists[queue] = found
        return found

    def queue_of(self, broker_list: str) -> tuple[str, str]:
        """The queue of a broker list, and its priority; '' for the most urgent one."""
        name = broker_list.removeprefix(self._prefix)
        queue, _, priority = name.partition(self._separator)
        return queue, priority

    def fields(self, definition: Definition) -> dict[str, Argument]:
        """The stored form of a definition: its JSON, and lists and templates for the scripts."""
        fields: dict[str, Argument] = {"json": definition.to_json()}
        for index, routine in enumerate(definition.routines):
            queue = routine.queue or self._app.conf.task_default_queue
            fields[f"q{index}"] = self._prefix + queue
            names = dict(enumerate(definition.slot_names(index)))
            for position in definition.undo_slots(index):
                names[UNDO_SLOT_INDEX + position] = names[position] + UNDO_SLOT
            for position, slot in names.items():
                ms = definition.timeout_ms(index, position)
                seconds = ms / 1000 if ms else None
                template = message_format(routine.class_name, queue, slot, seconds)
                fields[f"m{index}.{position}"] = template
                if ms:
                    fields[f"t{index}.{position}"] = ms
                    fields["extras"] = 1
            waits = message_format(routine.class_name, queue, CHILD_SLOT)
            fields[f"m{index}.{CHILD_SLOT_INDEX}"] = waits
        if definition.late:
            fields["extras"] = 1
            fields["late"] = "\n".join(f"{ms} {event}" for ms, event in definition.late)
        fields["queues"] = len({fields[f"q{index}"] for index in range(len(definition.routines))})
        fields |= _fixed_limits(definition)
        # A letter for each thing that few jobs have; see job_row.lua.
        uses = "l" * definition.has_step_limits + "j" * bool(definition.limits_of_job)
        if uses:
            fields["uses"] = uses
        joins = dict(_join_rules(definition))
        return {**fields, **joins, "joins": len(joins)} if joins else fields


def _fixed_limits(definition: Definition) -> Iterator[tuple[str, str]]:
    """A field ``l<r.s>`` for each slot to which all deliveries count at the same keys."""
    for index in range(len(definition.routines)):
        for position in range(len(definition.slot_names(index))):
            if keys := fixed_keys(definition, index, position):
                yield f"l{index}.{position}", "\n".join(keys)


def _join_rules(definition: Definition) -> Iterator[tuple[str, str]]:
    """A field for each join, ``j<r.s>``: ``kind timeout-ms otherwise upstream``."""
    for index in range(len(definition.routines)):
        for position in range(len(definition.slot_names(index))):
            join = definition.join(index, position)
            if join is None:
                continue
            upstream = definition.upstream(index)
            kind = "quiet" if upstream >> index & 1 else "all"
            timeout = 0 if join.timeout is None else max(1, round(join.timeout * 1000))
            kind = kind if join.needs is None else "count"
            up = _rows(upstream) or "-"
            yield f"j{index}.{position}", f"{kind} {timeout} {join.otherwise} {up}"


def _rows(indexes: int) -> str:
    """The indexes whose bits are set, those in a row as one: ``0-3,7``."""
    bits = f"{indexes:b}"[::-1]
    rows = (match.span() for match in re.finditer("1+", bits))
    return ",".join(str(a) if b - a == 1 else f"{a}-{b - 1}" for a, b in rows)
