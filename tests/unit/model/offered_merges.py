"""Merge functions of a module without routines."""

from __future__ import annotations

from typing import Any


def apart(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {**old, **new}


def remove(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    raise AssertionError("called")
