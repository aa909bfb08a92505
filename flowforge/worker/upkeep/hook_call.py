"""One attempt to tell a hook, in a thread of its own.

A function may block, raise or call ``sys.exit``, a receiver may send a byte a minute: the caller
waits for the hook's timeout and no longer.
"""

from __future__ import annotations

import logging
import threading

from flowforge.common.forks import Forks, end_forked_child
from flowforge.execution.failure import message_of, type_of
from flowforge.model.hooks.hook_event import HookEvent
from flowforge.model.hooks.hooks import Hook, HookFunction
from flowforge.model.hooks.webhook import Webhook
from flowforge.worker.upkeep.webhook_request import Answer, WebhookRequest, without_path

logger = logging.getLogger(__name__)


class HookCall:
    """One attempt."""

    def __init__(self, hook: Hook, event: HookEvent) -> None:
        self._hook = hook
        self._event = event
        self._answer: Answer | None = None
        self._request: WebhookRequest | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"flowforge-hook-call-{hook.name}", daemon=True
        )

    @property
    def running(self) -> bool:
        """Whether the hook has still not returned."""
        return self._thread.is_alive()

    def answer(self) -> Answer:
        """Make the attempt."""
        self._thread.start()
        self._thread.join(self._hook.timeout)
        if self._answer is not None:
            return self._answer
        if self._request is not None:
            self._request.cut()
        return Answer(False, f"no answer within {self._hook.timeout:g} s")

    def _run(self) -> None:
        target = self._hook.target
        if isinstance(target, Webhook):
            self._answer = self._send(target)
        else:
            self._call(target)

    def _send(self, webhook: Webhook) -> Answer:
        try:
            self._request = WebhookRequest(webhook, self._event, self._hook.timeout)
            return self._request.send()
        except TimeoutError:
            return Answer(False, f"no answer within {self._hook.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - a connection that is cut off fails in many ways
            return Answer(False, without_path(webhook, f"{type_of(error)}: {message_of(error)}"))

    def _call(self, function: HookFunction) -> None:
        forks = Forks.count
        try:
            function(self._event)
        except BaseException as error:
            end_forked_child(forks, error)
            # First: logging shows the error, whose text is code of the user's.
            self._answer = Answer(False, f"{type_of(error)}: {message_of(error)}")
            logger.warning("the hook %s failed", self._hook.name, exc_info=error)
        else:
            end_forked_child(forks)
            self._answer = Answer(True, "the function returned")
