"""Conditions of breakpoints as options: ``--when 'amount>100'``."""

from __future__ import annotations

from typing import Any

import click

from flowforge.errors import InvalidValueError
from flowforge.model.condition_text import FORMS, read_condition

__all__ = ["FORMS", "conditions"]


def conditions(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> dict[str, list[tuple[str, Any]]] | None:
    """Callback of options that are comparisons; None without any."""
    try:
        return read_condition(texts)
    except InvalidValueError as error:
        raise click.BadParameter(str(error)) from None
