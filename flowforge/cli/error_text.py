"""Errors as the command line says them: with its own commands and options in place of Python's."""

from __future__ import annotations

import re

#: What errors tell programs to call, and the command or the option for it.
_HINTS = [
    (re.compile(pattern), command)
    for pattern, command in (
        (r"\b(retry|resume)\(\)", r"`flowforge \1 JOB`"),
        (r"\b(skip|step)\(\)", r"`flowforge \1 JOB INVOCATION`"),
        (r"\bnew_params=True", "--new-params"),
        (r"\bdefinition='same'", "--definition same"),
        (r"\bedit=\{(\d+): \.\.\.\}", r"--edit \1:NAME=VALUE"),
    )
]


def error_text(error: Exception) -> str:
    """The error's message for a terminal, and what was noted on it."""
    text = "; ".join([str(error), *getattr(error, "__notes__", ())])
    for pattern, command in _HINTS:
        text = pattern.sub(command, text)
    return text
