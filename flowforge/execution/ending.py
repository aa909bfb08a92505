"""Whether an exception is how a worker ends, or one that user code has raised itself."""

from __future__ import annotations

import sys

from flowforge.common.true_attributes import traceback_of


def ends_worker(error: BaseException) -> bool:
    """Whether an exception is how Celery, a signal or gevent ends what runs, not user code's own.

    Celery raises exceptions of its own in its handlers of signals, and billiard's children a plain
    SystemExit in theirs; a handler may raise the same itself, which is its error then.
    """
    # By the identity of the class alone: an exception may say of itself that it is of another, and
    # a class may bear any name.
    cls = type(error)
    if cls is SystemExit:
        return passed(error, "billiard.common")
    if _is_of("celery.exceptions", ("WorkerShutdown", "WorkerTerminate"), cls):
        return passed(error, "celery.apps.worker", "celery.worker.state")
    return _is_of("greenlet", ("GreenletExit",), cls)


def passed(error: BaseException, *modules: str) -> bool:
    """Whether a function of one of the modules raised it, or called what did.

    In a child of billiard's ``sys.exit`` is billiard's own, so the last frame tells nothing.
    """
    frames = traceback_of(error)
    while frames is not None:
        name = dict.get(frames.tb_frame.f_globals, "__name__")
        if type(name) is str and name in modules:
            return True
        frames = frames.tb_next
    return False


def _is_of(module: str, names: tuple[str, ...], cls: type) -> bool:
    """Whether a class is one of those that a module has under these names, if it is imported."""
    found = sys.modules.get(module)
    return any(cls is getattr(found, name, None) for name in names)
