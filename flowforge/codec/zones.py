"""Time zones by name: how the zone of a datetime travels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo

from flowforge.common.bounded_repr import shown

#: The part of a path that names a zone of the system's database.
_IN_DATABASE = re.compile(r"(?:^|/)zoneinfo/(?:posix/|right/)?(.+)$")


class UnnamedZoneError(ValueError):
    """The zone of a datetime has no name under which another process would find it."""


def zone_of(moment: datetime) -> tuple[str | None, int]:
    """Name of a datetime's zone and the ``fold`` that it has there.

    None: it has no zone, or a fixed offset, which its ISO text holds. UnnamedZoneError for a zone
    that cannot be carried by name, and where the named zone has another offset at that time.
    """
    zone = moment.tzinfo
    if zone is None or type(zone) is timezone:
        return None, moment.fold
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key, moment.fold
    offset = moment.utcoffset()
    for name, named in _candidates(zone):
        for fold in (moment.fold, 1 - moment.fold):
            if moment.replace(tzinfo=named, fold=fold).utcoffset() == offset:
                return name, fold
    if _is_fixed(zone):
        return None, moment.fold
    raise UnnamedZoneError(f"a datetime of zone {shown(zone)} at {offset}")


def _is_fixed(zone: tzinfo) -> bool:
    """Whether a zone has one offset at all times, as those say that know one without a time."""
    try:
        return zone.utcoffset(None) is not None
    except Exception:  # noqa: BLE001 - a class of the user's that looks at the time
        return False


def _candidates(zone: tzinfo) -> Iterator[tuple[str, ZoneInfo]]:
    """The database's zones of the names that a zone of another library has.

    pytz keeps the name in ``zone``, dateutil the file that it has read.
    """
    names = [getattr(zone, attribute, None) for attribute in ("key", "zone", "_filename")]
    for name in names:
        if isinstance(name, str) and name:
            path = _IN_DATABASE.search(name)
            found = path[1] if path else name
            try:
                yield found, ZoneInfo(found)
            except (KeyError, ValueError, OSError):
                continue
