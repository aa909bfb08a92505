"""How the values of secret params look in a text, and what hides them there.

What cannot be searched for is not told: a text that may hold a secret without showing it is left
out as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

from flowforge.codec.masking import HIDDEN
from flowforge.execution.attempt import Attempt

#: Shorter secrets are not searched for in texts: they would blank out half of every message.
_SHORTEST = 4

#: Characters of all the secrets' texts together, and comparisons of a character of a text with a
#: secret, up to which a search is made: a payload of one MiB can look like 500 MiB, level by level.
_MOST_TEXT = 16 * 2**20
_MOST_WORK = 2**31


class SecretTexts:
    """The texts that an attempt must not tell."""

    def __init__(self, attempt: Attempt) -> None:
        self._texts: list[str] = []
        self._complete = not (attempt.joins and attempt.slot.secret)
        if not self._complete or not (attempt.slot.secret or attempt.revealed):
            return  # nothing to hide, or a join's items, which are not at hand
        try:
            self._texts = _texts_in(_secrets_of(attempt))
        except Exception:  # noqa: BLE001 - digits beyond Python's limit, nesting beyond its stack
            self._complete = False

    def hide(self, text: str) -> str | None:
        """The text with every secret blanked out; None when it may hold one that was not found."""
        return _blanked(text, self._texts) if self._complete else None


def without_values(text: str, values: Iterable[Any]) -> str | None:
    """The text with every value and its parts blanked out; None when it may hold one that was not
    found. Texts of less than four characters are not looked for.
    """
    try:
        return _blanked(text, _texts_in(values))
    except Exception:  # noqa: BLE001 - as for an attempt
        return None


def _blanked(text: str, secrets: Sequence[str]) -> str | None:
    if len(text) * len(secrets) > _MOST_WORK:
        return None
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _texts_in(values: Iterable[Any]) -> list[str]:
    """The texts, the longest first; raises when there are too many or one cannot be made."""
    texts: set[str] = set()
    size = 0
    for value in values:
        for text in _texts_of(value):
            if text not in texts:
                texts.add(text)
                size += len(text)
            if size > _MOST_TEXT:
                raise ValueError("the texts of the secrets are too long")
    return sorted(texts, key=len, reverse=True)


def _secrets_of(attempt: Attempt) -> Iterator[Any]:
    """Secret values of its own params, and of what it was shown of other deliveries."""
    if attempt.slot.secret:
        for params in (attempt.params, attempt.delivered()):
            yield from (params[name] for name in attempt.slot.secret & params.keys())
    for params in attempt.revealed:
        yield from params.values()


def _texts_of(value: Any) -> Iterator[str]:
    for part in _parts_of(value):
        if part is None or isinstance(part, bool):
            continue  # no secret, and a part of many messages
        texts = [str(part), repr(part)]
        if isinstance(part, str):
            texts += _written(part)
        elif isinstance(part, bytes):
            decoded = part.decode(errors="ignore")
            texts += [decoded, *_written(decoded)]
        yield from (text for text in texts if len(text) >= _SHORTEST)


def _written(text: str) -> Iterator[str]:
    """How a text looks in another one: of Python, of JSON, of a URL, or with its lines indented."""
    # The last one as in a text with quotes of both kinds.
    yield from (repr(text)[1:-1], ascii(text)[1:-1], repr(f"{text}'\"")[1:-4])
    yield from (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    url_safe = text.encode("utf-8", "replace")
    yield from (quote(url_safe), quote(url_safe, safe=""), quote_plus(url_safe))
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines)


def _parts_of(value: Any) -> Iterator[Any]:
    """The value and everything in it."""
    left = [value]
    while left:
        part = left.pop()
        yield part
        if isinstance(part, dict):
            left += [*part.keys(), *part.values()]
        elif isinstance(part, (list, tuple, set)):
            left += part
