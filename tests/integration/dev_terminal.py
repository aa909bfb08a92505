"""``flowforge dev`` on a terminal of its own, in a project of its own."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flowforge import JobState
from flowforge.broker.fleet_app import fleet_app
from flowforge.dev.place import running_in
from flowforge.engine.engine import Engine
from flowforge.settings import from_environment
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from tests.integration.cli_shell import clean_environment
from tests.integration.installation import FAST, LIMIT
from tests.support.eventually import eventually

#: A handler that runs until there is a file, and says with which code it was run.
MODULE = """
import time
from pathlib import Path

from flowforge import Flow, routine

CODE = "old"


@routine
def step(gate, broken=False):
    if broken:
        raise ValueError("it is broken")
    while not Path(gate).exists():
        time.sleep(0.01)
    return {"code": CODE}


flow = Flow("held")
flow.add_routine(step)
"""

#: Colours and the like.
_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


#: How ``flowforge`` is started where no other way is said.
_TOOL = (sys.executable, "-m", "flowforge.cli")


def fast_environment() -> dict[str, str]:
    """This code, and a worker that is lost is noticed soon."""
    fast = {f"FLOWFORGE_{name.upper()}": str(value) for name, value in FAST.items()}
    return {**clean_environment(), **fast}


class DevTerminal(threading.Thread):
    """The program, and what a person has seen of it. ``tool``: how ``flowforge`` is started."""

    def __init__(
        self, project: Path, *arguments: str, environment: Mapping[str, str] | None = None,
        tool: Sequence[str] = _TOOL,
    ) -> None:  # fmt: skip
        super().__init__(daemon=True)
        self.project = project
        own = fast_environment() if environment is None else environment
        self.environment = {**own, "TERM": "xterm"}
        self._seen = ""
        #: The first job of all.
        self._first: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.master, self._slave = os.openpty()
        program = [*tool, "dev", *arguments]
        # A session's first terminal is its own: Ctrl-C is a signal then.
        opened = ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(self._slave)]
        self.program = subprocess.Popen(
            [*opened, *program], cwd=project, env=self.environment, start_new_session=True
        )
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):  # how Linux reports the end of a terminal
            while part := os.read(self.master, 65536):
                self._seen += _SEQUENCES.sub("", self._decoder.decode(part)).replace("\r", "")

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    @property
    def mode(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._slave)

    def shows(self, pattern: str, after: int = 0) -> re.Match[str]:
        """Return when a pattern is there, behind a position."""
        compiled = re.compile(pattern)
        eventually(lambda: compiled.search(self._seen, after), LIMIT, lambda: self._seen)
        found = compiled.search(self._seen, after)
        assert found is not None
        return found

    def shows_line(
        self, line: str, comparable: Callable[[str], str], after: int
    ) -> tuple[int, str]:
        """Return when a whole line is there, in its comparable form, behind ``after`` lines: how
        many lines there are up to its end, and the line as it is there.
        """
        wanted = comparable(line)

        def found() -> list[tuple[int, str]]:
            lines = list(enumerate(self._seen.split("\n")[:-1], 1))[after:]
            return [(n, one.rstrip()) for n, one in lines if comparable(one) == wanted]

        eventually(lambda: bool(found()), LIMIT, lambda: f"{line!r} in\n{self._seen}")
        return found()[0]

    def shows_after(self, act: Callable[[], object], pattern: str) -> re.Match[str]:
        """Do something, and return when a pattern is there that was not there before."""
        before = len(self._seen)
        act()
        return self.shows(pattern, before)

    def write(self, text: str) -> None:
        """Save the module."""
        (self.project / "held.py").write_text(text)

    def command(self, *arguments: str) -> str:
        """What ``flowforge`` prints on stdout, in another terminal of the same folder."""
        done = subprocess.run(
            [sys.executable, "-m", "flowforge.cli", *arguments], cwd=self.project,
            env=clean_environment(), capture_output=True, text=True, check=False, timeout=LIMIT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def submit(self, engine: Engine, gate: Path, **params: object) -> JobState:
        """A new job: by the command, later as another job of the first one's flow."""
        given = {"gate": str(gate), **params}
        if self._first is None:
            text = json.dumps(given)
            self._first = self.command("run", "held", "--no-wait", "--params-json", text)
            return JobState(self._first, engine)
        return JobState(engine.rerun(self._first, given, "latest"), engine)

    def engine(self) -> Engine:
        """An engine of this process for its server."""
        found = running_in(self.project)
        assert found is not None
        settings = from_environment({}, redis_url=found.redis_url, prefix=found.prefix)
        return Engine(settings, fleet_app(settings))

    def processes(self, engine: Engine) -> list[int]:
        """Its server and its workers."""
        reports, _ = WorkerReports(engine.store).read()
        server = engine.store.link.call("INFO", "server")
        match = re.search(rb"process_id:(\d+)", server)
        assert match is not None
        return [int(match[1]), *(report.pid for report in reports)]

    def end(self) -> None:
        """Kill it if it still runs, and forget the terminal."""
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait(LIMIT)
        os.close(self._slave)
        self.join(LIMIT)
        os.close(self.master)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def code_of(job: JobState) -> str:
    """The code that a job was run with."""
    (output,) = job.result(LIMIT)
    return str(output.params["code"])
