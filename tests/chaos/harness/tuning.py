"""Times of the upkeep that are constants of the product, shortened in proportion to the settings.

Workers import this module. A fleet's upkeep rests for ``LEAD`` seconds when the worker that leads
it is killed; with the short lease of a fast round that would be most of the round.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flowforge.worker.upkeep import upkeep

MODULE = __name__

#: Seconds; unset: as the product has it.
VARIABLE = "FLOWFORGE_CHAOS_LEAD"


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """What a worker with these settings is told: a lead as long as a short lease."""
    lease = settings.get("lease")
    return {} if lease is None or lease >= upkeep.LEAD else {VARIABLE: str(lease)}


if VARIABLE in os.environ:
    upkeep.LEAD = float(os.environ[VARIABLE])
    upkeep.FOLLOW = upkeep.LEAD / 3
