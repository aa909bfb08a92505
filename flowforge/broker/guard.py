"""What a worker lets in: messages are checked before kombu decodes them.

A stock worker ends, or requeues for the next worker to end, on a message that it cannot decode; and
a message body may name callbacks, which are other tasks with other arguments. Here an invocation
has to have the exact form that the scripts write, and whatever is neither that nor a well-formed
task of the app goes to the dead letters with the reason.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Container
from typing import Any

from flowforge.broker.foreign import RefusedError, check_task, read_message
from flowforge.broker.message import MARK, message_template
from flowforge.model.invocation_id import INVOCATION, JOB_ID, NUMBER
from flowforge.settings import Settings
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.store.store import Store

logger = logging.getLogger(__name__)

#: Task that takes invocations whose routine class this worker does not know.
UNKNOWN_TASK = "flowforge.unknown"

#: Bytes of a message that is parsed where nothing but invocations is expected; a longer one is
#: refused unread. The longest invocation has about 12 KiB.
_READ_BYTES = 64 * 1024

#: Characters of a text from the message that a reason shows.
_SHOWN = 100

#: The inside of a JSON string in ASCII, as ``json.dumps`` writes it: 1 to 512 characters, without
#: halves of surrogate pairs, which cannot be encoded again.
_TEXT = (
    r'(?:[ !#-\[\]-~]|\\["\\bfnrt]|\\u(?:[0-9a-ce-f][0-9a-f]{3}|d[0-7][0-9a-f]{2}'
    r"|d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2})){1,512}"
)


#: How a message has that an attempt may take as long as it wants; a pattern for seconds as well.
_UNLIMITED = '"timelimit": [null, null]'
_LIMIT = r'"timelimit": \[(?:null|[0-9]{1,10}(?:\.[0-9]{1,3})?), null\]'


def _own_pattern() -> re.Pattern[bytes]:
    text = re.escape(message_template("~task~", "~queue~", "~slot~"))
    text = text.replace(re.escape(_UNLIMITED), _LIMIT)
    # One queue, priority and push number would do as well as any other: only ids are used twice.
    holes = {
        "\x01": f"(?P<job>{JOB_ID})",
        "\x02": f"(?P<invocation>{INVOCATION})",
        "\x03": f"(?P<number>{NUMBER})",
        "\x04": NUMBER,
        "\x05": "[0-9]",
        re.escape("~task~"): f"(?P<task>{_TEXT})",
        re.escape("~queue~"): f"(?P<queue>{_TEXT})",
        re.escape("~slot~"): _TEXT,
    }
    for hole, group in holes.items():
        first, *rest = text.split(re.escape(hole) if len(hole) == 1 else hole)
        name = re.match(r"\(\?P<(\w+)>", group)
        again = f"(?P={name[1]})" if name else group
        text = first + group + again.join(rest) if rest else first
    return re.compile(text.encode())


class Guard:
    """Admits broker messages for one worker.

    ``tasks``: names of the invocations that the worker knows. ``exclusive``: nothing but these is
    expected, so everything else is refused. ``queues``: those that hold tasks; replies to remote
    control, which come on lists as well, are left to kombu. None: every list holds tasks.
    ``most``: bytes of a message that is no invocation, as it is and decompressed. ``compression``:
    what the app compresses its own messages with.
    """

    def __init__(
        self,
        store: Store,
        tasks: Container[str],
        *,
        exclusive: bool,
        queues: Container[str] | None = None,
        most: int = Settings.max_message,
        compression: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._letters = DeadLetters(store)
        self._tasks = tasks
        self._queues = queues
        self.exclusive = exclusive
        self._most = _READ_BYTES if exclusive else most
        self._compression = compression
        self._own = _own_pattern()
        #: Refused messages that could not be kept.
        self._dropped = 0

    def holds_tasks(self, queue: str) -> bool:
        """Whether what lies on a queue's lists is guarded."""
        return self._queues is None or queue in self._queues

    def admit(self, queue: str, item: bytes) -> bytes | None:
        """The message to deliver, or None when it was refused and kept as a dead letter."""
        if not self.holds_tasks(queue):
            return item
        match = self._own.fullmatch(item)
        try:
            if match is None:
                return self._unusual(queue, item)
            return self._known_or_redirected(queue, match)
        except RefusedError as reason:
            self.bury(queue, item, str(reason))
            return None

    def _known_or_redirected(self, queue: str, match: re.Match[bytes]) -> bytes:
        item, task = match.string, _text(match["task"])
        if _text(match["queue"]) != queue:
            # It would be given back to that list, whatever it is, and what waits there be run here.
            raise RefusedError(f"an invocation of queue {_text(match['queue'])[:_SHOWN]!r}")
        if task == UNKNOWN_TASK:
            raise RefusedError("an invocation without the name of its routine class")
        return item if task in self._tasks else _redirect(item, task)

    def _unusual(self, queue: str, item: bytes) -> bytes:
        """What is not an invocation as the scripts write it; RefusedError for most of it."""
        if len(item) > self._most:
            what = "any invocation" if self.exclusive else f"max_message, {self._most}"
            raise RefusedError(f"longer than {what}: {len(item)} bytes")
        message = read_message(item)
        task = message["headers"]["task"]
        if task == UNKNOWN_TASK:
            # Given back by a worker that stopped before it ran what it had redirected.
            match = self._own.fullmatch(_directed_back(message))
            if match is not None:
                return self._known_or_redirected(queue, match)
        if MARK in message["headers"] or task == UNKNOWN_TASK or task in self._tasks:
            raise RefusedError("named an invocation, but not in the form that FlowForge writes")
        if self.exclusive:
            raise RefusedError(
                f"task {task[:_SHOWN]!r} is not an invocation, and this worker runs nothing else"
            )
        check_task(message, self._most, self._compression())
        return _of_queue(queue, message["properties"]["delivery_info"], item)

    def bury(self, queue: str, item: bytes, reason: str) -> None:
        """Keep a refused message as a dead letter, if the server takes it at once.

        The event loop must not wait here: on a full server for each message of a flood.
        """
        logger.error("refused a message on %s: %s", queue, reason)
        try:
            self._letters.bury(queue, reason, item)
        except Exception as error:  # noqa: BLE001 - the message could not have run anyway
            self._dropped += 1
            logger.error("could not keep it as a dead letter, %d so far: %s", self._dropped, error)


def _text(inside: bytes) -> str:
    """What the inside of a JSON string in ASCII says."""
    return inside.decode() if b"\\" not in inside else str(json.loads(b'"%b"' % inside))


def _of_queue(queue: str, info: dict[str, Any], item: bytes) -> bytes:
    """The message as one of the queue that it was found on.

    Without an exchange its routing key is the list that it is given back to, and retried on.
    """
    if info["exchange"] or info["routing_key"] == queue:
        return item
    message = json.loads(item)
    message["properties"]["delivery_info"]["routing_key"] = queue
    return json.dumps(message).encode()


def _redirect(item: bytes, task: str) -> bytes:
    message = json.loads(item)
    args, kwargs, embed = json.loads(message["body"])
    message["body"] = json.dumps([[*args, task], kwargs, embed])
    message["headers"]["task"] = UNKNOWN_TASK
    return json.dumps(message).encode()


def _directed_back(message: dict[str, Any]) -> bytes:
    """What ``_redirect`` made its message of; anything else gives what matches no invocation."""
    try:
        (job_id, invocation, task), kwargs, embed = json.loads(str(message["body"]))
        body = json.dumps([[job_id, invocation], kwargs, embed])
        headers = {**message["headers"], "task": task}
        return json.dumps({**message, "body": body, "headers": headers}).encode()
    except (ValueError, TypeError, RecursionError):
        return b""
