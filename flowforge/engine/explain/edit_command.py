"""The command that retries a job with other params, for people to change."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from flowforge.codec.masking import HIDDEN
from flowforge.codec.plain import to_json

#: Names that a shell, an option ``--edit`` and a terminal take as they are.
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,79}", re.ASCII)

#: Characters of a value that the command shows; a longer one is left for people to fill in.
_VALUE = 40


def edit_command(
    job_id: str, number: object, params: Mapping[str, Any] | None, message: str
) -> str | None:
    """``flowforge retry JOB --edit 5:amount=20``: a param of the invocation, and what it is now.

    The param is one that the error's message names, if it names one. None without a param that can
    be written so.
    """
    names = [name for name in params or {} if _NAME.fullmatch(name)]
    if not params or not names:
        return None
    words = set(re.findall(r"[\w.-]+", message))
    texts = {name: _text(params[name]) for name in names}
    name = max(names, key=lambda one: (one in words, bool(texts[one])))
    edit = f"{number}:{name}={texts[name] or '...'}"
    return f"flowforge retry {job_id} --edit {shlex.quote(edit)}"


def _text(value: Any) -> str:
    """A value as JSON; nothing for one that is secret or long."""
    text = "" if value == HIDDEN else to_json(value)
    return text if len(text) <= _VALUE else ""
