"""Row 15: every message is pushed five times, and the lists are shuffled all the time."""

from __future__ import annotations

import threading

import redis

from tests.chaos.harness import multiplied
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

COPIES = 5

#: Invocations of one job, about.
_SIZE = 1000

#: Messages that are shuffled together, and seconds between two shuffles.
_SHUFFLED = 300
_PAUSE = 0.02

#: Duplicates a second that the workers must get through at the end, when nothing else is left, and
#: seconds beyond that. Beside another round they have half of what they have alone, 1,600.
_RATE, _LIMIT = 400, 60.0

#: Reorders what is popped next. In: list, seed, how many. Out: how many there were.
_SHUFFLE = """
local items = redis.call('LRANGE', KEYS[1], -ARGV[2], -1)
math.randomseed(tonumber(ARGV[1]))
for i = #items, 2, -1 do
  local j = math.random(i)
  items[i], items[j] = items[j], items[i]
end
redis.call('LTRIM', KEYS[1], 0, -ARGV[2] - 1)
for _, item in ipairs(items) do redis.call('RPUSH', KEYS[1], item) end
return #items
"""


def run(arena: Arena) -> None:
    invocations = arena.times(20_000, least=1000)
    server = arena.server()
    env = {multiplied.VARIABLE: str(COPIES)}
    site = arena.site(server.url, imports=(multiplied.MODULE,), env=env)
    for pool in ("prefork", "threads"):
        site.start(pool=pool, concurrency=2, wait=False)
    site.fleet.wait_until_ready()
    with multiplied.pushing(COPIES), redis.Redis.from_url(server.url) as client:
        over = threading.Event()
        shuffles: list[int] = []
        shuffler = threading.Thread(
            target=_shuffle, args=(client, site, arena.rng.getrandbits(30), over, shuffles)
        )
        shuffler.start()
        try:
            for _ in range(max(2, invocations // _SIZE)):
                site.submit(Tree(_SIZE))
            site.wait(_LIMIT + invocations / 50)
            site.fault_over()
            left: int = client.llen(_list(site))
            limit = _LIMIT + left / _RATE
            eventually(lambda: not client.llen(_list(site)), limit, "all duplicates taken")
            arena.figures["duplicate messages left at the end"] = left
        finally:
            over.set()
            shuffler.join()
        messages = int(client.get(f"{site.settings.prefix}:{multiplied.COUNTER}") or 0)
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["messages"] = messages
    # Each invocation is pushed once, or again when its message is late.
    due = arena.figures["invocations"] * COPIES
    whole = messages >= due and messages % COPIES == 0
    arena.expect(
        whole, f"{messages} messages, not {COPIES} for each push of the invocations: {due}"
    )
    arena.figures["shuffles of the queues"] = len(shuffles)
    arena.expect(site.count("lost") == 0, "attempts were lost although nothing died")


def _list(site: Site) -> str:
    return f"{site.settings.prefix}:celery"


def _shuffle(
    client: redis.Redis, site: Site, seed: int, over: threading.Event, done: list[int]
) -> None:
    shuffle = client.register_script(_SHUFFLE)
    while not over.wait(_PAUSE):
        length = int(shuffle(keys=[_list(site)], args=[seed + len(done), _SHUFFLED]))
        if length > 1:
            done.append(length)


ROUND = Round(
    row=15,
    name="duplicates",
    fault="Messages are duplicated and reordered",
    injection="every message is pushed 5 times, the queues are shuffled",
    target="20,000 invocations, 100,000 messages: no invocation commits twice",
    run=run,
    cut=0.05,
)
