"""What ``import flowforge`` takes."""

from __future__ import annotations

import subprocess
import sys
import time
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
    """Fresh interpreters that import something, in turns; less one that imports nothing."""
    pin()
    for statement in STATEMENTS.values():
        _start(statement)  # compiles what is not compiled yet
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(scale.pick(11, 5, 1)):
        nothing = _start("pass")
        for name, statement in STATEMENTS.items():
            times[name].append(_start(statement) - nothing)
    return {f"{name}_ms": median(found) for name, found in times.items()}


def _start(statement: str) -> float:
    """Milliseconds from the start of an interpreter to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
    return (time.perf_counter() - began) * 1000


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
