"""A flow whose jobs fail until somebody has mended what they need."""

from __future__ import annotations

from pathlib import Path

from flowforge import Flow, routine
from tests.integration.notes import note


@routine(events=["done"])
def charge(order: int, gate: str, log: str) -> dict[str, int]:
    if not Path(gate).exists():
        raise ValueError("the card service is down")
    note(log, order)
    return {"order": order}


charges = Flow("charges")
charges.add_routine(charge, "charge")
