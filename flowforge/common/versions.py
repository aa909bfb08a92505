"""Versions of the packages that are installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version(package: str) -> str:
    """The version of a package; ``?`` where it is not installed as one."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "?"
