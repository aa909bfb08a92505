"""What stands in the place of secret params wherever params are kept or shown."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

#: What stands where a secret was.
HIDDEN = "***"


def masked(params: Mapping[str, Any], secret: Container[str]) -> dict[str, Any]:
    """The params, without the values of those that are secret."""
    return {name: HIDDEN if name in secret else value for name, value in params.items()}
