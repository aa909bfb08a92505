"""The Celery message of an invocation, as a template that a Lua script fills in.

The layout is that of Celery's task protocol 2 on kombu's virtual transports
(docs.celeryq.dev, "Message Protocol"): a contract test publishes the same task through kombu and
compares. The body is plain JSON instead of base64, which kombu accepts when ``body_encoding`` is
null.
"""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from typing import Any

from celery import Celery

from flowforge.model.definition import Definition
from flowforge.model.slot import CHILD_SLOT, CHILD_SLOT_INDEX
from flowforge.store.link import Argument

#: Header that marks a message as an invocation of FlowForge.
MARK = "flowforge"

# Words that json.dumps leaves alone. Those of the first line become the bytes that the scripts
# replace, those of the second become names, which may hold anything, the words too.
_JOB, _TAG, _NUMBER, _PUSH, _PRIORITY = "@job@", "@tag@", "@number@", "@push@", '"@priority@"'
_TASK, _QUEUE, _SLOT = "@task@", "@queue@", "@slot@"
_HOLES = {_JOB: "\x01", _TAG: "\x02", _NUMBER: "\x03", _PUSH: "\x04", _PRIORITY: "\x05"}
_WORDS = re.compile("|".join((*_HOLES, _TASK, _QUEUE, _SLOT)))


def message_template(task_name: str, queue: str, slot: str) -> str:
    """JSON of the message with the bytes 1 to 5 in place of what differs between invocations."""
    task_id = f"{_JOB}-{_NUMBER}"
    embed: dict[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    message: dict[str, Any] = {
        "body": json.dumps([[_JOB, _TAG], {}, embed]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": _TASK,
            "id": task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": _JOB,
            "parent_id": None,
            "argsrepr": f"({_JOB}, {_SLOT})",
            "kwargsrepr": "{}",
            "origin": MARK,
            "ignore_result": True,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
            MARK: 1,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": _QUEUE},
            "priority": "@priority@",
            "body_encoding": None,
            "delivery_tag": f"{task_id}-{_PUSH}",
        },
    }
    names = {_TASK: task_name, _QUEUE: queue, _SLOT: slot}
    words = {**_HOLES, **{word: json.dumps(name)[1:-1] for word, name in names.items()}}
    return _WORDS.sub(lambda match: words[match[0]], json.dumps(message))


def message_format(task_name: str, queue: str, slot: str) -> str:
    """The template for Lua's ``string.format``: the holes are filled in their order in the text.

    That is six times the job's id, with tag, number, priority and push number in between.
    """
    text = message_template(task_name, queue, slot).replace("%", "%%")
    for hole in _HOLES.values():
        text = text.replace(hole, "%d" if hole == _HOLES[_PUSH] else "%s")
    return text


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

    def fields(self, definition: Definition) -> dict[str, Argument]:
        """The stored form of a definition: its JSON, and lists and templates for the scripts."""
        fields: dict[str, Argument] = {"json": definition.to_json()}
        for index, routine in enumerate(definition.routines):
            queue = routine.queue or self._app.conf.task_default_queue
            fields[f"q{index}"] = self._prefix + queue
            for position, slot in enumerate(definition.slot_names(index)):
                template = message_format(routine.class_name, queue, slot)
                fields[f"m{index}.{position}"] = template
            waits = message_format(routine.class_name, queue, CHILD_SLOT)
            fields[f"m{index}.{CHILD_SLOT_INDEX}"] = waits
        fields["queues"] = len({fields[f"q{index}"] for index in range(len(definition.routines))})
        joins = dict(_join_rules(definition))
        return {**fields, **joins, "joins": len(joins)} if joins else fields


def _join_rules(definition: Definition) -> Iterator[tuple[str, str]]:
    """A field for each join, ``j<r.s>``: ``kind timeout-ms otherwise ancestors``."""
    for index in range(len(definition.routines)):
        for position in range(len(definition.slot_names(index))):
            join = definition.join(index, position)
            if join is None:
                continue
            ancestors = definition.ancestors(index)
            kind = "quiet" if ancestors >> index & 1 else "all"
            timeout = 0 if join.timeout is None else max(1, round(join.timeout * 1000))
            kind = kind if join.needs is None else "count"
            up = _rows(ancestors) or "-"
            yield f"j{index}.{position}", f"{kind} {timeout} {join.otherwise} {up}"


def _rows(indexes: int) -> str:
    """The indexes whose bits are set, those in a row as one: ``0-3,7``."""
    bits = f"{indexes:b}"[::-1]
    rows = (match.span() for match in re.finditer("1+", bits))
    return ",".join(str(a) if b - a == 1 else f"{a}-{b - 1}" for a, b in rows)
