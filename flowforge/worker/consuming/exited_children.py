"""Children of a prefork pool that end while the worker loses its connection.

Celery's pool watches a descriptor of each child, and stops watching when the child ends. A child
that was killed closes it a moment before it can be waited for; then the pool still has the child,
up to five seconds. When a new connection is made in that time, Celery watches all children again,
and for the one without a descriptor the whole worker ends (``file descriptor is None``).
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps


class ExitedChildren(bootsteps.StartStopStep):
    """Lets the pool watch such a child as if its end were not known yet."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Called before the pool's own, for each new connection."""
        watch_again(worker.pool)


def watch_again(pool: Any) -> None:
    """Forget of which of its children a pool has seen the end. Only prefork's has any."""
    children = getattr(getattr(pool, "_pool", None), "_pool", ())
    for child in tuple(children):
        if getattr(child, "_sentinel_poll", child) is None:
            del child._sentinel_poll
