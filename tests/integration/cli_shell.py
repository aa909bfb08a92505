"""Running the command line for tests: in this process, or as a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click.testing

from flowforge.cli.main import cli
from flowforge.codec.binary import pack_record
from tests.integration.installation import LIMIT, Installation
from tests.support.environment import without_settings
from tests.support.fleet import ROOT
from tests.support.forked_process import run_forked

FLOWS = "tests.integration.cli_flows"


@dataclass
class Shell:
    """Runs ``flowforge`` for one installation: in this process, or as a program."""

    installation: Installation

    def run(self, *arguments: str, code: int = 0) -> click.testing.Result:
        """In this process; the exit status has to be ``code``."""
        place = ["--redis-url", self.installation.server.url, "--prefix", self.installation.prefix]
        result = click.testing.CliRunner().invoke(cli, [*place, *arguments])
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The document on stdout, which must hold nothing else."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def submit(self, flow: str, *arguments: str) -> str:
        """The id of a new job."""
        return self.run("run", f"{FLOWS}:{flow}", "--no-wait", *arguments).stdout.strip()

    def program(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """``flowforge`` as a process of its own."""
        own = self.environment()
        return start([sys.executable, "-m", "flowforge.cli", *arguments], own, **options)

    def ran(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``flowforge`` in a process of its own, that has ended."""
        env = self.environment()
        return run_forked("flowforge.cli", *arguments, cwd=ROOT, env=env, timeout=LIMIT)

    def environment(self) -> dict[str, str]:
        server, prefix = self.installation.server, self.installation.prefix
        return {
            **clean_environment(),
            "FLOWFORGE_REDIS_URL": server.url,
            "FLOWFORGE_PREFIX": prefix,
        }

    def fields(self, job_id: str, **values: Any) -> None:
        """Write into a job's row, to stage what should never happen."""
        self.installation.redis.hset(self.installation.key("job", job_id), mapping=values)

    def findings(self, *, code: int = 0) -> dict[str, list[dict[str, str]]]:
        """What the doctor says, by check."""
        found: dict[str, list[dict[str, str]]] = {}
        for finding in self.json("doctor", code=code)["findings"]:
            found.setdefault(finding["check"], []).append(finding)
        return found

    def report_worker(self, name: str, age: int = 0, **facts: Any) -> None:
        """Write the report of a worker that does not exist."""
        seconds, _ = self.installation.redis.time()
        record = pack_record(int(seconds) - age, {"concurrency": 1, "pool": "solo", **facts})
        self.installation.redis.hset(self.installation.key("workers"), name, record)


def clean_environment() -> dict[str, str]:
    return without_settings(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1")


def start(
    command: Sequence[str], environment: dict[str, str], **options: Any
) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **{"cwd": ROOT, **pipes, **options})
