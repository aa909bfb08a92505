"""What an error of the server means: it serves no writes now, or it refuses this command for good.

One answer for everybody who talks to the server: the store's link, the worker's consumer, who waits
for a job, and who has several servers to choose from.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)


class Outage(NamedTuple):
    """A reason for which a server serves no writes now, to be shown: ``the server`` + state."""

    state: str
    remedy: str
    #: The server answered, and refused before it changed anything.
    answered: bool = True
    #: Seconds that the client had waited before it gave up.
    waited: float = 0.0


AWAY = Outage(
    "does not answer", "check that it runs and that FLOWFORGE_REDIS_URL is right", answered=False
)
_NO_REDIS = Outage(
    "does not answer as a Redis server does",
    "check host, port and scheme of FLOWFORGE_REDIS_URL",
    answered=False,
)
_NO_TLS = Outage(
    "does not answer as a server with TLS does",
    "write redis:// in place of rediss:// in FLOWFORGE_REDIS_URL, or the port that it has for TLS",
    answered=False,
    waited=10.0,
)
_FULL = Outage(
    "is full and takes no more data",
    "raise its maxmemory, or keep ended jobs for a shorter time (FLOWFORGE_RETENTION)",
)
_DISK = Outage(
    "cannot write to its disk and so takes no writes",
    "free space there, and look at the server's log",
)
_TOO_FEW_REPLICAS = Outage(
    "has fewer replicas than it needs to take writes",
    "bring its replicas back, or lower its min-replicas-to-write",
)
_REPLICA = Outage(
    "is a replica and takes no writes",
    "give the address of the primary, or a sentinel:// URL that finds it",
)
_LOADING = Outage("is still reading its data", "wait until it has; its log tells how far it is")
_BUSY = Outage("is busy with a long script", "wait for the script, or end it with SCRIPT KILL")
_TOO_MANY_CLIENTS = Outage(
    "has as many clients as it takes", "raise its maxclients, or end programs that use it"
)

#: The first word of an error reply.
_CODES = {
    "OOM": _FULL,
    "MISCONF": _DISK,
    "NOREPLICAS": _TOO_FEW_REPLICAS,
    "READONLY": _REPLICA,
    "MASTERDOWN": _REPLICA,
    # To who waited in a blocking command, when the primary became a replica.
    "UNBLOCKED": _REPLICA,
    "LOADING": _LOADING,
    "BUSY": _BUSY,
}

#: Classes whose text redis-py has taken the first word off.
_CLASSES: tuple[tuple[type[RedisError], Outage], ...] = (
    (OutOfMemoryError, _FULL),
    (ReadOnlyError, _REPLICA),
    (MasterDownError, _REPLICA),
    (TryAgainError, _BUSY),
    (BusyLoadingError, _LOADING),
    (InvalidResponse, _NO_REDIS),
)

#: What a TLS client says of a server without TLS: it waits for more, or answers in plain text.
_PLAIN = ("handshake operation timed out", "WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")

#: Redis 6.2 answers for a script, and has the first word of the command's own reply inside.
_IN_SCRIPT = re.compile(r"Error running script .*? -([A-Z]+) ", re.DOTALL)


def outage_of(error: BaseException | None) -> Outage | None:
    """Why the server serves no writes now, as this error tells it; None when it tells nothing so.

    What it means may pass: the same command can be sent again.
    """
    if is_final(error):
        return None
    for kind, outage in _CLASSES:
        if isinstance(error, kind):
            return outage
    if isinstance(error, ResponseError):
        return _CODES.get(_code(str(error)))
    if "max number of clients" in str(error):
        return _TOO_MANY_CLIENTS
    if isinstance(error, (ConnectionError, TimeoutError, OSError)):
        return _NO_TLS if _is_plain(error) else AWAY
    return None


def _is_plain(error: BaseException | None) -> bool:
    # redis-py says that it could not connect, and keeps the reason behind that.
    texts = (str(error), str(getattr(error, "__context__", None)))
    return any(sign in text for sign in _PLAIN for text in texts)


def is_outage(error: BaseException | None) -> bool:
    """Whether the error says that the server serves no writes now."""
    return outage_of(error) is not None


def is_final(error: BaseException | None) -> bool:
    """Whether trying again is pointless: wrong password, or a server that cannot prove its name."""
    return isinstance(error, AuthenticationError) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def is_forbidden(error: BaseException | None) -> bool:
    """Whether the user is let in and may not do this."""
    return isinstance(error, NoPermissionError) or _code(str(error)) == "NOPERM"


def _code(text: str) -> str:
    inside = _IN_SCRIPT.search(text)
    return inside[1] if inside else text.partition(" ")[0]
