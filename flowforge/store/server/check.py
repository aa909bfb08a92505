"""Refusing a server on which jobs could be lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flowforge.errors import CommandRefusedError, ConfigurationError
from flowforge.store.server.link import Link

#: Oldest server release with every command that the scripts use (LPOP with a count).
OLDEST = (6, 2)


@dataclass(frozen=True)
class ServerFacts:
    """What INFO says of a server."""

    version: str
    eviction_policy: str
    append_only: bool
    role: str
    #: Bytes; a ``max_memory`` of 0 is no limit.
    used_memory: int
    max_memory: int

    @property
    def problems(self) -> list[str]:
        """What makes it unfit, each with the remedy; empty when it is fit."""
        problems = []
        if tuple(int(part) for part in self.version.split(".")[:2]) < OLDEST:
            problems.append(
                f"the server is version {self.version}: FlowForge needs Redis 6.2, or any Valkey"
            )
        if self.eviction_policy != "noeviction":
            problems.append(
                f"the server may evict keys (maxmemory-policy {self.eviction_policy}), which loses "
                "jobs: run CONFIG SET maxmemory-policy noeviction and set it in the server's "
                "configuration"
            )
        if self.role not in ("master", "primary"):
            problems.append(
                f"the server is a {self.role}: give the address of the primary, or a sentinel:// "
                "URL"
            )
        return problems


class Memory(NamedTuple):
    """Bytes that the server uses and may use; a ``limit`` of 0 is none."""

    used: int
    limit: int


def read_memory(link: Link) -> Memory:
    """The part of ``read_facts`` that changes."""
    info = _pairs(link.call("INFO", "memory"))
    return Memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))


def _pairs(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


def read_facts(link: Link) -> ServerFacts:
    """Ask the server what it is."""
    info = _pairs(link.call("INFO"))
    return ServerFacts(
        version=info.get("redis_version", "0.0"),
        eviction_policy=info.get("maxmemory_policy", "noeviction"),
        append_only=info.get("aof_enabled") == "1",
        role=info.get("role", "master"),
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
    )


def read_setting(link: Link, name: str) -> str:
    """A setting of the server; empty when it may not be asked for, as hosted servers have it."""
    try:
        reply = link.call("CONFIG", "GET", name)
    except CommandRefusedError:
        return ""
    return str(reply[1].decode()) if len(reply) == 2 else ""


def check_server(link: Link) -> ServerFacts:
    """The facts of a fit server; ConfigurationError with every problem of an unfit one."""
    facts = read_facts(link)
    if facts.problems:
        raise ConfigurationError("; ".join(facts.problems))
    return facts
