"""One prefix on one server: its transitions by what they are about, and the name of its server."""

from __future__ import annotations

import os
import secrets

from flowforge.store.keys import Keys
from flowforge.store.one_look import OneLook
from flowforge.store.reading import reading
from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Link
from flowforge.store.transitions.breakpoints import Breakpoints
from flowforge.store.transitions.bulks import BulkScripts
from flowforge.store.transitions.control import JobControl
from flowforge.store.transitions.expectations import Expectations
from flowforge.store.transitions.fair_order import FairOrder
from flowforge.store.transitions.forking import Forking
from flowforge.store.transitions.hooks import HookScripts
from flowforge.store.transitions.invocations import Invocations
from flowforge.store.transitions.keyed_submission import KeyedSubmissions
from flowforge.store.transitions.limits import Limits
from flowforge.store.transitions.log_lines import LogLines
from flowforge.store.transitions.mending import Mending
from flowforge.store.transitions.queue_pauses import QueuePauses
from flowforge.store.transitions.schedules import ScheduleScripts
from flowforge.store.transitions.submission import Submissions
from flowforge.store.transitions.tallies import Tallies
from flowforge.store.transitions.upkeep import UpkeepScripts


class Store:
    """One key prefix on one server. Each transition is one Lua script and one round trip."""

    def __init__(self, link: Link, prefix: str) -> None:
        self.link = link
        self.keys = Keys(prefix)
        self.look = OneLook()
        self.scripts = ScriptRunner(link, self.keys)
        self.submissions = Submissions(self.scripts)
        self.keyed_submissions = KeyedSubmissions(self.scripts)
        self.invocations = Invocations(self.scripts)
        self.control = JobControl(self.scripts)
        self.mending = Mending(self.scripts)
        self.forking = Forking(self.scripts)
        self.bulks = BulkScripts(self.scripts)
        self.breakpoints = Breakpoints(self.scripts)
        self.queue_pauses = QueuePauses(self.scripts)
        self.expectations = Expectations(self.scripts)
        self.fair_order = FairOrder(self.scripts)
        self.upkeep = UpkeepScripts(self.scripts)
        self.log_lines = LogLines(self.scripts)
        self.hooks = HookScripts(self.scripts)
        self.schedules = ScheduleScripts(self.scripts)
        self.tallies = Tallies(self.scripts)
        self.limits = Limits(self.scripts, link, self.keys)
        self._server_name = ""

    @property
    def server_name(self) -> str:
        """The server's own name, four characters; asked for once. CorruptRecordError when it is
        no text.
        """
        if not self._server_name:
            # A name that is there can be read by those who may not write.
            raw = self.link.call("GET", self.keys.of("server")) or self._take_name()
            with reading("the server's own name"):
                self._server_name = str(raw.decode())
        return self._server_name

    def _take_name(self) -> bytes:
        name: bytes = self.scripts.run("name", secrets.token_hex(2))
        return name

    def check_writes(self) -> None:
        """StoreUnavailableError unless the server takes writes now.

        It is asked with a write that changes nothing once the server has its name.
        """
        self._take_name()

    @property
    def named(self) -> bool:
        """Whether the server has told its name already."""
        return bool(self._server_name)

    def knows(self, job_id: str) -> bool:
        """Whether there is such a job."""
        return bool(self.link.call("EXISTS", self.keys.of("job", job_id)))

    def new_job_ids(self, number: int) -> list[str]:
        """The server's name, by which a job is found, and 80 random bits, each time."""
        name, bits = self.server_name, os.urandom(10 * number).hex()
        return [f"{name}-{bits[start : start + 20]}" for start in range(0, len(bits), 20)]
