"""Settings from arguments and from the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flowforge.errors import ConfigurationError
from flowforge.settings import RENAMED, Settings, from_environment, unknown_variables
from flowforge.store.server.client import make_client


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


def test_a_variable_that_is_no_setting_is_named_with_the_nearest() -> None:
    """Not so those of the fault harness, and those that Kubernetes sets for a service."""
    environ = {
        "FLOWFORGE_LEASE": "3",
        "FLOWFORGE_RETENTON": "60",
        "FLOWFORGE_CHAOS_SEED": "1",
        "FLOWFORGE_REDIS_SERVICE_HOST": "10.0.0.1",
        "FLOWFORGE_REDIS_SERVICE_PORT_MAIN": "6379",
        "FLOWFORGE_REDIS_PORT": "tcp://10.0.0.1:6379",
        "FLOWFORGE_REDIS_PORT_6379_TCP_ADDR": "10.0.0.1",
        "HOME": "/",
    }
    (text,) = unknown_variables(environ)
    assert text == (
        "FLOWFORGE_RETENTON is no setting and has no effect; the nearest setting is "
        "FLOWFORGE_RETENTION"
    )


@pytest.mark.parametrize(("former", "name"), RENAMED.items())
def test_a_former_name_is_refused_with_the_new_one(former: str, name: str) -> None:
    """As an argument and in the environment; what it was set to would go unnoticed otherwise."""
    assert former not in vars(Settings())
    assert name in vars(Settings())
    with pytest.raises(ConfigurationError, match=f"{former} is now called {name}$"):
        from_environment({}, **{former: 1})
    variable = f"FLOWFORGE_{former.upper()}"
    with pytest.raises(
        ConfigurationError, match=f"{variable} is now called FLOWFORGE_{name.upper()}$"
    ):
        from_environment({variable: "1"})
    assert from_environment({variable: " "}) == Settings()


@pytest.mark.parametrize("former", RENAMED)
def test_a_former_name_is_not_called_unknown(former: str) -> None:
    """Its error names the new setting; a warning would name another one, and say "no effect"."""
    assert unknown_variables({f"FLOWFORGE_{former.upper()}": "1"}) == []


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
        {"lease": 0}, {"heartbeat": -1}, {"upkeep_interval": 0}, {"unclaimed_grace": 0},
        {"retention": 0},
        {"concurrency": 0}, {"max_losses": 0}, {"max_payload": 0}, {"max_in_flight": 0},
        {"prefix": ""}, {"prefix": "a b"}, {"prefix": "a/b"}, {"prefix": "{x}"},
        {"lease": 10.0, "heartbeat": 6.0}, {"history_limit": -1}, {"output_limit": -1},
        {"lease": float("nan")}, {"retention": float("inf")}, {"upkeep_interval": float("nan")},
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_cannot_be_right_is_refused(values: dict[str, Any]) -> None:
    """The error names the setting."""
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        from_environment({}, **values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"lease": "x"}, "a number of seconds"), ({"retention": "1"}, "a number of seconds"),
        ({"heartbeat": None}, "a number of seconds"),
        ({"upkeep_interval": True}, "a number of seconds"),
        ({"max_payload": None}, "a whole number"), ({"max_in_flight": 1.5}, "a whole number"),
        ({"concurrency": "4"}, "a whole number"), ({"output_limit": True}, "a whole number"),
        ({"prefix": 3}, "text"), ({"prefix": None}, "text"), ({"redis_url": 3}, "text, or None"),
        ({"data_dir": 3}, "a path, or None"), ({"celery": 3}, "a dict of Celery settings"),
        ({"celery": None}, "a dict of Celery settings"),
        ({"imports": "a,b"}, "a list of module names"), ({"imports": 3}, "a list of module names"),
        ({"imports": [1]}, "a list of module names"),
        ({"imports": None}, "a list of module names"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_of_another_type_is_refused(values: dict[str, Any], wanted: str) -> None:
    """The error names the setting, what it takes and what it was given."""
    ((name, value),) = values.items()
    with pytest.raises(ConfigurationError, match=re.escape(f"{name} must be {wanted}")) as caught:
        from_environment({}, **values)
    # What may hold a password is not shown.
    private = name in ("redis_url", "celery")
    shown = f"of type {type(value).__name__}" if private else repr(value)
    assert str(caught.value).endswith(f"not {shown}")


def test_whole_numbers_and_paths_will_do(tmp_path: Path) -> None:
    """Seconds need no decimal point, a directory may be a path."""
    found = from_environment({}, lease=20, data_dir=tmp_path)
    assert (found.lease, found.data_dir) == (20, tmp_path)


def test_output_can_be_switched_off() -> None:
    """Keeping no outputs is allowed."""
    assert from_environment({}, output_limit=0).output_limit == 0


def test_the_embedded_engine_can_be_forbidden_or_meant() -> None:
    """Nothing said, yes and no are three things."""
    read = {text: from_environment({"FLOWFORGE_EMBEDDED": text}).embedded for text in ("1", "Off")}
    assert read == {"1": True, "Off": False}
    assert Settings().embedded is None
    with pytest.raises(ConfigurationError, match="FLOWFORGE_EMBEDDED='maybe' is neither 1 nor 0"):
        from_environment({"FLOWFORGE_EMBEDDED": "maybe"})


def test_servers_are_separated_by_commas() -> None:
    """The semicolon is for the Sentinels of one URL, which is a mistake that is easily made."""
    (one,) = from_environment({}, redis_url="redis://a:1;redis://b:2").servers
    with pytest.raises(ConfigurationError, match="write commas between independent servers"):
        make_client(str(one.redis_url))
