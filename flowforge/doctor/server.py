"""The doctor on the server: reachable, fit, and what a crash of it would cost."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.doctor.findings import Finding
from flowforge.engine.engine import Engine
from flowforge.store.server.check import OLDEST, ServerFacts, read_facts, read_setting
from flowforge.store.server.client import describe
from flowforge.store.server.link import Link

#: Part of maxmemory from which the server is called nearly full: beyond 1 it refuses writes.
_NEARLY_FULL = 0.85

_CRASH = {
    "always": ("ok", "on, synced with every write: a crash loses nothing"),
    "everysec": ("ok", "on, synced once a second: a crash of its machine loses a second's work"),
    "no": ("warn", "on, synced when the system likes: a crash of its machine may lose minutes"),
}


def examine_server(engine: Engine) -> Iterator[Finding]:
    """Findings on the server; StoreUnavailableError when it does not answer."""
    link = engine.store.link
    facts = read_facts(link)
    where = describe(engine.client.connection_pool)
    prefix = engine.settings.prefix
    name = engine.overview.server_name()
    named = f", its jobs are {name}-…" if name else ""
    yield Finding("ok", "server", f"{where} answers, prefix {prefix!r}{named}")
    yield _version(facts)
    yield _role(facts)
    yield _eviction(facts)
    yield _persistence(link, facts)
    yield from _memory(facts)


def _version(facts: ServerFacts) -> Finding:
    oldest = ".".join(str(part) for part in OLDEST)
    if tuple(int(part) for part in facts.version.split(".")[:2]) < OLDEST:
        return Finding(
            "fail", "version", f"Redis {facts.version} lacks commands that are needed",
            f"upgrade it to Redis {oldest} or later, or to Valkey",
        )  # fmt: skip
    return Finding("ok", "version", f"speaks Redis {facts.version}; {oldest} or later is needed")


def _role(facts: ServerFacts) -> Finding:
    if facts.role in ("master", "primary"):
        return Finding("ok", "role", "primary")
    fix = "give the address of the primary, or a sentinel:// URL"
    return Finding("fail", "role", f"{facts.role}: it takes no writes", fix)


def _eviction(facts: ServerFacts) -> Finding:
    if facts.eviction_policy == "noeviction":
        return Finding("ok", "eviction", "noeviction")
    return Finding(
        "fail", "eviction", f"{facts.eviction_policy}: a full server deletes jobs",
        "CONFIG SET maxmemory-policy noeviction, and set it in the server's configuration",
    )  # fmt: skip


def _persistence(link: Link, facts: ServerFacts) -> Finding:
    if not facts.append_only:
        return Finding(
            "warn", "append-only",
            "off: a crash of the server loses every change since its latest snapshot, if any",
            "CONFIG SET appendonly yes, and set it in the server's configuration",
        )  # fmt: skip
    level, text = _CRASH.get(read_setting(link, "appendfsync"), ("ok", "on"))
    if level == "ok":
        return Finding("ok", "append-only", text)
    return Finding("warn", "append-only", text, "CONFIG SET appendfsync everysec")


def _memory(facts: ServerFacts) -> Iterator[Finding]:
    used, most = facts.used_memory, facts.max_memory
    if not most:
        return
    shown = f"{used / most:.0%} of {most // 2**20} MiB are used"
    if used < most * _NEARLY_FULL:
        yield Finding("ok", "memory", shown)
    else:
        fix = "raise maxmemory, or keep ended jobs for a shorter time (FLOWFORGE_RETENTION)"
        yield Finding("warn", "memory", f"{shown}; a full server refuses new work", fix)
