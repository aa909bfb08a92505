"""Whether an exception is how a worker ends, or one that user code has raised itself."""

from __future__ import annotations


def ends_worker(error: BaseException) -> bool:
    """Whether an exception is how Celery, a signal or gevent ends what runs, not user code's own.

    Subclasses of SystemExit are Celery's, and billiard's children get one with a code below 0 for
    a signal; every other comes from ``sys.exit()`` in a handler.
    """
    # By the class alone: an exception may say of itself that it is of another.
    if issubclass(type(error), SystemExit):
        code = getattr(error, "code", None) if type(error) is SystemExit else -1
        return isinstance(code, int) and code < 0
    return type(error).__name__ == "GreenletExit"
