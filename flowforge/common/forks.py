"""Telling a forked child of user code from the process whose work it was forked from.

A handler may fork, and its child may leave by ``sys.exit`` or by returning from the handler. Such a
child has the parent's leases and connections in its memory, and must do nothing with them: what
becomes of the work is the parent's to say.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback


class Forks:
    """What tells processes apart that were forked from each other."""

    #: Forks between the first process and this one. Work that began under another is not ours.
    count = 0


def _count() -> None:
    Forks.count += 1


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_count)


def end_forked_child(forks_before: int, error: BaseException | None = None) -> None:
    """End this process if it was forked since ``Forks.count`` was ``forks_before``.

    User code has come back to FlowForge in a child then. It ends as a script does that was left in
    this way, but without at-exit handlers, which are the parent's.
    """
    if Forks.count == forks_before:
        return
    status = 1
    with contextlib.suppress(BaseException):
        status = _status(error)
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _status(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1
