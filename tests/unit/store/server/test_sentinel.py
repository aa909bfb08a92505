"""Sentinel URLs as the store and kombu are given them."""

from __future__ import annotations

import pytest

from flowforge.errors import ConfigurationError
from flowforge.store.server.sentinel import SENTINEL_TIMEOUT, SentinelUrl


def test_one_text_says_everything() -> None:
    """Sentinels, master, database and login are read from one URL."""
    found = SentinelUrl.parse("sentinel://bob:s%40fe@one:5000;sentinel://two/3?master_name=main")
    assert found.nodes == (("one", 5000), ("two", 26379))
    assert (found.master_name, found.database) == ("main", 3)
    assert (found.username, found.password) == ("bob", "s@fe")


def test_kombu_gets_the_login_with_every_sentinel() -> None:
    """kombu reads each part of its URL by itself, so each carries login and database."""
    found = SentinelUrl.parse("sentinel://:s%40fe@one;sentinel://[::1]:5001/2?master_name=main")
    assert found.broker_url == "sentinel://:s%40fe@one:26379/2;sentinel://:s%40fe@[::1]:5001/2"
    assert found.transport_options["master_name"] == "main"


def test_sentinels_may_have_a_login_of_their_own() -> None:
    """The Sentinels' password is not the servers'."""
    found = SentinelUrl.parse("sentinel://:server@one?master_name=m&sentinel_password=own")
    assert found.password == "server"
    assert found.sentinel_kwargs["password"] == "own"


def test_a_sentinel_that_is_gone_is_passed_over_soon() -> None:
    """Both redis-py and kombu wait for a Sentinel for a bounded time."""
    found = SentinelUrl.parse("sentinel://one?master_name=m")
    for options in (found.sentinel_kwargs, found.transport_options["sentinel_kwargs"]):
        assert options["socket_timeout"] == SENTINEL_TIMEOUT
        assert options["socket_connect_timeout"] == SENTINEL_TIMEOUT
        assert options["retry"].get_retries() == 0


def test_what_kombu_is_told_apart_is_read_too() -> None:
    """The URL of an existing Celery app and its transport options make one whole."""
    options = {"master_name": "main", "sentinel_kwargs": {"password": "own"}}
    found = SentinelUrl.parse("sentinel://one:5000/1", options)
    assert (found.master_name, found.sentinel_options) == ("main", {"password": "own"})


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://one:26379/0?master_name=main",
        "sentinel://bob:s%40fe@one:1/4?master_name=a+b&sentinel_password=x%26y",
        "sentinel://:pw@one:1/0;sentinel://:pw@two:2/0?master_name=main",
    ],
)
def test_the_text_survives_a_round_trip(url: str) -> None:
    """Reading the text that was written gives the same."""
    found = SentinelUrl.parse(url)
    assert SentinelUrl.parse(found.url) == found


def test_a_url_without_master_is_refused() -> None:
    """The error says how the master is named."""
    with pytest.raises(ConfigurationError, match="master_name=mymaster"):
        SentinelUrl.parse("sentinel://one:26379/0")


def test_a_database_has_to_be_a_number() -> None:
    """What stands in its place is not told: it may be a part of the password."""
    with pytest.raises(ConfigurationError, match="URL has no database number behind its host"):
        SentinelUrl.parse("sentinel://one:26379/jobs?master_name=m")
