"""Where one round takes place: its random numbers, its servers, its sites, and what it found."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from flowforge.local.server import LocalServer
from tests.chaos.harness.site import Site

T = TypeVar("T")

#: Settings by profile. ``fast`` waits a tenth of what the product's own settings wait, so that the
#: same number of faults fits into minutes; ``product`` is what a fleet gets that sets nothing.
PROFILES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": MappingProxyType(
            {"lease": 1.5, "heartbeat": 0.5, "upkeep_interval": 0.5, "unclaimed_grace": 1.0}
        ),
        "product": MappingProxyType({}),
    }
)

#: Scale from which on a round uses every pool that it knows: starting a worker takes a second.
_EVERY_POOL_FROM = 0.2

#: Multiplies the number of rounds of everything.
SCALE_VARIABLE = "FLOWFORGE_CHAOS_SCALE"


def environment_scale() -> float:
    """What FLOWFORGE_CHAOS_SCALE says, 1 when it says nothing."""
    return float(os.environ.get(SCALE_VARIABLE) or 1)


class Arena:
    """Everything that a round needs. ``rng`` is the only source of chance: same seed, same faults.

    `scale` multiplies the round's own numbers. What the round starts here ends with it. Further
    keyword arguments are for every site, and win.
    """

    def __init__(
        self,
        directory: Path,
        seed: int,
        scale: float = 1.0,
        profile: str = "fast",
        **site_options: Any,
    ) -> None:
        self.directory = directory
        self.rng = random.Random(seed)
        self.scale = scale
        self.profile = profile
        #: What was measured, in the order of measuring: name -> value.
        self.figures: dict[str, Any] = {}
        #: What did not hold; empty when the round was passed.
        self.violations: list[str] = []
        self._site_options = site_options
        self._resources = ExitStack()
        self._sites = 0

    def times(self, number: float, least: int = 1) -> int:
        """A round's number, given for scale 1, at this scale."""
        return max(least, round(number * self.scale))

    def pools(self, *others: str) -> tuple[str, ...]:
        """prefork and `others`; at a small scale prefork and one of them."""
        wanted = others if self.scale >= _EVERY_POOL_FROM else (self.rng.choice(others),)
        return ("prefork", *wanted)

    def violate(self, what: str) -> None:
        """Report something that does not hold."""
        self.violations.append(what)

    def expect(self, holds: object, what: str) -> None:
        """Report `what` unless it holds."""
        if not holds:
            self.violate(what)

    def own(self, resource: Any) -> Any:
        """Close a context manager with the arena; returns what it enters to."""
        return self._resources.enter_context(resource)

    def server(self, *, durable: bool = False, **config: str) -> LocalServer:
        """A server of this round alone. ``durable``: its data outlives a kill.

        Directives as keyword arguments: ``appendfsync="always"``, ``maxmemory="50mb"``.
        """
        data = str(self.directory / f"data-{self.rng.getrandbits(32):08x}") if durable else None
        directives = {name.replace("_", "-"): value for name, value in config.items()}
        # The client-output and other directives of Redis have dashes throughout.
        server: LocalServer = self.own(LocalServer.start(data, config=directives))
        return server

    def site(
        self,
        url: str,
        worker_url: str | None = None,
        beside: Site | None = None,
        **settings: Any,
    ) -> Site:
        """A fresh fleet on a server. ``worker_url``: what workers use instead, for example a
        proxy. ``beside``: a site whose workers serve this server as well.

        Further keyword arguments are settings, or ``imports`` and ``env`` for the workers.
        """
        self._sites += 1
        directory = self.directory / f"site-{self._sites}"
        directory.mkdir(parents=True)
        prefix = beside.settings.prefix if beside else f"c{self.rng.getrandbits(48):012x}"
        settings = {**PROFILES[self.profile], **settings, **self._site_options}
        site: Site = self.own(
            Site(
                url, prefix, directory, self.violations, worker_url=worker_url, beside=beside,
                **settings,
            )
        )  # fmt: skip
        return site

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()
