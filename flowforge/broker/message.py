"""The Celery message of an invocation, as a template that a Lua script fills in.

The layout is that of Celery's task protocol 2 on kombu's virtual transports
(docs.celeryq.dev, "Message Protocol"): a contract test publishes the same task through kombu and
compares. The body is plain JSON instead of base64, which kombu accepts when ``body_encoding`` is
null.

Three others rely on the layout. ``store/lua/include/commit/next_message.lua`` (``take_message``)
finds job and invocation in the body, which must be first, and the push number in the delivery tag,
which must be last. ``worker/upkeep/resender.py`` finds the push number there as well.
``broker/guard.py`` makes the pattern of what it admits from the template.
"""

from __future__ import annotations

import json
import re
from typing import Any

from flowforge.model.invocation_id import task_id

#: Header that marks a message as an invocation of FlowForge.
MARK = "flowforge"

# Words that json.dumps leaves alone. Those of the first two lines become the bytes that the scripts
# replace, those of the third become names, which may hold anything, the words too.
_JOB, _INVOCATION, _NUMBER = "@job@", "@invocation@", "@number@"
_PUSH, _PRIORITY = "@push@", '"@priority@"'
_TASK, _QUEUE, _SLOT = "@task@", "@queue@", "@slot@"
_HOLES = {_JOB: "\x01", _INVOCATION: "\x02", _NUMBER: "\x03", _PUSH: "\x04", _PRIORITY: "\x05"}
_WORDS = re.compile("|".join((*_HOLES, _TASK, _QUEUE, _SLOT)))


def message_template(task_name: str, queue: str, slot: str, timeout: float | None = None) -> str:
    """JSON of the message with the bytes 1 to 5 in place of what differs between invocations.

    ``timeout``: seconds that an attempt may take, as Celery's hard time limit.
    """
    task = task_id(_JOB, _NUMBER)
    embed: dict[str, None] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    message: dict[str, Any] = {
        "body": json.dumps([[_JOB, _INVOCATION], {}, embed]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": _TASK,
            "id": task,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [timeout, None],
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
            "correlation_id": task,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": _QUEUE},
            "priority": "@priority@",
            "body_encoding": None,
            "delivery_tag": f"{task}-{_PUSH}",
        },
    }
    names = {_TASK: task_name, _QUEUE: queue, _SLOT: slot}
    words = {**_HOLES, **{word: json.dumps(name)[1:-1] for word, name in names.items()}}
    return _WORDS.sub(lambda match: words[match[0]], json.dumps(message))


def message_format(task_name: str, queue: str, slot: str, timeout: float | None = None) -> str:
    """The template for Lua's ``string.format``: the holes are filled in their order in the text.

    That is six times the job's id, with invocation, number, priority and push number in between.
    """
    text = message_template(task_name, queue, slot, timeout).replace("%", "%%")
    for hole in _HOLES.values():
        text = text.replace(hole, "%d" if hole == _HOLES[_PUSH] else "%s")
    return text
