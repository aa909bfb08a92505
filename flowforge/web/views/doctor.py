"""What is wrong with the fleet, and what to do about it.

It looks at hundreds of jobs of each status, so it is done when the page is loaded, and no part
of the page changes by itself.
"""

from __future__ import annotations

from flowforge.doctor.examination import examine
from flowforge.web.page import Call, Page, View

#: The order of the levels on the page.
_ORDER = {"fail": 0, "warn": 1, "ok": 2}


def doctor(call: Call) -> View:
    """The findings of all servers, the worst first."""
    found = [
        (engine.store.server_name, finding)
        for engine in call.engines
        for finding in examine(engine)
    ]
    found.sort(key=lambda one: _ORDER[one[1].level])
    bad = [(server, finding) for server, finding in found if finding.level != "ok"]
    good = [(server, finding) for server, finding in found if finding.level == "ok"]
    return View("doctor.html", {"bad": bad, "good": good, "several": len(call.engines) > 1})


PAGES = [Page("/doctor", doctor, nav="Doctor")]
