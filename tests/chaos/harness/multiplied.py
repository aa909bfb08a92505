"""Every message several times: the scripts of this process push each one as often as asked.

A worker imports this module beside the flows. Half of the copies go to the end of the list that is
popped next, so that they also come out of order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from flowforge.store.scripts import SCRIPTS, all_scripts

MODULE = __name__

#: How often each message is pushed; unset: once, as the product does.
VARIABLE = "FLOWFORGE_CHAOS_COPIES"

#: Below the prefix: counts the messages that were pushed, with copies.
COUNTER = "chaos-copies"

#: With this line every script begins; it sends messages by ``LPUSH``, called or called protected.
_CALL = "local call = redis.call"
_COPYING = """
local server = redis
local function copying(ask)
  return function(command, ...)
    if command ~= 'LPUSH' then return ask(command, ...) end
    server.call('INCRBY', ARGV[1] .. '%s', %d * (select('#', ...) - 1))
    for i = 2, %d do server.call(i %% 2 == 0 and 'RPUSH' or 'LPUSH', ...) end
    return ask(command, ...)
  end
end
local redis = setmetatable(
  { call = copying(server.call), pcall = copying(server.pcall) }, { __index = server })
local call = redis.call
"""


@contextmanager
def pushing(copies: int) -> Iterator[int]:
    """While it lasts every message is pushed `copies` times; gives the number of scripts."""
    before = {script.name: script for script in all_scripts()}
    call = _COPYING % (COUNTER, copies, copies)
    changed = {
        name: script.changed(_CALL, call)
        for name, script in before.items()
        if _CALL in script.source
    }
    if len(changed) != len(before):
        raise LookupError(f"these scripts push in another way: {set(before) - set(changed)}")
    SCRIPTS.update(changed)
    try:
        yield len(changed)
    finally:
        SCRIPTS.update(before)


#: Keeps what was entered for the life of the worker.
_life = ExitStack()

if VARIABLE in os.environ:
    _life.enter_context(pushing(int(os.environ[VARIABLE])))
