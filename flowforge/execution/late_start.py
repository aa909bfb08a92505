"""How long after its claim a handler may start without another question, and what a pause waits."""

from __future__ import annotations

#: Seconds from the request for a claim to the handler after which the job is asked for again. A
#: pause takes longer than that (``PAUSE_TAKES``): a handler that would start after it asks first.
SLOW_START = 0.05

#: Questions of one start. Where none is answered within ``SLOW_START`` the last answer has to do.
ASKED_AT_MOST = 3

#: Seconds that a pause or cancel outlasts the claims made before it: handlers that have not started
#: ``SLOW_START`` after they asked for theirs ask again. The rest is what a busy worker needs
#: between its last look at the clock and the handler's first line.
PAUSE_TAKES = 4 * SLOW_START
