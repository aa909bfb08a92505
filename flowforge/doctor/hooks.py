"""The doctor on hooks: whether they hear of failures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.errors import RecordError
from flowforge.store.fleet_reads.hook_reports import HookReport, HookReports
from flowforge.store.reading import moment

#: After which time a hook that no worker declares has none: a worker declares its hooks each
#: minute.
_MISSED = timedelta(minutes=3)


def examine_hooks(engine: Engine) -> Iterator[Finding]:
    """Findings on hooks; none where there are none."""
    corrupt: list[RecordError] = []
    found, now = HookReports(engine.store).read(corrupt), moment(engine.overview.now())
    for error in corrupt:
        fix = "run the same FlowForge here as in the workers"
        yield Finding("warn", "hook", str(error), fix)
    bad = [finding for hook in found for finding in _examine(hook, now)]
    yield from bad
    if found and not bad:
        yield Finding("ok", "hooks", f"{len(found)}, none fails")


def _examine(hook: HookReport, now: datetime) -> Iterator[Finding]:
    name = hook.name
    if now - hook.seen_at > _MISSED:
        yield Finding(
            "warn", "hook", f"no worker has the hook {name} any more, so it hears of nothing",
            f"add the module that defines it to FLOWFORGE_IMPORTS, or flowforge hooks drop {name} "
            "--hook",
        )  # fmt: skip
    if hook.failing_since is not None:
        since = duration((now - hook.failing_since).total_seconds())
        yield Finding(
            "warn", "hook",
            f"the hook {name} ({hook.place}) fails since {since}: {short(hook.why or '', 120)}",
            f"mend the receiver, then flowforge hooks test {name}",
        )  # fmt: skip
    if hook.dead:
        yield Finding(
            "warn", "hook",
            f"{counted(hook.dead, 'delivery', 'deliveries')} to the hook {name} "
            f"{'was' if hook.dead == 1 else 'were'} given up",
            f"flowforge hooks list {name} shows them; flowforge hooks replay {name} tries again, "
            f"flowforge hooks drop {name} forgets them",
        )  # fmt: skip
    if hook.lost:
        yield Finding(
            "warn", "hook",
            f"{counted(hook.lost, 'event was', 'events were')} dropped before the delivery to the "
            f"hook {name}, because too many waited",
            f"flowforge errors counts all failures; flowforge hooks drop {name} forgets this",
        )  # fmt: skip
