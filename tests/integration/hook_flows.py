"""Flows that fail, and hooks that are told of it, for ``test_hooks``; imported by their workers."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from flowforge import Flow, HookEvent, on_event, routine, webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FORMER_SECRET = "whsec_" + "QUFB" * 8

#: Where a test wants webhooks and notes, and how long a webhook may take.
URL = os.environ.get("TEST_HOOK_URL")
NOTES = os.environ.get("TEST_HOOK_NOTES")


@routine
def breaks(number: int, why: str = "broken") -> None:
    """Fails."""
    raise ValueError(f"{why} {number}")


@routine
def dies() -> None:
    """Takes its process along."""
    os.kill(os.getpid(), signal.SIGKILL)


@routine
def works() -> dict[str, int]:
    """Does its work."""
    return {"pid": os.getpid()}


failing = Flow("failing")
failing.add_routine(breaks, "breaks")
poison = Flow("poison")
poison.add_routine(dies, "dies")
fine = Flow("fine")
fine.add_routine(works, "works")

if URL:
    webhook("ops", URL, secret=[SECRET, FORMER_SECRET], timeout=1.0)

if NOTES:

    @on_event("job.failed", flow="failing")
    def note(event: HookEvent) -> None:
        """Notes what it is told."""
        line = {"pid": os.getpid(), "id": event.id, "count": event.count, "jobs": event.job_ids}
        with open(NOTES or "", "a") as file:
            file.write(json.dumps(line) + "\n")

    @on_event()
    def exits(event: HookEvent) -> None:
        """Tries to end the worker."""
        sys.exit("no hook may do this")

    @on_event(timeout=0.2)
    def blocks(event: HookEvent) -> None:
        """Does not come back while a test lasts."""
        time.sleep(60)
