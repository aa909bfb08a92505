"""URLs of servers: sockets, options, and what is said of those that cannot work."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click.testing
import pytest
import redis
from celery import Celery
from kombu import Connection

import flowforge
from flowforge.broker.address import broker_address, state_url
from flowforge.broker.fleet_app import fleet_app
from flowforge.broker.transport import GuardMixin
from flowforge.cli.main import cli
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.errors import (
    ConfigurationError,
    LoginRefusedError,
    StoreUnavailableError,
    UnsupportedBrokerError,
)
from flowforge.local.server import LocalServer
from flowforge.settings import from_environment
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from tests.integration.flows import countdown
from tests.integration.installation import FAST, FLOWS, outputs
from tests.support.fleet import Fleet


@dataclass
class Socket:
    """A server's socket, and the password."""

    path: Path
    password: str

    @property
    def url(self) -> str:
        return f"unix://:{self.password}@{self.path}?db=3"


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    path = tmp_path_factory.mktemp("socket") / "redis.sock"
    with LocalServer.start(config={"unixsocket": str(path)}) as server:
        yield Socket(path, urlsplit(server.url).password or "")


def test_a_fleet_runs_over_a_socket(socket: Socket, prefix: str, tmp_path: Path) -> None:
    """Producer, command line and worker take one URL, with password and database."""
    settings = from_environment({}, redis_url=socket.url, prefix=prefix, **FAST)
    engine = Engine(settings, fleet_app(settings))
    former = set_engine(engine)
    try:
        with Fleet(socket.url, prefix, tmp_path, (FLOWS,), **FAST) as fleet:
            worker = fleet.start(concurrency=1)
            with redis.Redis(
                unix_socket_path=str(socket.path), password=socket.password, db=3
            ) as client:
                client.lpush(f"{prefix}:celery", b"rubbish")
            job = countdown().execute("it", {"n": 20})
            assert outputs(job) == [{"n": 0}]
            assert "refused a message on celery" in worker.output()
            assert socket.password not in worker.output()
            command = ["--redis-url", socket.url, "--prefix", prefix, "show", job.job_id]
            shown = click.testing.CliRunner().invoke(cli, command)
            assert shown.exit_code == 0, shown.output
            doctor = click.testing.CliRunner().invoke(cli, [*command[:4], "doctor"])
            assert doctor.exit_code == 0, doctor.output
            fleet.kill(worker)
    finally:
        set_engine(former)
        engine.close()


def test_an_app_on_a_socket_can_be_joined(socket: Socket) -> None:
    """Celery's own form of the URL is understood, and its connections pass the guard."""
    broker = f"redis+socket://:{socket.password}@{socket.path}?virtual_host=3"
    assert state_url(broker) == socket.url
    former = set_engine(None)
    app = Celery("joined", broker=broker, set_as_current=False)
    try:
        flowforge.install(app, redis_url=socket.url, prefix=f"t{secrets.token_hex(6)}")
        with app.connection_for_read() as connection, connection.clone() as again:
            for one in (connection, again):
                channel: Any = one.default_channel
                assert channel.client.connection_pool.connection_kwargs["db"] == 3
                assert isinstance(channel, GuardMixin)
    finally:
        engine = set_engine(former)
        assert engine is not None
        engine.close()


def test_a_broker_url_that_celery_cannot_read_is_refused() -> None:
    """Celery would use localhost in its place, and say nothing."""
    app = Celery("app", broker="unix:///run/redis.sock", set_as_current=False)
    with pytest.raises(UnsupportedBrokerError, match=r"redis\+socket:///"):
        flowforge.install(app)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("redis://localhost", True),
        ("redis://:password@localhost:6379?db=0", True),
        ("redis://localhost:6379/1", False),
        ("unix:///run/redis.sock", False),
        ("sentinel://localhost:6379/0?master_name=m", False),
    ],
)
def test_the_broker_is_told_from_other_servers(url: str, same: bool) -> None:
    """Whatever a URL leaves to its defaults."""
    former = set_engine(None)
    app = Celery("joined", broker="redis://localhost:6379/0", set_as_current=False)
    try:
        with nullcontext() if same else pytest.raises(ConfigurationError, match="name different"):
            flowforge.install(app, redis_url=url)
    finally:
        engine = set_engine(former)
        if engine is not None:
            engine.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis://h:1?db=2", "redis://h:1/2"),
        ("redis://:p%40@h:1/2?socket_timeout=3", "redis://:p%40@h:1/2"),
        ("rediss://h:1/2?ssl_ca_certs=%2Fa", "rediss://h:1/2?ssl_ca_certs=%2Fa&ssl_cert_reqs=required"),
        ("unix:///run/a%3Bb?db=2", "redis+socket:///run/a%3Bb?virtual_host=2"),
    ],
)  # fmt: skip
def test_kombu_gets_an_address_that_it_can_read(url: str, expected: str) -> None:
    """What it does not take in a URL is told apart, or in its own words."""
    broker, options = broker_address(url)
    assert broker == expected
    assert options == ({"socket_timeout": 3.0} if "timeout" in url else {})
    Connection(broker, transport_options=options)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h:1/0?foo=bar", "unknown option 'foo'; redis:// takes client_name, db"),
        ("redis://h:1/0?ssl_ca_certs=x", "unknown option 'ssl_ca_certs'"),
        ("rediss://h:1/0?ssl_foo=x", "unknown option 'ssl_foo'"),
        ("sentinel://h:1/0?master_name=m&foo=1", "unknown option 'foo'; it takes master_name"),
        ("redis://h:1/0?socket_timeout=soon", "check the port and the options"),
        ("redis://h:1/shop", "no database number"),
        ("redis://h:port/0", "check the port"),
        ("unix://run/redis.sock", "the whole path of a socket"),
        ("localhost:6379", r"\(no scheme\):// is not Redis"),
        ("redis://h:1,", "a comma with no URL beside it"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_reason(url: str, said: str) -> None:
    """Before anything is sent, and the engine that there is stays."""
    with pytest.raises(ConfigurationError, match=said):
        flowforge.configure(redis_url=url)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REDIS_URL", "localhost:6379", "is not Redis"),
        ("REDIS_URL", "amqp://x", "amqp:// is not Redis"),
        ("REDIS_URL", "redis://h:1/0,redis://h:1/0", "the same server twice"),
        ("REDIS_URL", " ", "set FLOWFORGE_REDIS_URL or give --redis-url"),
        ("LEASE", "abc", "FLOWFORGE_LEASE='abc' is not a number"),
    ],
)
def test_a_command_says_in_one_line_what_is_wrong(
    no_settings: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """Also while it cleans up, for which the environment is as bad as before."""
    monkeypatch.setenv(f"FLOWFORGE_{name}", value)
    shell = click.testing.CliRunner()
    assert said in shell.invoke(cli, ["doctor"]).stdout
    commands = [["jobs"], ["--redis-url", "", "jobs"]]
    commands += [["run", "tests.integration.cli_flows:numbers"]] if value != " " else []
    for command in commands:
        result = shell.invoke(cli, command)
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def link(url: str) -> ServerLink:
    return ServerLink(make_client(url), patience=0.1)


def test_a_refused_login_is_called_so(server: LocalServer) -> None:
    """A wrong password is no outage, and trying again would not help."""
    with pytest.raises(LoginRefusedError, match=r"127.0.0.1:\d+ refused the login .*password"):
        link(server.url.replace("//:", "//:wrong")).call("PING")


def test_a_missing_database_is_called_so(server: LocalServer) -> None:
    """The server's own words do not say which, nor what to do."""
    for call in (
        lambda one: one.call("PING"),
        lambda one: one.many([("PING",)]),
    ):
        with pytest.raises(ConfigurationError, match=r"127.0.0.1:\d+ has no database 99 "):
            call(link(server.url.removesuffix("0") + "99"))


def test_the_address_is_named_in_a_few_words() -> None:
    """The default host as well, and Sentinels without redis-py's objects."""
    with pytest.raises(StoreUnavailableError, match="at localhost:1 does not answer"):
        link("redis://:1/0").call("PING")
    with pytest.raises(StoreUnavailableError) as caught:
        link("sentinel://:secret@127.0.0.1:1;sentinel://127.0.0.1:2/0?master_name=m").call("PING")
    said = str(caught.value)
    assert "Sentinel master 'm' does not answer (no Sentinel at 127.0.0.1:1, 127.0.0.1:2 " in said
    assert "<" not in said
    assert "secret" not in said
