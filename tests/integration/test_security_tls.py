"""``rediss://``: producers and workers over TLS, with certificates that are checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import StoreUnavailableError
from flowforge.local.server import LocalServer
from flowforge.settings import Settings, from_environment
from tests.integration.flows import countdown
from tests.integration.installation import FAST, FLOWS, LIMIT
from tests.support.fleet import Fleet
from tests.support.tls import Certificates, make_certificates, tls_proxy

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl program")


@dataclass(frozen=True)
class Encrypted:
    """A server behind TLS."""

    port: int
    password: str
    certificates: Certificates

    def url(self, host: str = "localhost", **query: object) -> str:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return f"rediss://:{self.password}@{host}:{self.port}/0?{text}".rstrip("?")


@pytest.fixture(scope="module")
def encrypted(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    with tls_proxy(server.port, certificates) as port:
        yield Encrypted(port, urlsplit(server.url).password or "", certificates)


def engine_of(url: str, prefix: str) -> Engine:
    settings = from_environment({}, redis_url=url, prefix=prefix, **FAST)
    return Engine(settings, fleet_app(settings))


def test_a_fleet_runs_over_tls(encrypted: Encrypted, prefix: str, tmp_path: Path) -> None:
    """The authority in the URL is all that producer, store and broker connection need."""
    url = encrypted.url(ssl_ca_certs=encrypted.certificates.authority)
    engine = engine_of(url, prefix)
    former = set_engine(engine)
    try:
        with Fleet(url, prefix, tmp_path, (FLOWS,), **FAST) as fleet:
            worker = fleet.start()
            job = countdown().execute("it", {"n": 20})
            assert job.wait(LIMIT).status == "completed"
            assert encrypted.password not in worker.output()
    finally:
        set_engine(former)
        engine.close()


@pytest.mark.attack(what="A server with a certificate of an unknown authority, before a producer")
def test_a_producer_checks_the_certificate(encrypted: Encrypted, prefix: str) -> None:
    """The producer refuses the connection, and the error says why."""
    engine = engine_of(encrypted.url(), prefix)
    with pytest.raises(StoreUnavailableError, match="certificate verify failed"):
        engine.submit(JobTemplate(countdown(), "it"), {"n": 1})
    engine.close()


@pytest.mark.attack(what="A server with a certificate for another name")
def test_a_producer_checks_the_name(encrypted: Encrypted, prefix: str) -> None:
    """The client refuses a valid certificate of another host."""
    authority = encrypted.certificates.authority
    engine = engine_of(encrypted.url("127.0.0.1", ssl_ca_certs=authority), prefix)
    with pytest.raises(StoreUnavailableError, match="IP address mismatch"):
        engine.submit(JobTemplate(countdown(), "it"), {"n": 1})
    engine.close()


@pytest.mark.attack(what="A server with a certificate of an unknown authority, before a worker")
def test_a_worker_checks_the_certificate(encrypted: Encrypted, prefix: str, tmp_path: Path) -> None:
    """The worker does not send its password."""
    with Fleet(encrypted.url(), prefix, tmp_path, (FLOWS,), **FAST) as fleet:
        worker = fleet.start(wait=False)
        fleet.wait_until_ended(worker, 30)
        assert not worker.ready
        assert "certificate verify failed" in worker.output()


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", "CERT_REQUIRED"), ("?ssl_cert_reqs=none", "CERT_NONE")],
)
def test_the_broker_connection_checks_too(query: str, expected: str) -> None:
    """kombu alone would take any certificate; a URL that asks for that gets it."""
    app = fleet_app(Settings(redis_url=f"rediss://:pw@redis.example:6379/0{query}"))
    connection: Any = app.connection_for_read()
    assert connection.ssl["ssl_cert_reqs"].name == expected
