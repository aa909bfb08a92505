"""Clients for a server."""

from __future__ import annotations

import importlib.metadata

import pytest

from flowforge.store.server.client import make_client


@pytest.mark.parametrize(
    "url", ["redis://h", "unix:///run/x.sock", "sentinel://h:26379/0?master_name=m"]
)
def test_a_connection_is_made_without_a_look_for_the_version_of_redis_py(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That reads the folders of the installation, and ``explain`` makes a connection each time."""
    pool = make_client(url).connection_pool
    looked: list[str] = []
    monkeypatch.setattr(importlib.metadata, "version", lambda name: looked.append(name) or "1.0")
    pool.make_connection()
    assert looked == []
