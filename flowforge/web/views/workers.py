"""Who works: the workers, the queues with what waits on them, and what runs since when."""

from __future__ import annotations

from flowforge.engine.fleet.server_fleet import server_fleet
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role


def workers(call: Call) -> View:
    """The workers, queues and running attempts of each server."""
    engines = call.engines
    fleets = [server_fleet(engine, named=len(engines) > 1) for engine in engines]
    return View("workers.html", {"fleets": fleets, "acts": call.may(Role.OPERATOR)})


PAGES = [Page("/workers", workers, nav="Workers")]
