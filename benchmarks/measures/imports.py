"""What ``import flowforge`` takes."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from statistics import median

from benchmarks.frame.clocks import pin
from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import ROOT
from benchmarks.frame.trial import Figures, Trial

IMPORTS = "imports"

STATEMENTS = {
    "flowforge": "import flowforge",
    "flow": "from flowforge import Flow",
    "celery": "import celery",
    "app": "from celery import Celery",
}


def imports(scale: Scale) -> Figures:
    """Fresh interpreters that import something, in turns."""
    pin()
    for statement in STATEMENTS.values():
        _took(statement)  # compiles what is not compiled yet
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(scale.pick(11, 5, 1)):
        for name, statement in STATEMENTS.items():
            times[name].append(_took(statement))
    return {f"{name}_ms": median(found) for name, found in times.items()}


def _took(statement: str) -> float:
    """Milliseconds that a new interpreter takes for the statement, without its own start."""
    code = (
        f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    )
    return float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)) * 1000


def _ratio(one: str, other: str) -> Callable[[Samples], float]:
    def ratio(samples: Samples) -> float:
        mine, theirs = samples.of(IMPORTS, f"{one}_ms"), samples.of(IMPORTS, f"{other}_ms")
        return median(left / right for left, right in zip(mine, theirs, strict=True))

    return ratio


def _times(samples: Samples) -> str:
    return ", ".join(
        f"{text}: {show(samples.median(IMPORTS, f'{name}_ms'))} ms"
        for name, text in STATEMENTS.items()
    )


ROWS = [
    Row(
        "import flowforge against import celery (which loads its parts when they are used)",
        _ratio("flowforge", "celery"),
        Target("<=", 1.5, "x"),
        _times,
    ),
    Row(
        "from flowforge import Flow against from celery import Celery",
        _ratio("flow", "app"),
    ),
]

GROUP = Group("imports", [Trial(IMPORTS, imports)], ROWS)
