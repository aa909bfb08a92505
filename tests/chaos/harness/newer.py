"""A later release of FlowForge, as far as its records tell: they carry the next version.

A worker that imports this module with the variable set is of that release. It reads what the
present release wrote, as every release must.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from flowforge.codec import binary as codec
from flowforge.model import definition

MODULE = __name__

_VARIABLE = "FLOWFORGE_CHAOS_NEWER"

#: Code of a type that only the later release knows.
_CODE = 100

#: Environment of a worker of the later release.
NEWER: Mapping[str, str] = {_VARIABLE: "1"}


class Novel:
    """A value of the new type."""


@contextmanager
def records() -> Iterator[None]:
    """Invocations are written with the next version, and may hold the new type."""
    kept = codec.RECORD_VERSION, codec.TRACED_VERSION, codec._INVOCATION, codec._SUBMITTED
    codec.RECORD_VERSION += 1
    codec.TRACED_VERSION += 1
    codec._ELEMENTS[codec.TRACED_VERSION] = 3
    codec._INVOCATION = b"\x93" + bytes([codec.TRACED_VERSION])
    codec._SUBMITTED = codec._INVOCATION + codec.packb(0)
    try:
        yield
    finally:
        del codec._ELEMENTS[codec.TRACED_VERSION]
        codec.RECORD_VERSION, codec.TRACED_VERSION, codec._INVOCATION, codec._SUBMITTED = kept


@contextmanager
def definitions() -> Iterator[None]:
    """Definitions are written with the next version."""
    kept = definition.DEFINITION_VERSION, definition.PLAIN_VERSION
    definition.DEFINITION_VERSION += 1
    definition.PLAIN_VERSION = definition.DEFINITION_VERSION
    try:
        yield
    finally:
        definition.DEFINITION_VERSION, definition.PLAIN_VERSION = kept


@contextmanager
def types() -> Iterator[None]:
    """Payloads may hold the new type."""
    packers: dict[Any, Any] = codec._PACKERS
    packers[Novel] = (_CODE, lambda *_: b"")
    codec._UNPACKERS[_CODE] = lambda *_: Novel()
    try:
        yield
    finally:
        del packers[Novel], codec._UNPACKERS[_CODE]


#: Keeps what was entered for the life of the worker.
_life = ExitStack()

if _VARIABLE in os.environ:
    for _part in (records(), definitions(), types()):
        _life.enter_context(_part)
