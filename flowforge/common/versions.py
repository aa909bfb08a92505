"""Versions of the packages that are installed."""

from __future__ import annotations

import functools
from importlib.metadata import PackageNotFoundError, version


@functools.cache
def installed_version(package: str) -> str:
    """The version of a package; ``?`` where it is not installed as one.

    Read once in a process: the whole description of the package is read for it.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
