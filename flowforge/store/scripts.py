"""The Lua scripts, one per transition, as they are sent to the server."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

from flowforge.store.keys import expand_keys

_INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """Rendered source of one transition and the digest that EVALSHA takes."""

    name: str
    source: str
    sha: str


def _render(text: str, name: str) -> str:
    match = _INCLUDE.search(text)
    if match is None:
        raise ValueError(f"lua/{name}.lua has no --@include line")
    included = resources.files("flowforge.store") / "lua" / "include"
    parts = [(included / f"{part.strip()}.lua").read_text() for part in match[1].split(",")]
    return expand_keys(text[: match.start()] + "\n".join(parts) + text[match.end() :])


def _load_all() -> dict[str, Script]:
    scripts = {}
    for entry in (resources.files("flowforge.store") / "lua").iterdir():
        if not entry.name.endswith(".lua"):
            continue
        name = entry.name.removesuffix(".lua")
        source = _render(entry.read_text(), name)
        scripts[name] = Script(name, source, hashlib.sha1(source.encode()).hexdigest())
    return scripts


#: Every script by name.
SCRIPTS: dict[str, Script] = _load_all()
