"""A bench on fakeredis: these tests are about Python, not about the server."""

from __future__ import annotations

import fakeredis
import pytest

from tests.contract.bench import Bench
from tests.support.client_link import ClientLink
from tests.support.fake_server import fake_server


@pytest.fixture
def bench(prefix: str) -> Bench:
    client = fakeredis.FakeRedis(server=fake_server(), protocol=2)
    # A Link owes raw replies, and redis-py translates those of some commands.
    client.response_callbacks.clear()
    return Bench(ClientLink(client), client, prefix)
