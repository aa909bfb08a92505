"""A limit as users write it: the model's rule, and how it is written to the servers."""

from __future__ import annotations

from flowforge.engine.current import current_engine
from flowforge.model.limit import LimitRule


class Limit(LimitRule):
    """How many attempts may run at once over the whole fleet, or start in a period.

    ``name``: by which slots, connections and ``flowforge limits`` name it. ``per``: a param whose
    values count apart, such as a customer's id; its values are text or whole numbers. ``running``:
    attempts that run at once. ``rate``: starts in each ``period`` (seconds, by default 1), each
    attempt of a retry included; they are spread evenly, but for ``burst`` of them (by default 1),
    which may follow each other at once after a quiet time.

    ``when_full``: ``"wait"``: first come, first served; ``"drop"``: the invocation ends without an
    effect; ``"fail"``: its job fails; ``"replace"``: of those that run, the one that began first
    ends without an effect, and the newest one has its place. ``hold``: ``"attempt"``, or
    ``"invocation"``: a retry keeps the place, so that the next one starts only when this one is
    done.

    Workers that import the module of a limit write it to the server when they start. What an
    operator sets there wins. ValueError for a limit that limits nothing, and for values that are
    unfit.
    """

    def save(self) -> None:
        """Write the limit to the server, for the jobs that are there as well; of several, to the
        home server of limits.
        """
        current_engine().limit_home.find().limits.declare([self])
