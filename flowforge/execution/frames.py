"""Where in the user's own code an exception was raised."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import CodeType

from flowforge.common.true_attributes import traceback_of

#: Folders of code that is not the user's: Python's, and what is installed.
_LIBRARIES = tuple(
    f"{folder}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")
    if (folder := sysconfig.get_path(name))
)  # fmt: skip
_OWN = f"{Path(__file__).parents[1]}/"


def own_frame(error: BaseException) -> str:
    """The innermost frame of the user's code, as ``/app/orders.py:12, in charge``.

    Of a handler that is installed as a library the handler's own; empty when no handler ran.
    """
    found = own_place(error)
    return "" if found is None else f"{found[0]}:{found[1]}, in {found[2]}"


def own_place(error: BaseException) -> tuple[str, int, str] | None:
    """File, line and function of ``own_frame``; None when all of it is FlowForge's own."""
    found = _own(error)
    return None if found is None else (found[0].co_filename, found[2], found[0].co_name)


def own_function(error: BaseException) -> str:
    """Module and function of ``own_frame``, as ``shop.orders.Charge.run``: the same wherever the
    code is installed, and whatever else changes in its file. Empty when no handler ran.
    """
    found = _own(error)
    if found is None:
        return ""
    code, module, _ = found
    if type(module) is not str or module == "__main__":
        module = Path(code.co_filename).stem
    return f"{module}.{code.co_qualname}"


def _own(error: BaseException) -> tuple[CodeType, object, int] | None:
    """Code, name of the module and line of ``own_frame``."""
    frames = [
        (frame.f_code, dict.get(frame.f_globals, "__name__"), line)
        for frame, line in traceback.walk_tb(traceback_of(error))
        if not frame.f_code.co_filename.startswith(_OWN)
    ]
    theirs = [found for found in frames if not _in_library(found[0].co_filename)]
    if not frames:
        return None
    return theirs[-1] if theirs else frames[0]


def _in_library(file: str) -> bool:
    # Compiled extensions name their source, which is not installed.
    return file.startswith((*_LIBRARIES, "<frozen")) or file.endswith((".pyx", ".pxd"))
