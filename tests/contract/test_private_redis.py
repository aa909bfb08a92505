"""Private names of redis-py that FlowForge uses: they exist, and do what it relies on."""

from __future__ import annotations

import os
from typing import Any

import pytest
import redis
import redis.sentinel
from hiredis import pack_command

from flowforge.local.server import LocalServer
from flowforge.store.server.client import make_client


@pytest.mark.private_name("redis", "Connection._sock")
def test_a_connection_without_a_socket_is_not_connected(server: LocalServer) -> None:
    """``_sock`` is None before the first command and after ``disconnect``."""
    with make_client(server.url) as client:
        connection: Any = client.connection_pool.make_connection()
        assert connection._sock is None
        connection.send_command("PING")
        assert connection._sock is not None
        assert connection.read_response() == b"PONG"
        connection.disconnect()
        assert connection._sock is None


@pytest.mark.private_name("redis", "Connection.send_packed_command")
@pytest.mark.private_name("redis", "Connection.read_response")
@pytest.mark.private_name("redis", "ConnectionPool.make_connection")
def test_a_connection_takes_commands_and_gives_raw_replies(
    server: LocalServer, prefix: str
) -> None:
    """It connects by itself; an error reply is raised and leaves the next reply where it is."""
    with make_client(server.url) as client:
        connection: Any = client.connection_pool.make_connection()
        pack: Any = pack_command  # its types name tuples of one item alone
        connection.send_packed_command([pack(("HSET", prefix, "a", 1))])
        assert connection.read_response() == 1
        both = pack(("GET", prefix)) + pack(("HGETALL", prefix))
        connection.send_packed_command([both])
        with pytest.raises(redis.ResponseError):
            connection.read_response()
        assert connection.read_response() == [b"a", b"1"]
        connection.disconnect()


@pytest.mark.private_name("redis", "ConnectionPool.connection_kwargs")
def test_a_pool_tells_the_address_of_its_connections() -> None:
    """As numbers and text, whatever the URL's form."""
    options = make_client("redis://h:7000/3").connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("h", 7000, 3)
    options = make_client("unix:///run/x.sock?db=2").connection_pool.connection_kwargs
    assert (options["path"], options["db"]) == ("/run/x.sock", 2)


@pytest.mark.private_name("redis", "SentinelConnectionPool.sentinel_manager")
@pytest.mark.private_name("redis", "SentinelConnectionPool.service_name")
def test_a_pool_of_sentinels_names_them_and_their_master(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection asks them with ``connect``, and lets their answer through."""
    client = make_client("sentinel://127.0.0.1:1;sentinel://127.0.0.1:2/0?master_name=mine")
    pool: Any = client.connection_pool
    assert pool.service_name == "mine"
    ports = [
        node.connection_pool.connection_kwargs["port"] for node in pool.sentinel_manager.sentinels
    ]
    assert ports == [1, 2]
    connection = pool.make_connection()
    assert isinstance(connection, redis.sentinel.SentinelManagedConnection)

    def nobody_knows(name: str) -> Any:
        raise redis.sentinel.MasterNotFoundError(name)

    monkeypatch.setattr(pool.sentinel_manager, "discover_master", nobody_knows)
    with pytest.raises(redis.sentinel.MasterNotFoundError, match="mine"):
        connection.connect()


@pytest.mark.private_name("redis", "Connection.__del__")
def test_a_forked_child_that_drops_a_connection_leaves_it_to_its_parent(
    server: LocalServer,
) -> None:
    """The child closes its copy of the socket without ending the connection."""
    with make_client(server.url) as client:
        connections: list[Any] = [client.connection_pool.make_connection()]
        connections[0].send_command("PING")
        assert connections[0].read_response() == b"PONG"
        child = os.fork()
        if not child:
            connections.clear()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        connections[0].send_command("PING")
        assert connections[0].read_response() == b"PONG"
        connections[0].disconnect()
