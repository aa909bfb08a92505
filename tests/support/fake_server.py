"""Servers of fakeredis that compile each script once, as a real server does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import fakeredis

#: fakeredis makes Lua collect its garbage after every call; once in so many is enough.
_COLLECT = "collectgarbage()"
_CALLS = 100


class _Compiled:
    """The Lua runtime of a FakeServer, which keeps the scripts that it has compiled."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._functions: dict[bytes | str, Callable[[], Any]] = {}
        self._calls = 0
        self.table_from = runtime.table_from
        self.globals = runtime.globals

    def execute(self, source: bytes | str) -> Any:
        if source == _COLLECT:
            self._calls += 1
            if self._calls % _CALLS:
                return None
        if source not in self._functions:
            self._functions[source] = self._runtime.compile(source)
        return self._functions[source]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


@functools.cache
def _lua() -> dict[str, Any]:
    """What a FakeServer has of Lua, once a script has run on it."""
    server = fakeredis.FakeServer()
    fakeredis.FakeRedis(server=server).execute_command("EVAL", "return 1", 0)
    found = {name: value for name, value in vars(server).items() if name.startswith("_lua_")}
    return {**found, "_lua_runtime": _Compiled(found["_lua_runtime"])}


def fake_server() -> fakeredis.FakeServer:
    """A server without keys. All of them run their scripts in one Lua, which knows the scripts."""
    server = fakeredis.FakeServer()
    vars(server).update(_lua())
    return server
