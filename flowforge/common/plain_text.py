"""Text of others that a terminal shows and does not obey."""

from __future__ import annotations

import re

#: What a terminal might obey: C0 and C1 controls but tab and newline, line separators, and the
#: marks that turn text around, annotate it or are not seen.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb]"
)

#: What begins another line or column.
_BREAKS = re.compile("[\t\n]+")


def clean(text: str) -> str:
    """The text with control characters visible instead of obeyed."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def unbroken(text: str) -> str:
    """The text, cleaned, with blanks in place of line breaks and tabs."""
    return clean(_BREAKS.sub(" ", text))
