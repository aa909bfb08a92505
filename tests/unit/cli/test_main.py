"""Where a reader finds a command, and what all commands do."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import click.testing
import pytest

from flowforge.cli.main import cli
from flowforge.settings import MOST
from tests.support.commands import COMMANDS

#: Commands that are a few lines each, by the file that they are in together.
_TOGETHER = {
    **dict.fromkeys(("pause", "resume", "cancel", "retry", "delete"), "control"),
    **dict.fromkeys(("break", "step", "continue"), "breakpoints"),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_is_in_the_file_of_its_name(name: str) -> None:
    """But for some that belong together, which are in one."""
    file = _TOGETHER.get(name, name.replace("-", "_"))
    callback = COMMANDS[name].callback
    assert callback is not None
    assert callback.__module__ == f"flowforge.cli.{file}"


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (name, option)
        for name, command in COMMANDS.items()
        for option in command.params
        if option.name == "limit"
    ],
)
def test_a_limit_is_no_more_than_the_server_counts(command: str, option: click.Parameter) -> None:
    """Else a traceback or the server's own words would be the answer."""
    assert isinstance(option.type, click.IntRange)
    assert option.type.max == MOST
    found = click.testing.CliRunner().invoke(cli, [command, "job", "--limit", str(10**30)])
    assert found.exit_code == 2


def test_a_variable_that_is_no_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, before the command does anything; a worker logs it at its start instead."""
    monkeypatch.setenv("FLOWFORGE_LEASES", "3")
    result = click.testing.CliRunner().invoke(cli, ["show", "7c1e-0"])
    told = "warning: FLOWFORGE_LEASES is no setting and has no effect; the nearest setting is "
    assert result.stderr.splitlines()[0] == f"{told}FLOWFORGE_LEASE"


#: Prints the modules that a command has loaded. One that becomes another program ends there.
PROGRAM = """
import contextlib, io, json, os, sys
from flowforge.cli import main
os.execv = lambda *command: sys.exit()
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps(list(sys.modules)))
"""

#: Rooms of what looks at jobs.
LOOKING = {
    "broker", "cli", "codec", "common", "composition", "dev", "engine", "errors", "execution",
    "local", "model", "settings", "store", "tracing",
}  # fmt: skip


#: What of common shows an error.
ERROR_TEXTS = {"flowforge.common.plain_text"}


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("command", "rooms"),
    [
        ("--version", {"cli", "common", "errors"}),
        ("worker", {"cli", "common", "dev", "errors"}),
        ("jobs", LOOKING),
    ],
)
def test_a_command_loads_no_more_than_it_needs(command: str, rooms: set[str]) -> None:
    """A shell's loop over jobs pays for it each time."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command], capture_output=True, text=True, check=True
    )
    loaded = {name for name in json.loads(done.stdout) if name.startswith("flowforge.")}
    assert {name.split(".")[1] for name in loaded} == rooms
    if command != "jobs":
        assert {name for name in loaded if name.startswith("flowforge.common.")} == ERROR_TEXTS
    assert not {"flowforge.local.engine", "flowforge.cli.run", "flowforge.cli.ui"} & loaded
