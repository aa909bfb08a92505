"""Settings from arguments and from the environment."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.errors import ConfigurationError
from flowforge.settings import Settings, from_environment


def test_nothing_set_gives_the_defaults() -> None:
    """An empty environment is the embedded engine with its defaults."""
    assert from_environment({}) == Settings()
    assert Settings().redis_url is None


def test_every_scalar_can_come_from_the_environment() -> None:
    """Each setting has a variable; numbers are read as the type of their default."""
    found = from_environment(
        {
            "FLOWFORGE_REDIS_URL": "redis://h/1",
            "FLOWFORGE_IMPORTS": "a.b, c ,,",
            "FLOWFORGE_LEASE": "30",
            "FLOWFORGE_MAX_IN_FLIGHT": "5",
            "FLOWFORGE_DATA_DIR": "/data",
            "OTHER": "x",
        }
    )
    assert found.redis_url == "redis://h/1"
    assert found.imports == ("a.b", "c")
    assert (found.lease, found.max_in_flight, found.data_dir) == (30.0, 5, "/data")
    assert isinstance(found.lease, float)


def test_an_empty_variable_is_not_set() -> None:
    """Compose files and units often pass on empty variables."""
    assert from_environment({"FLOWFORGE_REDIS_URL": "", "FLOWFORGE_LEASE": " "}) == Settings()


def test_a_blank_url_is_not_set() -> None:
    """Neither as an argument nor in the environment, so the next that is set counts."""
    assert from_environment({"FLOWFORGE_REDIS_URL": " "}, redis_url="") == Settings()
    named = {"FLOWFORGE_REDIS_URL": "redis://h"}
    assert from_environment(named, redis_url=" ").redis_url == "redis://h"
    assert from_environment(named, redis_url=None).redis_url is None
    assert Settings(redis_url=" ").servers == ()


def test_arguments_win() -> None:
    """What the program says is nearer than the environment."""
    found = from_environment({"FLOWFORGE_PREFIX": "env"}, prefix="arg", imports=["m"])
    assert (found.prefix, found.imports) == ("arg", ("m",))


def test_an_unknown_argument_is_refused() -> None:
    """A typing error does not go unnoticed; the known names are listed."""
    with pytest.raises(ConfigurationError, match=r"unknown setting redis_ulr; known: .*redis_url"):
        from_environment({}, redis_ulr="redis://h")


@pytest.mark.parametrize(
    ("name", "value"), [("LEASE", "soon"), ("MAX_IN_FLIGHT", "1.5"), ("HISTORY_LIMIT", "many")]
)
def test_a_value_that_is_no_number_is_refused(name: str, value: str) -> None:
    """The error names the variable and its value."""
    with pytest.raises(ConfigurationError, match=f"FLOWFORGE_{name}='{value}'"):
        from_environment({f"FLOWFORGE_{name}": value})


@pytest.mark.parametrize(
    "values",
    [
        {"lease": 0}, {"heartbeat": -1}, {"sweep": 0}, {"unclaimed_grace": 0}, {"retention": 0},
        {"concurrency": 0}, {"max_deliveries": 0}, {"max_payload": 0}, {"max_in_flight": 0},
        {"prefix": ""}, {"prefix": "a b"}, {"prefix": "a/b"}, {"prefix": "{x}"},
        {"lease": 10.0, "heartbeat": 6.0}, {"history_limit": -1}, {"output_limit": -1},
        {"lease": float("nan")}, {"retention": float("inf")}, {"sweep": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_be_right_is_refused(values: dict[str, Any]) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        from_environment({}, **values)


def test_output_can_be_switched_off() -> None:
    """Keeping no outputs is allowed."""
    assert from_environment({}, output_limit=0).output_limit == 0
