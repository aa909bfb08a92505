"""Members of the index of timers, as the scripts' own table of kinds reads them."""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import NoScriptError

from flowforge.store.scripts import render
from flowforge.store.server.link import Argument
from tests.contract.bench import Bench

_PARSE = render(
    "parse_timers",
    """--@include timer_kinds
local kinds, parsed = timer_kinds(), {}
for i = 2, #ARGV do
  local id, kind, about = parse_timer(kinds, ARGV[i])
  parsed[i - 1] = id and { id, kind, tostring(about) } or {}
end
return parsed
""",
)


def parsed(bench: Bench, members: Sequence[str]) -> list[tuple[str, ...]]:
    """Job, kind and what it is about of each member; empty when it has the form of none."""
    words: list[Argument] = [0, bench.keys.root, *members]
    try:
        reply = bench.link.call("EVALSHA", _PARSE.sha, *words)
    except NoScriptError:
        reply = bench.link.call("EVAL", _PARSE.source, *words)
    return [tuple(part.decode() for part in parts) for parts in reply]
