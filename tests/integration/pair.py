"""Two servers that are used as one, and workers that serve both."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click.testing
import pytest

from flowforge import JobState
from flowforge.broker.fleet_app import fleet_app
from flowforge.cli.main import cli
from flowforge.composition import as_one, engines_of
from flowforge.engine.current import set_engine
from flowforge.engine.sharded import ShardedEngine
from flowforge.local.server import LocalServer
from flowforge.settings import from_environment
from tests.integration.installation import FAST
from tests.support.fleet import Fleet


@dataclass
class Pair:
    """Two servers, the engines of both, and workers."""

    servers: tuple[LocalServer, LocalServer]
    engines: ShardedEngine
    fleet: Fleet
    url: str
    prefix: str

    def server_of(self, job: JobState) -> int:
        """0 or 1: whose job it is, as the job's keys tell."""
        (place,) = [
            place for place, engine in enumerate(self.engines.each)
            if engine.store.knows(job.job_id)
        ]  # fmt: skip
        return place

    def run(self, *arguments: str, code: int = 0) -> click.testing.Result:
        """``flowforge`` in this process."""
        place = ["--redis-url", self.url, "--prefix", self.prefix]
        result = click.testing.CliRunner().invoke(cli, [*place, *arguments])
        assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
        set_engine(self.engines)
        return result


@contextmanager
def paired_servers(
    directory: Path, monkeypatch: pytest.MonkeyPatch, imports: Sequence[str]
) -> Iterator[Pair]:
    """Servers that keep their data, so that one can be killed and come back."""
    # Every question to a server that is away takes as long.
    monkeypatch.setattr("flowforge.engine.engine.PRODUCER_PATIENCE", 1.0)
    prefix = f"t{secrets.token_hex(6)}"
    config = {"appendfsync": "always"}
    with (
        LocalServer.start(str(directory / "a"), config=config) as first,
        LocalServer.start(str(directory / "b"), config=config) as second,
    ):
        url = f"{first.url}, {second.url}"
        settings = from_environment({}, redis_url=url, prefix=prefix, **FAST)
        engines = as_one(engines_of(settings, fleet_app(settings)))
        assert isinstance(engines, ShardedEngine)
        former = set_engine(engines)
        try:
            with Fleet(url, prefix, directory, imports, **FAST) as fleet:
                yield Pair((first, second), engines, fleet, url, prefix)
                for worker in fleet.workers:
                    fleet.kill(worker)
        finally:
            set_engine(former)
            engines.close()
