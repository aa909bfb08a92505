"""The doctor on failures: the most frequent causes of the last hour."""

from __future__ import annotations

from datetime import timedelta

from flowforge.common.counted import counted
from flowforge.doctor.findings import Finding
from flowforge.engine.engine import Engine
from flowforge.engine.finding.error_groups import error_groups, place_of

#: How long ago errors are looked at, and how many causes a finding names.
_RECENT = timedelta(hours=1)
_NAMED = 3


def examine_errors(engine: Engine) -> Finding:
    """What has failed lately; no fault by itself, as an error handler may have passed it over."""
    found = error_groups([engine], since=_RECENT)
    if not found:
        return Finding("ok", "errors", "none in the last hour")
    named = [f"{group.type} in {place_of(group)} ({group.count})" for group in found[:_NAMED]]
    if len(found) > _NAMED:
        named.append(f"and {counted(len(found) - _NAMED, 'other cause')}")
    return Finding("ok", "errors", f"{', '.join(named)}: flowforge errors --since 1h")
