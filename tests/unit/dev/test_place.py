"""How other commands find a development server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowforge.dev.place import FOLDER, DevRecord, Place, running_in
from flowforge.errors import ConfigurationError

RECORD = DevRecord(7, "redis://:secret@127.0.0.1:20000/0", "ff", ("shop.flows",))


def _of_pid(pid: str) -> str:
    """A record that is right but for the process, which signals are sent to."""
    return f'{{"pid": {pid}, "redis_url": "redis://x", "prefix": "ff", "imports": []}}'


def test_it_is_found_while_it_lives(tmp_path: Path) -> None:
    """Its file has the password of the server, so it is the user's alone."""
    assert running_in(tmp_path) is None
    with Place(tmp_path).taken():
        assert running_in(tmp_path) is None
        Place(tmp_path).publish(RECORD)
        assert running_in(tmp_path) == RECORD
        assert (tmp_path / FOLDER / "dev.json").stat().st_mode & 0o777 == 0o600
    assert running_in(tmp_path) is None
    assert not (tmp_path / FOLDER / "dev.json").exists()


def test_what_a_dead_one_has_left_is_not_believed(tmp_path: Path) -> None:
    """Its lock is free."""
    with Place(tmp_path).taken():
        pass
    Place(tmp_path).publish(RECORD)
    assert running_in(tmp_path) is None


def test_a_folder_has_one(tmp_path: Path) -> None:
    """The second is refused, and the file of the first stays."""
    with Place(tmp_path).taken():
        Place(tmp_path).publish(RECORD)
        second = Place(tmp_path).taken()
        with pytest.raises(ConfigurationError, match="runs in this folder already"):
            second.__enter__()
        assert running_in(tmp_path) == RECORD


@pytest.mark.attack(what="A shared folder has a .flowforge of another user, or links to one")
def test_files_of_others_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would choose the server that this user's jobs go to."""
    with Place(tmp_path).taken():
        Place(tmp_path).publish(RECORD)
        linking = tmp_path / "linking"
        linking.mkdir()
        (linking / FOLDER).symlink_to(tmp_path / FOLDER)
        assert running_in(linking) is None
        second = Place(linking).taken()
        with pytest.raises(ConfigurationError, match="is a link"):
            second.__enter__()
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
        assert running_in(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"pid": "x"}', "{", _of_pid("-1"), _of_pid("0"), _of_pid("Infinity")]
)
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    """Commands then say that no server is named."""
    with Place(tmp_path).taken():
        (tmp_path / FOLDER / "dev.json").write_text(text)
        assert running_in(tmp_path) is None


@pytest.mark.attack(what="A copied project has links to the user's files in its .flowforge")
def test_links_in_the_folder_lead_nowhere(tmp_path: Path) -> None:
    """Nothing is written, and no jobs are kept, where they lead."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / ".gitignore").symlink_to(mine)
    with Place(tmp_path).taken():
        assert mine.read_text() == "mine"
    (folder / "data").symlink_to(tmp_path)
    linking = Place(tmp_path).taken()
    with pytest.raises(ConfigurationError, match="is a link"):
        linking.__enter__()


@pytest.mark.attack(what="Another user has made the .flowforge of a shared folder")
def test_a_folder_of_another_user_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That user could exchange the data that jobs are kept in."""
    (tmp_path / FOLDER).mkdir()
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    taken = Place(tmp_path).taken()
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        taken.__enter__()
    assert not list((tmp_path / FOLDER).iterdir())
