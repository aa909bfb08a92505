"""One file for each row of the table; each defines ``ROUND``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.chaos.harness.round import Round


def discover() -> list[Round]:
    """Every round, by row and name."""
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    return sorted((module.ROUND for module in modules), key=lambda one: (one.row, one.name))


def pick(wanted: str) -> list[Round]:
    """Rounds by a comma-separated list of rows and names; all when it is empty.

    Raises ValueError for one that does not exist.
    """
    rounds = discover()
    names = [part.strip() for part in wanted.split(",") if part.strip()]
    for name in names:
        if not any(name in (one.name, str(one.row)) for one in rounds):
            known = ", ".join(f"{one.row} {one.name}" for one in rounds)
            raise ValueError(f"no round {name!r}; known: {known}")
    return [one for one in rounds if not names or {one.name, str(one.row)} & set(names)]
