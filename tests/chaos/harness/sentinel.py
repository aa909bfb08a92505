"""A primary, its replica, and a Sentinel that promotes the one when the other dies."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import redis

from flowforge.local.binary import find_binary
from flowforge.local.server import LocalServer
from flowforge.local.supervised_process import SupervisedProcess
from tests.support.eventually import eventually

#: The name that the URL asks the Sentinel for.
MASTER = "chaos"

#: Milliseconds until a silent primary counts as down, and until a failover is tried again. Sentinel
#: pings once a second: with a second or less it can take the primary that it has just promoted for
#: down before the first answer, promote the other one, and leave two primaries for ten seconds.
_DOWN_AFTER, _FAILOVER_TIMEOUT = 3000, 5000

#: Seconds for servers to find each other.
_LIMIT = 20.0

_CONFIG = """
bind 127.0.0.1
port {port}
dir {directory}
sentinel monitor {name} 127.0.0.1 {primary} 1
sentinel known-replica {name} 127.0.0.1 {replica}
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} {down}
sentinel failover-timeout {name} {timeout}
"""


class _Member(LocalServer):
    """A server that shares its password with the others."""

    shared = "chaos-password"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._password = self.shared
        self._config["masterauth"] = self.shared
        # Else a primary waits five seconds for more replicas before it sends its data.
        self._config["repl-diskless-sync-delay"] = "0"

    def run_on(self, port: int) -> None:
        """Come up as the replica of another from the next start on."""
        self._config["replicaof"] = f"127.0.0.1 {port}"


class Cluster:
    """Two servers and a Sentinel; ``url`` is what producers and workers are given."""

    def __init__(self) -> None:
        self.primary = _Member.start()
        self.replica = _Member.start(config={"replicaof": f"127.0.0.1 {self.primary.port}"})
        self._directory = Path(tempfile.mkdtemp(prefix="flowforge-sentinel-"))
        self.port = _free_port()
        self._sentinel = self._start_sentinel()
        self._client = redis.Redis(port=self.port, socket_timeout=2, decode_responses=True)
        eventually(self._complete, _LIMIT, "a Sentinel that knows the replica")

    @property
    def url(self) -> str:
        return f"sentinel://:{_Member.shared}@127.0.0.1:{self.port}/0?master_name={MASTER}"

    def fail_over(self) -> float:
        """Kill the primary, and return when the Sentinel has promoted the replica.

        What was the primary comes back as the replica of the other. Returns the monotonic time of
        the kill.
        """
        eventually(self._complete, _LIMIT, "a replica that is in step")
        killed = time.monotonic()
        self.primary.kill()
        eventually(lambda: self._address() == self.replica.port, _LIMIT, "the Sentinel to promote")
        self.primary, self.replica = self.replica, self.primary
        self.replica.run_on(self.primary.port)
        self.replica.restart()
        return killed

    def close(self) -> None:
        """End all three."""
        self._client.close()
        self._sentinel.kill()
        self.primary.kill()
        self.replica.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_sentinel(self) -> SupervisedProcess:
        path = self._directory / "sentinel.conf"
        path.touch(mode=0o600)
        values = {"name": MASTER, "password": _Member.shared, "directory": self._directory}
        values |= {"port": self.port, "primary": self.primary.port}
        values |= {"replica": self.replica.port}
        values |= {"down": _DOWN_AFTER, "timeout": _FAILOVER_TIMEOUT}
        path.write_text(_CONFIG.format(**values))
        with (self._directory / "sentinel.log").open("wb") as log:
            return SupervisedProcess([find_binary(), str(path), "--sentinel"], log)

    def _address(self) -> int:
        try:
            found: Any = self._client.sentinel_get_master_addr_by_name(MASTER)
            _, port = found
        except redis.RedisError:
            return 0
        return int(port)

    def _complete(self) -> bool:
        """Whether the Sentinel would promote the replica, and the replica is in step."""
        try:
            known = self._client.sentinel_slaves(MASTER)
            if self._address() != self.primary.port:
                return False
        except redis.RedisError:
            return False
        ready = [one for one in known if not one["is_odown"] and not one["is_sdown"]]
        ports = [one["port"] for one in ready if one["master-link-status"] == "ok"]
        return self.replica.port in ports


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
