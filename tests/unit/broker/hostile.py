"""What may lie on a broker list that no worker should be given."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

BODY = [["x"], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def foreign_task() -> dict[str, Any]:
    """A task of the user's own app as Celery publishes it."""
    return {
        "body": base64.b64encode(json.dumps(BODY).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py", "task": "app.add", "id": "3f1", "shadow": None, "eta": None,
            "expires": None, "group": None, "group_index": None, "retries": 0,
            "timelimit": [None, None], "root_id": "3f1", "parent_id": None, "argsrepr": "()",
            "kwargsrepr": "{}", "origin": "gen1@host", "ignore_result": False,
            "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
        },
        "properties": {
            "correlation_id": "3f1", "reply_to": "r", "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "q"}, "priority": 0,
            "body_encoding": "base64", "delivery_tag": "d1",
        },
    }  # fmt: skip


def changed(path: str, value: Any = ...) -> bytes:
    """The foreign task with one part replaced, or removed."""
    message = copy.deepcopy(foreign_task())
    *parents, name = path.split(".")
    part: Any = message
    for parent in parents:
        part = part[parent]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return json.dumps(message).encode()


def with_body(body: Any) -> bytes:
    return changed("body", base64.b64encode(json.dumps(body).encode()).decode())


#: Items that end or mislead a stock worker, and a part of the reason for their refusal.
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "JSON"),
    "no text": (b"\xff\xfe\x00", "JSON"),
    "no json": (b"{'body': 1}", "JSON"),
    "cut": (json.dumps(foreign_task()).encode()[:-10], "JSON"),
    "endless nesting": (b"[" * 200_000, "JSON"),
    "utf-16": (json.dumps(foreign_task()).encode("utf-16"), "JSON"),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(foreign_task()).encode(), "JSON"),
    "a list": (b"[]", "the message is no object"),
    "a number": (b"1", "the message is no object"),
    "null": (b"null", "the message is no object"),
    "an empty object": (b"{}", "headers"),
    "no headers": (changed("headers"), "headers"),
    "headers of null": (changed("headers", None), "headers"),
    "no properties": (changed("properties"), "properties"),
    "properties as a list": (changed("properties", []), "properties"),
    "no content type": (changed("content-type"), "content-type"),
    "no content encoding": (changed("content-encoding", None), "content-encoding"),
    "no task": (changed("headers.task"), "task"),
    "a task that is no text": (changed("headers.task", ["x"]), "task"),
    "no id": (changed("headers.id"), "id"),
    "an id that is no text": (changed("headers.id", 5), "id"),
    "no delivery tag": (changed("properties.delivery_tag"), "delivery_tag"),
    "half a character in the tag": (changed("properties.delivery_tag", "\ud800"), ""),
    "no delivery info": (changed("properties.delivery_info"), "delivery_info"),
    "no exchange": (changed("properties.delivery_info.exchange"), "exchange"),
    "no routing key": (changed("properties.delivery_info.routing_key"), "routing_key"),
    "no body": (changed("body"), "body"),
    "a body of null": (changed("body", None), "body"),
    "a body that is an object": (changed("body", {}), "body"),
    "bad base64": (changed("body", "###"), "base64"),
    "an unknown body encoding": (changed("properties.body_encoding", "rot13"), "encoding"),
    "a body that is no json": (changed("body", base64.b64encode(b"x").decode()), "JSON"),
    "a body that is no list": (with_body({"a": 1}), "[args, kwargs, embed]"),
    "a body of two parts": (with_body([[], {}]), "[args, kwargs, embed]"),
    "a body of four parts": (with_body([[], {}, {}, {}]), "[args, kwargs, embed]"),
    "args that are no list": (with_body(["x", {}, {}]), "[args, kwargs, embed]"),
    "kwargs of null": (with_body([[], None, {}]), "[args, kwargs, embed]"),
    "embed of null": (with_body([[], {}, None]), "[args, kwargs, embed]"),
    "a type for kombu": (changed("headers.x", {"__type__": "nothing", "__value__": 1}), ""),
    "a date for kombu": (changed("headers.x", {"__type__": "datetime", "__value__": "no"}), ""),
    "our mark": (changed("headers.flowforge", 1), "not in the form"),
    "our task for unknown classes": (
        changed("headers.task", "flowforge.unknown"),
        "not in the form",
    ),
}
