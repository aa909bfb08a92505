"""What a producer loads: it pays with its start for each room that it does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from flowforge.local.server import LocalServer

#: A script that submits a job; it prints what it has loaded.
PRODUCER = """
import json, sys
from flowforge import Flow, routine

@routine
def step():
    pass

flow = Flow("imports")
flow.add_routine(step, "step")
job = flow.execute("step", {"n": 1})
assert job.status == "pending"
print(json.dumps([name for name in sys.modules if "." in name]))
"""


def test_a_producer_loads_nothing_of_a_worker(server: LocalServer, prefix: str) -> None:
    """Neither FlowForge's nor Celery's; of the embedded engine only that there is one."""
    variables = {"FLOWFORGE_REDIS_URL": server.url, "FLOWFORGE_PREFIX": prefix}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCER],
        env={**os.environ, **variables}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stdout))
    own = {name for name in loaded if name.startswith("flowforge.")}
    assert {name.split(".")[1] for name in own} == {
        "broker", "codec", "common", "composition", "engine", "errors", "execution", "local",
        "model", "settings", "store", "tracing",
    }  # fmt: skip
    assert {name for name in own if name.startswith("flowforge.local.")} == {
        "flowforge.local.advice"
    }
    assert "flowforge.tracing.spans" not in own
    # Celery's support of Django, which each of its apps has, loads celery.worker itself.
    for package in ("celery.worker.consumer", "celery.apps", "celery.bin"):
        assert not {name for name in loaded if f"{name}.".startswith(f"{package}.")}
