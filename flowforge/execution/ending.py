"""Whether an exception is how a worker ends, or one that user code has raised itself."""

from __future__ import annotations


def ends_worker(error: BaseException) -> bool:
    """Whether an exception is how Celery, a signal or gevent ends what runs, not user code's own.

    Subclasses of SystemExit are Celery's, and billiard's children raise one in their handler of a
    signal; every other comes from ``sys.exit()`` in a handler, whatever its code.
    """
    # By the class alone: an exception may say of itself that it is of another.
    if issubclass(type(error), SystemExit):
        return type(error) is not SystemExit or _passed(error, "billiard.common")
    return type(error).__name__ == "GreenletExit"


def _passed(error: BaseException, module: str) -> bool:
    """Whether a function of the module raised it, or called what did.

    In a child of billiard's ``sys.exit`` is billiard's own, so the last frame tells nothing.
    """
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_globals.get("__name__", "") == module:
            return True
        frames = frames.tb_next
    return False
