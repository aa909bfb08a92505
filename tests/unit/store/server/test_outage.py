"""What an error of the server means."""

from __future__ import annotations

import pytest
import redis
from redis._parsers.base import BaseParser

from flowforge.errors import (
    CommandRefusedError,
    LoginRefusedError,
    StoreUnavailableError,
    WritesRefusedError,
)
from flowforge.store.server.client import make_client
from flowforge.store.server.errors import explained
from flowforge.store.server.outage import is_forbidden, is_outage, outage_of

#: Replies of servers, as they send them, and a word that says which state it is.
REFUSALS = {
    "OOM command not allowed when used memory > 'maxmemory'.": "full",
    "OOM command not allowed when used memory > 'maxmemory'. script: 9a3c, on @user_script:5.": (
        "full"
    ),
    "ERR Error running script (call to f_6b1b): @user_script:12: @user_script: 12: -OOM command "
    "not allowed when used memory > 'maxmemory'.": "full",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk.": "disk",
    "MISCONF Errors writing to the AOF file: No space left on device": "disk",
    "NOREPLICAS Not enough good replicas to write.": "fewer replicas",
    "READONLY You can't write against a read only replica.": "is a replica",
    "ERR Error running script (call to f_6b1b): @user_script:1: @user_script: 1: -READONLY You "
    "can't write against a read only replica.": "is a replica",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": (
        "is a replica"
    ),
    "UNBLOCKED force unblock from blocking operation, instance state changed": "is a replica",
    "LOADING Valkey is loading the dataset in memory": "reading its data",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": (
        "busy"
    ),
    "ERR max number of clients reached": "clients",
}

POOL = make_client("redis://:secret@redis.example:6380/0").connection_pool


def replied(text: str) -> Exception:
    """The exception that redis-py makes of an error reply."""
    error: Exception = BaseParser.parse_error(text)
    return error


@pytest.mark.parametrize(("reply", "said"), REFUSALS.items())
def test_a_server_that_refuses_writes_is_said_to_refuse(reply: str, said: str) -> None:
    """The text names the server, its state and what to do, and not that it might not run."""
    error = replied(reply)
    assert is_outage(error)
    told = explained(POOL, error, unchanged=True)
    assert isinstance(told, WritesRefusedError)
    assert "redis.example:6380" in str(told)
    assert said in str(told)
    assert "check that it runs" not in str(told)
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("Connection refused"),
        redis.TimeoutError("Timeout reading from socket"),
        ConnectionResetError(104, "reset"),
    ],
)
def test_a_server_that_is_away_is_said_to_be_away(error: Exception) -> None:
    """It may have done what it was asked, so it is not said to have refused."""
    assert is_outage(error)
    told = explained(POOL, error)
    assert type(told) is StoreUnavailableError
    assert "does not answer" in str(told)
    assert "check that it runs" in str(told)


@pytest.mark.parametrize(
    "reply", ["WRONGPASS invalid username-password pair", "NOAUTH Authentication required."]
)
def test_a_refused_login_is_no_outage(reply: str) -> None:
    """The same command would be refused again."""
    assert not is_outage(replied(reply))
    assert isinstance(explained(POOL, replied(reply)), LoginRefusedError)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("NOPERM User ff has no permissions to run the 'evalsha' command", "rights"),
        (
            "ERR Error running script (call to f_1): @user_script:3: -NOPERM this user has no "
            "permissions",
            "rights",
        ),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "something else in place of a key",
        ),
        ("MOVED 3999 127.0.0.1:6381", "Redis Cluster"),
        ("BUSYGROUP Consumer Group name already exists", "refused"),
        ("ERR unknown command 'EVALSHA'", "refused"),
    ],
)
def test_what_is_refused_for_good_is_no_outage(reply: str, said: str) -> None:
    """It is told as an error of FlowForge's own, with what to do."""
    assert not is_outage(replied(reply))
    told = explained(POOL, replied(reply))
    assert isinstance(told, CommandRefusedError)
    assert said in str(told)
    assert is_forbidden(replied(reply)) == ("NOPERM" in reply)


def test_what_the_server_did_not_say_stays_as_it_is() -> None:
    """A script that the server lacks is sent to it, and a bug is nobody's outage."""
    for error in (redis.exceptions.NoScriptError("No matching script."), ValueError("x")):
        assert outage_of(error) is None
        assert explained(POOL, error) is error


@pytest.mark.parametrize(
    "reason",
    [
        TimeoutError("_ssl.c:989: The handshake operation timed out"),
        OSError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
    ],
)
def test_a_server_without_tls_is_told(reason: Exception) -> None:
    """redis-py keeps what failed behind an error that says nothing of it."""
    error = redis.TimeoutError("Timeout connecting to server")
    error.__context__ = reason
    outage = outage_of(error)
    assert outage is not None
    assert "redis:// in place of rediss://" in outage.remedy
