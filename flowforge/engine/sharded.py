"""Several servers used as one: jobs are spread over them, and each lives on one.

The servers know nothing of each other. Which one a job is on is told by its id, which begins with
the server's own name.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.home import home_of
from flowforge.engine.limit_home import LimitHome
from flowforge.engine.submission.job_items import Item, Submitted
from flowforge.engine.submission.job_keys import HomeKey, home_keys
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.submission.submit import SUBMIT_CHUNK
from flowforge.errors import DefinitionError, StoreUnavailableError, WritesRefusedError
from flowforge.model.definition import Definition
from flowforge.store.fleet_reads.placement import PATIENCE, Placement
from flowforge.store.server.link import ServerLink
from flowforge.store.store import Store

#: Seconds for which a server that did not answer, or refused, gets no new jobs.
AWAY = 30.0


class ShardedEngine(Submitter):
    """The engines of several servers.

    New jobs go to the servers in turn, past those that do not answer or take no writes. With a
    key the key decides, so that the same key finds the same server. Jobs with limits go to the home
    server of limits.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)
        self._probes = {
            engine: Store(ServerLink(engine.client, PATIENCE), engine.settings.prefix)
            for engine in engines
        }
        self._placement = Placement([(probe, engine) for engine, probe in self._probes.items()])
        self.limit_home = LimitHome(self._probes)
        for engine in engines:
            engine.limit_home = self.limit_home
        self.app, self.settings = engines[0].app, engines[0].settings
        # Producers that start together must not all begin with the same server.
        self._turn = random.randrange(len(engines))
        #: Engine -> monotonic time until which its server gets no new jobs.
        self._away: dict[Engine, float] = {}

    @property
    def each(self) -> Sequence[Engine]:
        return self._engines

    def submit_items(
        self, template: JobTemplate, jobs: Iterator[Item]
    ) -> Iterator[list[Submitted]]:
        """As on one server, but for keys: the jobs of a chunk that belong to one server are created
        as a whole or not at all, as far as one call takes them.

        A server that refuses jobs without keys, since it is full for example, is passed over.
        Raises StoreUnavailableError when a server stops answering while it is given jobs, which may
        have been created then; and with keys when any does not answer, which may know them.
        """
        definition = template.flow.definition()
        while chunk := list(islice(jobs, SUBMIT_CHUNK)):
            found: list[Submitted | None] = [None] * len(chunk)
            places = self._share_out(definition, template.entry, chunk)
            for engine, own in places.items():
                mine = [chunk[place] for place in own]
                bound = definition.has_limits or any(item.has_key for item in mine)
                submitted = self._submit(engine, template, mine, bound=bound)
                try:
                    for place, one in zip(own, submitted, strict=True):
                        found[place] = one
                except Exception as error:
                    if done := sum(map(bool, found)):
                        error.add_note(f"{done} jobs of its chunk were submitted as well")
                    raise
            yield [one for one in found if one is not None]

    def _submit(
        self, engine: Engine, template: JobTemplate, jobs: Sequence[Item], *, bound: bool
    ) -> Iterator[Submitted]:
        """Submit to this server; to another one if it refuses, and the jobs are not bound to it."""
        tried = set()
        created = 0
        while True:
            left = iter(jobs[created:])
            try:
                for ids in engine.submit_items(template, left):
                    created += len(ids)
                    yield from ids
                return
            except StoreUnavailableError as error:
                self._away[engine] = time.monotonic() + AWAY
                tried.add(engine)
                # One that only stopped answering may have created the jobs.
                if bound or not isinstance(error, WritesRefusedError):
                    raise
                refusal = error
            engine = self._next()
            if engine in tried:
                raise refusal

    # --- which server ------------------------------------------------------------------

    def of(self, job_id: str) -> Engine:
        return self._placement.of(job_id)

    def home(self, definition: Definition, entry: str, item: Item) -> Engine:
        ((engine, _),) = self._share_out(definition, entry, [item]).items()
        return engine

    def _share_out(
        self, definition: Definition, entry: str, jobs: Sequence[Item]
    ) -> dict[Engine, list[int]]:
        """Engine -> the places of the jobs that it gets."""
        keys = [home_keys(definition.flow_id, entry, item.key, item.keys) for item in jobs]
        limits = self.limit_home.find() if definition.has_limits else None
        home = self._homes(sorted({key for own in keys for key in own}))
        places: dict[Engine, list[int]] = defaultdict(list)
        others: Engine | None = None
        for place, own in enumerate(keys):
            if own:
                # A job that is there already decides, else the last key.
                known = [key for key in own if home[key] is not None]
                if known:
                    engine = home[known[0]]
                    self._check_known(known[0], engine, limits)
                else:
                    engine = limits or home_of(self._engines, own[-1].text)
            else:
                engine = limits or others or self._next()
                others = others or engine
            assert engine is not None, "a key that is known is known somewhere"
            places[engine].append(place)
        return places

    @staticmethod
    def _check_known(key: HomeKey, there: Engine | None, limits: Engine | None) -> None:
        """DefinitionError when the key would bring a new job with limits to another server."""
        if limits is None or there is None or limits is there or key.kind == "idempotency":
            return
        raise DefinitionError(
            f"the flow has limits now, which count on the server {limits.store.server_name!r}, and "
            f"jobs of the {key.kind} key {key.name!r} are on the server "
            f"{there.store.server_name!r} from before: let them end, or cancel them"
        )

    def _homes(self, keys: Sequence[HomeKey]) -> dict[HomeKey, Engine | None]:
        """Where a job with the key is already; None: nowhere."""
        home: dict[HomeKey, Engine | None] = dict.fromkeys(keys)
        for engine in self._engines if keys else ():
            asked = [(key.kind, key.name) for key in keys]
            found = zip(keys, engine.overview.known_keys(asked), strict=True)
            home.update({key: engine for key, known in found if known})
        return home

    def _next(self) -> Engine:
        """Whose turn it is of those that take writes."""
        self._turn = (self._turn + 1) % len(self._engines)
        turns = [*self._engines[self._turn :], *self._engines[: self._turn]]
        now = time.monotonic()
        problem: StoreUnavailableError | None = None
        for engine in sorted(turns, key=lambda engine: self._away.get(engine, 0.0) > now):
            try:
                # Asked before a job is sent, so that it can go elsewhere without being there twice.
                if engine in self._away or not engine.store.named:
                    self._probes[engine].check_writes()
            except StoreUnavailableError as error:
                self._away[engine] = now + AWAY
                problem = error
            else:
                self._away.pop(engine, None)
                return engine
        assert problem is not None, "there is at least one server"
        raise problem
