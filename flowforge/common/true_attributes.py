"""What Python itself knows of an exception, whatever the exception's own code says of it.

An exception's class, and the class of that, are the user's: they may answer any attribute with code
that fails or ends the process. These read past them and never run such code.
"""

from __future__ import annotations

from types import TracebackType

_NAME = type.__dict__["__name__"]
_QUALNAME = type.__dict__["__qualname__"]
_MODULE = type.__dict__["__module__"]
_MRO = type.__dict__["__mro__"]
_TRACEBACK = BaseException.__dict__["__traceback__"]


def name_of(cls: type) -> str:
    """``cls.__name__``."""
    name: str = _NAME.__get__(cls)
    return name


def qualname_of(cls: type) -> str:
    """``cls.__qualname__``."""
    name: str = _QUALNAME.__get__(cls)
    return name


def module_of(cls: type) -> object:
    """``cls.__module__``, which the class itself may have set to anything."""
    module: object = _MODULE.__get__(cls)
    return module


def bases_of(cls: type) -> tuple[type, ...]:
    """``cls.__mro__``."""
    bases: tuple[type, ...] = _MRO.__get__(cls)
    return bases


def traceback_of(error: BaseException) -> TracebackType | None:
    """``error.__traceback__``."""
    found: TracebackType | None = _TRACEBACK.__get__(error)
    return found
