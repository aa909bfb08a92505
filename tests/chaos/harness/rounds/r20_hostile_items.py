"""Row 20: rubbish, forgeries and mutated messages lie between the work on the broker's lists."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from typing import Any

import redis

from flowforge.broker.message import message_template
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.chaos.harness import shared_task
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker
from tests.support.mutations import mutated
from tests.unit.broker.hostile import HOSTILE, foreign_task

_TREE = Tree(200, micros=200)

#: What ``celery -A`` is given for the shared app; it is made when it is imported.
_SHARED_APP = "tests.chaos.harness.shared_app"

#: The queue of all of them, and a key that some name in its place.
_QUEUE = "celery"
_VICTIM = "j:victim:b"

#: Items pushed at once, so that many meet the path from a commit straight to the next message.
_CHUNK = 50

#: How a log tells that a worker lost its connection or its footing.
_TROUBLE = re.compile(
    r"Connection to broker lost|Trying again in|Unrecoverable error|Cannot connect to|WorkerLost"
)

#: Seconds until every item has been popped and judged.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    url = arena.server().url
    _exclusive_fleet(arena, url)
    _shared_app(arena, url)


def _exclusive_fleet(arena: Arena, url: str) -> None:
    """Workers that run nothing but invocations: every item but exact ones is a dead letter."""
    site = arena.site(url)
    workers = [site.start(pool=pool, wait=False) for pool in ("prefork", "threads")]
    site.fleet.wait_until_ready()
    forged = [_forged_invocation(site), _forged_invocation(site, _VICTIM)]
    items = _items(arena, [*forged, json.dumps(foreign_task()).encode()]) + [forged[1]] * _CHUNK
    refused = [item for item in items if not _is_invocation(item)]
    letters = DeadLetters(site.engine.store)
    with redis.Redis.from_url(url) as client:
        _push(arena, client, site, items)
        _until_judged(arena, site, client, lambda: letters.count() == len(refused))
        victim = f"{site.settings.prefix}:{_VICTIM}"
        arena.expect(not client.exists(victim), "a message chose the key that it is pushed to")
    _check_survival(arena, site, workers)
    kept = letters.newest(len(items) + 1)
    arena.figures["items on a fleet's queue"] = len(items)
    arena.figures["dead letters"] = len(kept)
    arena.expect(
        sorted(letter.item for letter in kept) == sorted(item[:8192] for item in refused),
        f"{len(refused)} items had to become dead letters, {len(kept)} did",
    )
    arena.expect(all(letter.reason for letter in kept), "a dead letter tells no reason")
    _command_line(arena, site)


def _shared_app(arena: Arena, url: str) -> None:
    """Workers of an app with tasks of its own: what Celery can take runs, nothing ends them."""
    site = arena.site(url)
    own = foreign_task()
    own["headers"]["task"] = shared_task.TASK
    base = json.dumps(own).encode()
    settings: dict[str, Any] = {"lease": site.settings.lease, "heartbeat": site.settings.heartbeat}
    fleet = arena.own(
        Fleet(
            url, site.settings.prefix, site.directory, ("tests.chaos.harness.flows",),
            _SHARED_APP, **settings, upkeep_interval=site.settings.upkeep_interval,
        )
    )  # fmt: skip
    env = {"FLOWFORGE_CHAOS_LEDGER": str(site.ledger)}
    pools = ("prefork", "solo", "threads")
    workers = [fleet.start(pool=pool, env=env, wait=False) for pool in pools]
    fleet.wait_until_ready()
    items = _items(arena, [_forged_invocation(site), base, base])
    with redis.Redis.from_url(url) as client:
        _push(arena, client, site, items)
        _until_judged(arena, site, client, lambda: True)
        done = sum(worker.output().count(shared_task.DONE) for worker in workers)
        client.lpush(_list(site), base)
        eventually(
            lambda: sum(w.output().count(shared_task.DONE) for w in workers) > done,
            _LIMIT,
            "the app's own task to run after all that",
        )
    _check_survival(arena, site, workers)
    arena.figures["items on the queue of an app with tasks of its own"] = len(items)
    arena.figures["of them refused"] = DeadLetters(site.engine.store).count()


def _items(arena: Arena, bases: list[bytes]) -> list[bytes]:
    mutations = arena.times(5000 / 2, least=100)
    known = [item for item, _ in HOSTILE.values()]
    items = known + [mutated(arena.rng.choice(bases), arena.rng) for _ in range(mutations)]
    arena.rng.shuffle(items)
    return items


def _forged_invocation(site: Site, queue: str = _QUEUE) -> bytes:
    """A message as the scripts write it, for a job that does not exist."""
    template = message_template("tests.chaos.harness.flows.Node", queue, "input")
    holes = {"\x01": "0" * 24, "\x02": "1.0.0", "\x03": "1", "\x04": "1", "\x05": "0"}
    for hole, value in holes.items():
        template = template.replace(hole, value)
    return template.encode()


def _is_invocation(item: bytes) -> bool:
    """Whether an item says nothing but ids and names, in the one form there is.

    Told without the guard's means: written again from its ids and names it is the same.
    """
    try:
        message = json.loads(item.decode())
        headers, properties = message["headers"], message["properties"]
        ((job, invocation), _, _) = json.loads(message["body"])
        queue = properties["delivery_info"]["routing_key"]
        slot = headers["argsrepr"].removeprefix(f"({job}, ").removesuffix(")")
        push = properties["delivery_tag"].rpartition("-")[2]
        text = message_template(headers["task"], queue, slot)
        holes = {
            "\x01": job,
            "\x02": invocation,
            "\x03": invocation.partition(".")[0],
            "\x04": push,
        }
        for hole, value in {**holes, "\x05": str(properties["priority"])}.items():
            text = text.replace(hole, value)
        ids = re.fullmatch(r"[\w-]{1,80} \d+\.\d+\.\d+(\.\d+)? \d+", f"{job} {invocation} {push}")
        names = all(0 < len(name) <= 512 for name in (headers["task"], queue, slot))
        whole = bool(re.fullmatch("[0-9]", str(properties["priority"])))
        encodable = bool((headers["task"] + queue + slot).encode())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    forged = headers["task"] == "flowforge.unknown"
    here = queue == _QUEUE and not forged
    return bool(ids and names and whole and encodable and here and text.encode() == item)


def _list(site: Site) -> str:
    return f"{site.settings.prefix}:{_QUEUE}"


def _push(arena: Arena, client: redis.Redis, site: Site, items: list[bytes]) -> None:
    """Push the items to both ends of the list, while jobs run."""
    rng = random.Random(arena.rng.random())
    for start in range(0, len(items), _CHUNK):
        site.feed(3, _TREE)
        push = rng.choice((client.lpush, client.rpush))
        push(_list(site), *items[start : start + _CHUNK])


def _until_judged(arena: Arena, site: Site, client: redis.Redis, done: Any) -> None:
    site.fault_over()
    arena.figures["recovered in s"] = site.wait()
    try:
        eventually(lambda: not client.llen(_list(site)) and done(), _LIMIT, "all items judged")
    except AssertionError as error:
        arena.violate(str(error))


def _check_survival(arena: Arena, site: Site, workers: list[Worker]) -> None:
    site.verify()
    for worker in workers:
        arena.expect(worker.alive, f"{worker.name} has ended\n{worker.tail()}")
        found = sorted(set(_TROUBLE.findall(worker.output())))
        arena.expect(not found, f"{worker.name} tells of {found}")


def _command_line(arena: Arena, site: Site) -> None:
    """`flowforge dead-letters` lists, sends again and drops."""
    letters = DeadLetters(site.engine.store)
    (newest,) = letters.newest(1)
    listed = _flowforge(site, "--limit", "1")
    arena.expect(
        [(one["number"], one["reason"]) for one in listed] == [(newest.number, newest.reason)],
        f"dead-letters listed {listed}",
    )
    whole = next(letter for letter in letters.newest(100) if letter.whole and letter.size)
    before = letters.count()
    _flowforge(site, "--requeue", str(whole.number))
    # It is as bad as before: the worker refuses it again, under a new number.
    eventually(lambda: letters.newest(1)[0].number == newest.number + 1, _LIMIT, "a new letter")
    arena.expect(letters.newest(1)[0].item == whole.item, "another message was sent again")
    _flowforge(site, "--drop", str(newest.number + 1))
    arena.expect(letters.count() == before - 1, "--drop N dropped something else")
    dropped = _flowforge(site, "--drop", "all")
    arena.expect(dropped == {"dropped": before - 1}, f"--drop all: {dropped}")
    arena.expect(letters.count() == 0, "--drop all left something")


def _flowforge(site: Site, *arguments: str) -> Any:
    command = [sys.executable, "-m", "flowforge.cli", "--redis-url", str(site.settings.redis_url)]
    command += ["--prefix", site.settings.prefix, "dead-letters", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=True)
    return json.loads(done.stdout)


ROUND = Round(
    row=20,
    name="hostile-items",
    fault="Queues hold hostile items",
    injection="malformed, forged and mutated messages",
    target="no worker exits or reconnects in a loop; each refused item is kept with a reason",
    run=run,
    cut=0.06,
)
