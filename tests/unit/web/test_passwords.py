"""The file of the dashboard's users."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flowforge.errors import ConfigurationError
from flowforge.web.security import passwords
from flowforge.web.security.identity import PasswordFile, Role, User


def test_a_user_logs_in_with_the_password_alone(tmp_path: Path) -> None:
    """With the right name and password; the file has no password in it and is its owner's."""
    path = tmp_path / "users"
    passwords.add(path, "kim", "operator", "correct horse")
    users = PasswordFile(path)
    assert users.log_in("kim", "correct horse") == User("kim", Role.OPERATOR)
    assert users.log_in("kim", "correct hors") is None
    assert users.log_in("ann", "correct horse") is None
    assert users.log_in("ann", "") is None
    assert "horse" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_of_the_file_is_seen_at_once(tmp_path: Path) -> None:
    """A new password, a new role, and a user who is gone."""
    path = tmp_path / "users"
    passwords.add(path, "kim", "admin", "first")
    users = PasswordFile(path)
    admin = User("kim", Role.ADMIN)
    assert users.known(admin)
    passwords.add(path, "kim", "viewer", "second")
    assert not users.known(admin)
    assert users.log_in("kim", "first") is None
    assert users.log_in("kim", "second") == User("kim", Role.VIEWER)
    path.write_text("# none\n")
    assert not users.known(User("kim", Role.VIEWER))


@pytest.mark.parametrize("line", ["kim", "kim:admin", ":admin:x", "kim:admin:x:y"])
def test_a_line_that_is_no_user_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "users"
    path.write_text(f"# users\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 2: it is not name:role:hash"):
        PasswordFile(path)


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("kim:boss:scrypt$x$y\n")
    with pytest.raises(ConfigurationError, match="'boss' is no role; the roles are viewer, op"):
        PasswordFile(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PasswordFile(tmp_path / "users")


@pytest.mark.parametrize("name", ["", "a:b", "a\nb:admin:x"])
def test_a_name_that_would_be_another_line_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no colon"):
        passwords.add(tmp_path / "users", name, "viewer", "secret")


@pytest.mark.parametrize("stored", ["", "plain", "md5$x$y", passwords.NO_PASSWORD])
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    assert not passwords.matches("", stored)
    assert not passwords.matches("secret", stored)
