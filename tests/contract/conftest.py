"""Every behaviour of the store is shown on a real server, and its core on fakeredis as well."""

from __future__ import annotations

from collections.abc import Iterator

import fakeredis
import pytest

from flowforge.local.server import LocalServer
from flowforge.settings import Settings
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from tests.contract.bench import Bench
from tests.support.client_link import ClientLink
from tests.support.fake_server import fake_server
from tests.support.virtual_clock import ClockedLink, VirtualClock


@pytest.fixture(scope="session")
def real(server: LocalServer) -> Iterator[ServerLink]:
    """The link that producers and workers use."""
    link = ServerLink(make_client(server.url), patience=1.0)
    yield link
    link.close()


#: The modules whose tests run on both: a second implementation of the commands shows where a script
#: relies on what only one server does.
ON_BOTH = {
    "test_store_claim", "test_store_commit", "test_store_failure", "test_store_joins",
    "test_store_limits", "test_store_merges", "test_store_submit", "test_store_timers",
}  # fmt: skip


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``bench`` the kinds of server that a module is shown on, unless a test says it."""
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "bench" in metafunc.fixturenames and "bench" not in own:
        both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        metafunc.parametrize(
            "bench", ["fakeredis", "server"] if both else ["server"], indirect=True
        )


@pytest.fixture
def bench(request: pytest.FixtureRequest, prefix: str) -> Bench:
    """A fleet of this test's own, on either kind of server."""
    if request.param == "server":
        bench: Bench = request.getfixturevalue("server_bench")
        return bench
    server = fake_server()
    raw = fakeredis.FakeRedis(server=server, protocol=2)
    # A Link owes raw replies, and redis-py translates those of some commands.
    raw.response_callbacks.clear()
    return Bench(ClientLink(raw), fakeredis.FakeRedis(server=server), prefix)


@pytest.fixture
def server_bench(real: ServerLink, server: LocalServer, prefix: str) -> Iterator[Bench]:
    """A fleet on the real server, for what fakeredis does not do."""
    with make_client(server.url) as client:
        yield Bench(real, client, prefix)


@pytest.fixture
def timed_bench(bench: Bench) -> Bench:
    """A fleet of this test's own whose clock it moves, by the fixture ``clock``."""
    return Bench(ClockedLink(bench.link, bench.keys.root), bench.client, bench.prefix)


@pytest.fixture
def clock(timed_bench: Bench) -> VirtualClock:
    """The clock of ``timed_bench``."""
    return VirtualClock(timed_bench.store, Settings())


@pytest.fixture(scope="module")
def own_server() -> Iterator[LocalServer]:
    """A server that the tests of a module may bring into any state."""
    with LocalServer.start() as running:
        yield running


@pytest.fixture
def own_bench(own_server: LocalServer, prefix: str) -> Iterator[Bench]:
    """A fleet on it, whose link reports at once that the server is unfit."""
    link = ServerLink(make_client(own_server.url), patience=0.0)
    with make_client(own_server.url) as client:
        yield Bench(link, client, prefix)
    link.close()
