"""Many looks at the server in one: a script asks them all, and one reply has all of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge.store.server.link import Argument, Link

_ASK = """
local at, replies = 1, {}
while at <= #ARGV do
  local last = at + ARGV[at]
  replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return replies
"""


def ask(link: Link, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """The replies to these commands, at one moment."""
    words = [word for command in commands for word in (len(command), *command)]
    replies: list[Any] = link.call("EVAL", _ASK, 0, *words)
    assert len(replies) == len(commands)
    return replies
