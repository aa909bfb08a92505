"""Whether an exception is how a worker ends, or one that user code has raised itself."""

from __future__ import annotations


def ends_worker(error: BaseException) -> bool:
    """Whether an exception is how Celery, a signal or gevent ends what runs, not user code's own.

    Subclasses of SystemExit are Celery's, and billiard's children raise one in their handler of a
    signal; every other comes from ``sys.exit()`` in a handler, whatever its code.
    """
    # By the class alone: an exception may say of itself that it is of another.
    if issubclass(type(error), SystemExit):
        return type(error) is not SystemExit or _raised_by(error) == "billiard.common"
    return type(error).__name__ == "GreenletExit"


def _raised_by(error: BaseException) -> str:
    """The module whose function raised it."""
    frames, module = error.__traceback__, ""
    while frames is not None:
        module = frames.tb_frame.f_globals.get("__name__", "")
        frames = frames.tb_next
    return module
