"""Users that ``flowforge ui`` writes into the file of its users."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from flowforge.cli.main import cli
from flowforge.web.security import passwords

pytestmark = pytest.mark.usefixtures("no_settings")


def test_a_password_is_piped_in(tmp_path: Path) -> None:
    """A program writes it once, and nothing of it is printed."""
    users = tmp_path / "users"
    given = ["ui", "--users", str(users), "--add-user", "kim", "--role", "operator"]
    result = CliRunner().invoke(cli, given, input="secret words\nmore\n")
    assert result.output == f"kim is a user of {users}, role operator\n"
    ((name, role, stored),) = passwords.read(users)
    assert (name, role) == ("kim", "operator")
    assert passwords.matches("secret words", stored)


@pytest.mark.parametrize("given", ["", "\n", "\nsecond line\n"])
def test_no_user_has_an_empty_password(tmp_path: Path, given: str) -> None:
    users = tmp_path / "users"
    result = CliRunner().invoke(
        cli, ["ui", "--users", str(users), "--add-user", "kim"], input=given
    )
    assert result.exit_code == 2
    assert "the first line of standard input, which is empty" in result.stderr
    assert not users.exists()
