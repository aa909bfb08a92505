"""Where a reader finds a command."""

from __future__ import annotations

import pytest

from flowforge.cli.main import cli

#: Commands that are a few lines each and do the same with another verb.
_CONTROL = {"pause", "resume", "cancel", "retry"}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_a_command_is_in_the_file_of_its_name(name: str) -> None:
    """But for those that control a job, which are in one."""
    file = "control" if name in _CONTROL else name.replace("-", "_")
    callback = cli.commands[name].callback
    assert callback is not None
    assert callback.__module__ == f"flowforge.cli.{file}"
