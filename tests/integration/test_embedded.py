"""Scripts with no set-up at all: a private server and workers that live as long as the script."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowforge import Flow, JobState
from flowforge.local.server import LocalServer
from tests.integration.installation import FAST, LIMIT, installed
from tests.integration.notes import notes
from tests.support.environment import without_settings
from tests.support.eventually import eventually
from tests.support.fleet import ROOT

#: A script as a beginner writes it: the routines and their use in one file.
ORDERS = """
import sys, time
from flowforge import Flow, JobState, Routine, routine

class Fetch(Routine):
    def __init__(self):
        super().__init__()
        self.define_slot("input", handler=self.fetch)
        self.define_event("order")
    def fetch(self, count):
        for number in range(count):
            self.emit("order", id=number)

class Charge(Routine):
    def __init__(self):
        super().__init__()
        self.define_slot("input", handler=self.charge)
        self.define_event("charged")
    def charge(self, order_id):
        self.emit("charged", order_id=order_id, amount=order_id * 10)

class Pause(Routine):
    def __init__(self):
        super().__init__()
        self.define_slot("input", handler=self.sleep)
    def sleep(self, log, seconds):
        with open(log, "a") as file:
            file.write("started ")
        time.sleep(seconds)

flow = Flow("orders")
flow.add_routine(Fetch(), "fetch")
flow.add_routine(Charge(), "charge")
flow.add_routine(Pause(), "pause")
flow.connect("fetch", "order", "charge", "input", {"id": "order_id"})
"""

RUN = """
if __name__ == "__main__":
    job = flow.execute("fetch", {"count": 5})
    print(sorted(o.params["amount"] for o in job.result(timeout=30)))
"""

#: Starts a handler that sleeps for an hour, and says so once it runs.
SLEEPER = """
import os, sys
from pathlib import Path
log = Path(sys.argv[1])
job = flow.execute("pause", {"log": str(log), "seconds": 3600})
while not log.exists():
    time.sleep(0.01)
print("ready", flush=True)
"""

#: How a script may end while its handler sleeps, and the exit status that this gives.
ENDS = {
    "normally": ("", 0),
    "by an exception": ("raise RuntimeError('broken')", 1),
    "by sys.exit": ("sys.exit(3)", 3),
    "by os._exit": ("os._exit(4)", 4),
    "by shutdown": ("import flowforge; flowforge.shutdown()", 0),
    "by SIGKILL": ("os.kill(os.getpid(), 9)", -9),
    "by SIGTERM": ("os.kill(os.getpid(), 15); time.sleep(60)", -15),
    "by Ctrl-C while it waits": ("job.wait()", 1),
}

#: Seconds that a script may take to end. It would be an hour if it waited for its handler.
PROMPT = 15.0

#: Seconds until nothing is left of it: a server that does not end by SIGTERM is killed after 5, and
#: the machine may be busy.
GONE = 30.0


@dataclass
class Scripts:
    """Runs scripts, and finds every process that descends from them."""

    directory: Path
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def write(self, name: str, *parts: str) -> Path:
        path = self.directory / name
        path.write_text("".join(parts), encoding="utf-8")
        return path

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        own = {"PYTHONPATH": str(ROOT), "MARK_OF_TEST": self.mark, **(env or {})}
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.directory,
            env=without_settings(**own),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
        """The output of a script that has to succeed."""
        process = self.start(*arguments, env=env)
        said, complained = process.communicate(timeout=60)
        assert process.returncode == 0, complained
        return said

    def processes(self) -> list[str]:
        """Command lines of the processes that carry the mark."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if f"MARK_OF_TEST={self.mark}".encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().decode().replace("\0", " "))
            except OSError:
                continue  # it has ended, or is not ours to look at
        return [command for command in found if command]

    def all_gone(self) -> bool:
        return not self.processes()


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Scripts]:
    """A directory of scripts; at the end no process of theirs is left."""
    scripts = Scripts(tmp_path)
    yield scripts
    eventually(scripts.all_gone, GONE, message=lambda: f"the end of {scripts.processes()}")


class TestOtherwiseMeant:
    """A script that belongs to a fleet and was not told of it."""

    @pytest.mark.parametrize(
        ("before", "env", "warned"),
        [
            ("from orders import flow", {}, True),
            ("from orders import flow", {"FLOWFORGE_EMBEDDED": "1"}, False),
            ("import flowforge; flowforge.configure()\nfrom orders import flow", {}, False),
            (ORDERS, {}, False),
        ],
        ids=["imported flow", "embedded engine meant", "configured", "flow of its own"],
    )
    def test_it_is_warned_unless_it_needs_no_fleet(
        self, scripts: Scripts, before: str, env: Mapping[str, str], warned: bool
    ) -> None:
        """The warning says how to reach the fleet, and how to do without the warning."""
        scripts.write("orders.py", ORDERS)
        process = scripts.start(scripts.write("main.py", before, RUN), env=env)
        said, complained = process.communicate(timeout=60)
        assert said == "[0, 10, 20, 30, 40]\n"
        if not warned:
            assert complained == ""
            return
        assert "jobs of flow 'orders' run on the embedded engine" in complained
        assert "import the module with the Celery app" in complained

    def test_it_can_be_forbidden(self, scripts: Scripts) -> None:
        """Then no job runs where nobody looks for it."""
        process = scripts.start(
            scripts.write("orders.py", ORDERS, RUN), env={"FLOWFORGE_EMBEDDED": "0"}
        )
        said, complained = process.communicate(timeout=60)
        assert (said, process.returncode) == ("", 1)
        assert "ConfigurationError: no server is named, and FLOWFORGE_EMBEDDED=0" in complained


class TestNoSetUp:
    """The engine is there when a script needs one."""

    def test_a_plain_script_runs_its_own_classes(self, scripts: Scripts) -> None:
        """Classes of ``__main__`` run without any configuration."""
        path = scripts.write("orders.py", ORDERS, RUN)
        assert scripts.run(path) == "[0, 10, 20, 30, 40]\n"

    def test_a_module_runs_the_same_way(self, scripts: Scripts) -> None:
        """``python -m`` gives the classes the same names as an import does."""
        scripts.write("orders.py", ORDERS, RUN, "    print(flow.serialize()['routines'][0])\n")
        amounts, routine = scripts.run("-m", "orders").splitlines()
        assert amounts == "[0, 10, 20, 30, 40]"
        assert "'class': 'orders.Fetch'" in routine

    def test_code_without_a_file_runs_too(self, scripts: Scripts) -> None:
        """What is typed at a prompt or piped in works as long as that process lives."""
        assert scripts.run("-c", ORDERS + RUN) == "[0, 10, 20, 30, 40]\n"

    def test_threads_share_the_engine(self, scripts: Scripts) -> None:
        """Concurrent first uses start one server, and each thread gets its own job."""
        path = scripts.write(
            "threads.py",
            ORDERS,
            """
import threading
from flowforge.composition import current_engine
found = []
def work(n):
    found.append((len(flow.execute("fetch", {"count": n}).result(30)), current_engine().server.pid))
threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(n for n, _ in found), len({pid for _, pid in found}))
""",
        )
        assert scripts.run(path) == "[1, 2, 3, 4, 5] 1\n"

    def test_a_celery_app_of_the_script_is_left_alone(self, scripts: Scripts) -> None:
        """The worker inside the process does not forbid the script to wait for its own tasks."""
        path = scripts.write(
            "team.py",
            ORDERS,
            """
from celery import Celery, current_app, shared_task
team = Celery("team", broker="memory://", backend="cache+memory://")
@shared_task
def ship(): ...
print(len(flow.execute("fetch", {"count": 3}).result(30)))
team.backend.store_result("some-id", 7, "SUCCESS")
print(current_app.main, ship.app.main, team.AsyncResult("some-id").get(timeout=5))
""",
        )
        assert scripts.run(path) == "3\nteam team 7\n"

    def test_the_engine_starts_anew_after_a_shutdown(self, scripts: Scripts) -> None:
        """``shutdown()`` ends server and workers; the next use has new ones."""
        path = scripts.write(
            "again.py",
            ORDERS,
            """
import flowforge
for _ in range(2):
    print(len(flow.execute("fetch", {"count": 3}).result(30)))
    flowforge.shutdown()
""",
        )
        assert scripts.run(path) == "3\n3\n"

    def test_a_start_readies_the_tasks_once(self, scripts: Scripts) -> None:
        """However many classes there are; one that is defined later is ready too."""
        path = scripts.write(
            "once.py",
            ORDERS,
            """
from celery.worker.consumer import Consumer
calls, update = [], Consumer.update_strategies
def counted(consumer):
    calls.append(len(consumer.app.tasks))
    update(consumer)
Consumer.update_strategies = counted
print(len(flow.execute("fetch", {"count": 3}).result(30)), len(calls))

@routine
def later(x):
    return {"x": x}
other = Flow("other")
other.add_routine(later)
print(other.execute("later", {"x": 7}).result(30)[0].params, len(calls))
""",
        )
        assert scripts.run(path) == "3 1\n{'x': 7} 2\n"

    def test_a_worker_that_ends_at_its_start_is_told_at_once(self, scripts: Scripts) -> None:
        """Celery logs what ended it, and returns as if all was well."""
        path = scripts.write(
            "ends.py",
            ORDERS,
            """
from celery.worker import state
from flowforge.errors import ConfigurationError
state.should_stop = 0
begin = time.monotonic()
try:
    flow.execute("fetch", {"count": 3})
except ConfigurationError as error:
    print(error, time.monotonic() - begin < 20)
""",
        )
        assert scripts.run(path) == (
            "the embedded worker did not start: it has ended; the log says why True\n"
        )

    def test_nothing_of_an_engine_is_left_in_the_process(self, scripts: Scripts) -> None:
        """A notebook or a test suite shuts down and starts as often as it likes."""
        path = scripts.write(
            "cycles.py",
            ORDERS,
            """
import gc, os, threading
import flowforge
from flowforge.model import registry
from kombu.transport import TRANSPORT_ALIASES

def kept():
    threads = sorted(t.name for t in threading.enumerate())
    return threads, len(registry._listeners), len(TRANSPORT_ALIASES)

def files():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))

def cycle(most):
    flow.execute("fetch", {"count": 3}).result(30)
    flowforge.shutdown()
    deadline = time.monotonic() + 20
    while (kept() != before or files() > most) and time.monotonic() < deadline:
        time.sleep(0.01)
    return kept() == before, files()

before = kept()
cycle(99); cycle(99)  # what is imported and opened once
clean, most = cycle(99)
again, later = cycle(most)
print(clean, again, later <= most, kept() if not again else "")
""",
        )
        assert scripts.run(path) == "True True True \n"


class TestForks:
    """A script may fork: its engine stays its own."""

    def test_the_end_of_a_child_leaves_the_engine_alone(self, scripts: Scripts) -> None:
        """The child ends as it likes, at once; server, worker and lead are still the parent's."""
        path = scripts.write(
            "forks.py",
            ORDERS,
            """
import os
from flowforge.engine.current import current_engine
flow.execute("fetch", {"count": 1}).result(30)
client = current_engine().client
while not (client.get("ff:leader") and client.hlen("ff:workers")):
    time.sleep(0.01)
there = client.get("ff:leader"), client.hlen("ff:workers")
pid = os.fork()
if pid == 0:
    sys.exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print((client.get("ff:leader"), client.hlen("ff:workers")) == there)
print(len(flow.execute("fetch", {"count": 3}).result(30)))
""",
        )
        assert scripts.run(path) == "5\nTrue\n3\n"


class TestEnds:
    """However a script ends, it ends promptly and leaves nothing behind."""

    @pytest.mark.parametrize("how", ENDS)
    def test_nothing_is_left_and_nothing_is_waited_for(self, scripts: Scripts, how: str) -> None:
        """A handler that would sleep for an hour holds up neither the script nor its server."""
        code, status = ENDS[how]
        path = scripts.write("sleeper.py", ORDERS, SLEEPER, code)
        process = scripts.start(path, scripts.directory / "log")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(scripts.processes()) >= 2
        began = time.monotonic()
        if "Ctrl-C" in how:
            eventually(lambda: _sleeps(process.pid), message="the wait")
            process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=60)
        assert process.returncode in (status, -signal.SIGINT), complained
        assert time.monotonic() - began < PROMPT
        eventually(scripts.all_gone, GONE, message=lambda: f"the end of {scripts.processes()}")
        if status in (0, 3, 4):
            assert complained == ""


def _sleeps(pid: int) -> bool:
    """Whether the main thread of a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("S")


class TestDataDirectory:
    """With FLOWFORGE_DATA_DIR jobs outlive the script that submitted them."""

    def test_a_second_script_finishes_the_job_of_a_killed_one(self, scripts: Scripts) -> None:
        """The work of the dead process is taken back and done by the next that is started."""
        fast = {f"FLOWFORGE_{name.upper()}": str(value) for name, value in FAST.items()}
        env = {"FLOWFORGE_DATA_DIR": str(scripts.directory / "data"), **fast}
        first = scripts.write(
            "orders.py",
            ORDERS,
            """
import os, sys
from pathlib import Path
if __name__ == "__main__":
    job = flow.execute("pause", {"log": sys.argv[1], "seconds": 3})
    wide = flow.execute("fetch", {"count": 0})
    while not Path(sys.argv[1]).exists():
        time.sleep(0.01)
    print(job.job_id, wide.wait(30).job_id, flush=True)
    # What the server was told a second ago is on disk.
    time.sleep(1.2)
    os.kill(os.getpid(), 9)
""",
        )
        process = scripts.start(first, scripts.directory / "log", env=env)
        said, complained = process.communicate(timeout=60)
        assert process.returncode == -9, complained
        job_id, wide_id = said.split()
        second = scripts.write(
            "finish.py",
            """
import sys, orders
from flowforge import JobState
print(JobState.get(sys.argv[2]).status)
job = JobState.get(sys.argv[1])
print(job.status, job.wait(60).status, [e.kind for e in job.get_execution_history()])
""",
        )
        done, story = scripts.run(second, job_id, wide_id, env=env).splitlines()
        assert done == "completed"
        assert story == "running completed ['submitted', 'lost', 'completed']"
        assert notes(scripts.directory / "log") == ["started", "started"]


class TestSameFileOnAFleet:
    """The script of the first day is the module of the second."""

    def test_the_file_runs_unchanged_on_real_workers(
        self, scripts: Scripts, server: LocalServer, tmp_path: Path
    ) -> None:
        """Only FLOWFORGE_REDIS_URL and FLOWFORGE_IMPORTS are new."""
        path = scripts.write("orders.py", ORDERS, RUN)
        with installed(server, tmp_path, imports=["orders"], **FAST) as fleet:
            search = os.pathsep.join([str(scripts.directory), str(ROOT)])
            fleet.fleet.start(pool="prefork", env={"PYTHONPATH": search})
            env = {
                "FLOWFORGE_REDIS_URL": server.url,
                "FLOWFORGE_PREFIX": fleet.prefix,
                "PYTHONPATH": search,
            }
            assert scripts.run(path, env=env) == "[0, 10, 20, 30, 40]\n"
            assert scripts.run("-m", "orders", env=env) == "[0, 10, 20, 30, 40]\n"
            (newest, older) = JobState.find("completed")
            assert newest.created_at >= older.created_at
            workers = {e.details["worker"] for e in newest.get_execution_history() if e.invocation}
            assert all(name.startswith(fleet.fleet.workers[0].name) for name in workers)

    def test_this_process_can_control_what_a_script_submitted(
        self, scripts: Scripts, server: LocalServer, tmp_path: Path
    ) -> None:
        """A producer that goes away leaves its job; any other finds it by its id."""
        path = scripts.write(
            "orders.py",
            ORDERS,
            "\nif __name__ == '__main__':\n    print(flow.execute('fetch', {'count': 2}).job_id)\n",
        )
        with installed(server, tmp_path, imports=["orders"], **FAST) as fleet:
            env = {"FLOWFORGE_REDIS_URL": server.url, "FLOWFORGE_PREFIX": fleet.prefix}
            job = JobState.get(scripts.run(path, env=env).strip())
            assert job.status == "pending"
            job.pause("until the workers are there", checkpoint={"by": "test"})
            search = os.pathsep.join([str(scripts.directory), str(ROOT)])
            fleet.fleet.start(pool="threads", env={"PYTHONPATH": search})
            assert job.wait(LIMIT).status == "paused"
            Flow("orders").resume(job)
            assert sorted(o.params["amount"] for o in job.result(LIMIT)) == [0, 10]
