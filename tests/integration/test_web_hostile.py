"""The dashboard on names and texts that are HTML, turn a line around, or command a terminal."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest

from flowforge import Bulk, Flow, Join, Limit, Routine
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.store.transitions.log_lines import Line, pack_line
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, expect_answer, fail_job
from tests.integration.web_pages import addresses

pytestmark = pytest.mark.usefixtures("no_settings")

#: A name of a flow must not have control characters; a text may.
NAME = "<script>alert(1)</script>\"'><b x=\u202egnp.exe" + "\U0001f600" * 32
TEXT = NAME + "\x1b[31m\x00{{7*7}}"


#: What is not read as text: fields, whose text is sent back, and the attributes of tags.
UNREAD = re.compile(r"<(textarea|option)\b.*?</\1>|<[^>]*>", re.DOTALL)


class Odd(Routine):
    """Two slots, of which one joins."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.take)
        self.define_slot(NAME, handler=self.join, join=Join.all())
        self.define_event(NAME, [NAME])

    def take(self, **params: Any) -> None: ...

    def join(self, items: list[Any]) -> None: ...


def odd() -> Flow:
    flow = Flow(NAME, keep_inputs=True)
    flow.add_routine(Odd(), NAME)
    flow.connect(NAME, NAME, NAME, NAME)
    return flow


@pytest.mark.attack(what="HTML and control characters in all names and texts of a job and a fleet")
def test_names_and_texts_stay_text_on_each_page(site: Installation, admin: Browser) -> None:
    """Each page of the dashboard shows them, none as HTML."""
    engine, given, labels = site.engine, {NAME: TEXT, "n": {NAME: [TEXT]}}, {"tenant": NAME}
    failed, expecting, paused, queued = (
        odd().execute(NAME, given, labels=labels) for _ in range(4)
    )
    group = fail_job(engine, failed, f"shop.{NAME}", TEXT)
    number = expect_answer(engine, expecting)
    admin.act(f"/jobs/{paused.job_id}/pause", reason=TEXT)
    paused.record_execution(NAME, TEXT, given)
    DeadLetters(engine.store).bury(NAME, TEXT, TEXT.encode())
    facts = {"queues": [NAME], "routines": [NAME], "pool": NAME, "concurrency": 1, "pid": 1}
    WorkerReports(engine.store).write(NAME, "m", facts, [])
    line = pack_line(0, "INFO", NAME, TEXT, TEXT, 1, NAME)
    engine.store.log_lines.keep("p", 1, 10, [Line(queued.job_id, "1.0.0", line)])
    Bulk.label([queued], {"bulk": NAME}, by=NAME)
    queries = {
        "/schedules/": "?name=odd", "/queues/": f"?{urlencode({'queue': NAME})}",
        "/limits/": f"?{urlencode({'key': 'odd/<script>'})}",
    }  # fmt: skip
    Limit("odd", per="n", running=1).save()
    odd().schedule("odd", NAME, given, cron="0 0 1 1 *", labels=labels).save()
    more = {"{job_id}/answers/{number}": f"{expecting.job_id}/answers/{number}", "{group}": group}
    for job in (failed, expecting, paused, queued):
        for address in addresses(job, more, queries, "GET"):
            text = admin.page(address)
            assert "<script>" not in text, address
            assert "<b x=" not in text, address
            read = UNREAD.sub("", text)
            assert "\u202e" not in read, read[read.index("\u202e") - 200 :]
    for address in ("/", "/jobs", "/answers", "/flows", "/errors", "/workers", "/doctor", "/bulk",
                    "/dead-letters", "/audit"):  # fmt: skip
        text = admin.page(address)
        assert "&lt;script&gt;alert(1)" in text, address
        assert "\u202e" not in UNREAD.sub("", text), address
