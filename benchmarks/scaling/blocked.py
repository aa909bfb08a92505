"""What a push costs the server when many clients wait for the list."""

from __future__ import annotations

import asyncio

from benchmarks.frame import clocks
from benchmarks.scaling.wire import Wire
from flowforge.local.server import LocalServer

#: Clients that wait, and lists that each of them waits for: the priorities of one queue.
WAITING = (1, 125, 250, 500, 1000, 2000)
LISTS = ("q", "q3", "q6", "q9")

#: Pushes, one after the other, and bytes of a message.
PUSHES, MESSAGE = 500, 900


def look() -> None:
    """A line for each number of waiting clients."""
    for waiting in WAITING:
        with LocalServer.start() as server:
            spent = asyncio.run(_measure(server, waiting))
        print(
            f"{waiting:5} wait: {spent * 1e6:5.0f} us of the server for a push, a pop, a new wait"
        )


async def _measure(server: LocalServer, waiting: int) -> float:
    """Seconds of the server's CPU time for one message."""
    wires = [await Wire.open(server.url) for _ in range(waiting + 1)]
    pops = [asyncio.create_task(_pop_for_ever(wire)) for wire in wires[1:]]
    for _ in range(waiting):
        await wires[0].call("LPUSH", LISTS[0], b"")
    before = clocks.cpu_seconds(server.pid)
    for _ in range(PUSHES):
        await wires[0].call("LPUSH", LISTS[0], b"x" * MESSAGE)
    spent = clocks.cpu_seconds(server.pid) - before
    for pop in pops:
        pop.cancel()
    for wire in wires:
        wire.close()
    return spent / PUSHES


async def _pop_for_ever(wire: Wire) -> None:
    while True:
        await wire.call("BRPOP", *LISTS, 0)
