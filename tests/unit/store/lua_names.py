"""Which includes a Lua file of the store uses, by the names that stand in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tests.support.fleet import ROOT

INCLUDES = ROOT / "flowforge/store/lua/include"

#: The file that defines what the loader's keys stand on.
KEYS = "base"


def used_includes(path: Path) -> set[str]:
    """The includes that define what a file uses and does not define itself."""
    text = _without_comments(path.read_text())
    names = set(re.findall(r"(?<![\w.:])[A-Za-z_]\w*", re.sub(r"'[^'\n]*'", "''", text)))
    own = set(re.findall(r"^ *local (?:function )?(\w+)", text, re.MULTILINE))
    used = {file for name, file in _definitions().items() if name in names - own}
    if any(name.startswith("k_") for name in names):
        used.add(KEYS)
    return used - ({name_of(path)} if path.is_relative_to(INCLUDES) else set())


def name_of(path: Path) -> str:
    """The name by which others include a file."""
    return path.relative_to(INCLUDES).with_suffix("").as_posix()


@cache
def _definitions() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in INCLUDES.rglob("*.lua"):
        text, file = _without_comments(path.read_text()), name_of(path)
        for names in re.findall(r"^local (?:function )?([A-Za-z_][\w, ]*)", text, re.MULTILINE):
            for name in names.split(","):
                assert found.setdefault(name.strip(), file) == file, f"{name} twice"
    return found


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)
