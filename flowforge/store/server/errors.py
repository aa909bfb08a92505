"""What an error of a server means to the user: which server, what is wrong and what to do."""

from __future__ import annotations

from typing import Any, NoReturn

import redis
import redis.sentinel
from redis.exceptions import AuthenticationError, NoScriptError, ResponseError

from flowforge.errors import (
    CommandRefusedError,
    ConfigurationError,
    FlowForgeError,
    LoginRefusedError,
    StoreUnavailableError,
    WritesRefusedError,
)
from flowforge.store.server.client import describe
from flowforge.store.server.outage import is_final, is_forbidden, outage_of


def raise_explained(pool: Any, error: Exception, *, unchanged: bool = False) -> NoReturn:
    """Raise what an error of a pool's server means: a FlowForgeError that says which server, what
    and what to do. NOSCRIPT, and what the server did not say, are raised as they are.

    ``unchanged``: nothing of what was asked has been done.
    """
    told = explained(pool, error, unchanged=unchanged)
    if told is error:
        raise error
    raise told from error


def explained(pool: Any, error: Exception, *, unchanged: bool = False) -> Exception:
    """What ``raise_explained`` raises."""
    where = f"the Redis server at {describe(pool)}"
    if isinstance(error, AuthenticationError):
        return LoginRefusedError(
            f"{where} refused the login ({error}); check user and password in FLOWFORGE_REDIS_URL"
        )
    if is_final(error):
        return StoreUnavailableError(
            f"{where} cannot prove its name ({error}); name the authority of its certificate "
            "(ssl_ca_certs), and the host as the certificate has it"
        )
    if isinstance(error, redis.sentinel.MasterNotFoundError):
        # Its own words hold the connection pools of all Sentinels.
        nodes = (node.connection_pool for node in pool.sentinel_manager.sentinels)
        error = ConnectionError(f"no Sentinel at {', '.join(map(describe, nodes))} names it")
    outage = outage_of(error)
    if outage is not None:
        kind = WritesRefusedError if unchanged else StoreUnavailableError
        return kind(f"{where} {outage.state} ({error}); {outage.remedy}")
    if isinstance(error, ResponseError) and not isinstance(error, NoScriptError):
        return _refused(pool, where, error)
    return error


def _refused(pool: Any, where: str, error: ResponseError) -> FlowForgeError:
    """What to raise for a command that the server is not going to accept later either."""
    if "DB index" in str(error):
        return ConfigurationError(
            f"{where} has no database {pool.connection_kwargs.get('db')} ({error}); correct the "
            "URL, or raise `databases` in the server's configuration"
        )
    if is_forbidden(error):
        return CommandRefusedError(
            f"{where} does not let this user do that ({error}); give the user the rights that the "
            "security page of the documentation lists, for this prefix and these queues"
        )
    if str(error).startswith("WRONGTYPE"):
        return CommandRefusedError(
            f"{where} has something else in place of a key ({error}); keep other programs from "
            "this prefix, and move the key: flowforge doctor has the command"
        )
    return CommandRefusedError(
        f"{where} refused a command ({error}); it must be a Redis or Valkey server of its own, no "
        "Redis Cluster, and no other program may write to FlowForge's keys"
    )
