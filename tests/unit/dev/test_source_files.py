"""Which files of a project have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowforge.dev import source_files
from flowforge.dev.source_files import SourceFiles


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SourceFiles:
    """Looks as often as it is asked."""
    monkeypatch.setattr(source_files, "INTERVAL", 0.0)
    monkeypatch.setattr(source_files, "_SHARE", 1e9)
    (tmp_path / "shop.py").write_text("one")
    return SourceFiles(tmp_path)


def test_a_change_is_told_when_no_more_follows(files: SourceFiles, tmp_path: Path) -> None:
    """An editor that saves several files leads to one reload."""
    assert files.changed() == []
    (tmp_path / "shop.py").write_text("three")
    assert files.changed() == []
    (tmp_path / "new.py").touch()
    assert files.changed() == []
    assert files.changed() == [Path("new.py"), Path("shop.py")]
    assert files.changed() == []


def test_a_file_that_is_replaced_has_changed(files: SourceFiles, tmp_path: Path) -> None:
    """Also with the same size, and so has one that is removed."""
    (tmp_path / "draft").write_text("two")
    (tmp_path / "draft").replace(tmp_path / "shop.py")
    assert [files.changed(), files.changed()] == [[], [Path("shop.py")]]
    (tmp_path / "shop.py").unlink()
    assert [files.changed(), files.changed()] == [[], [Path("shop.py")]]


@pytest.mark.parametrize("place", ["a.txt", ".hidden/a.py", "__pycache__/a.py", "build/a.py"])
def test_other_files_are_not_looked_at(files: SourceFiles, tmp_path: Path, place: str) -> None:
    """Those of builds and caches change without a person."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()
    assert [files.changed(), files.changed()] == [[], []]
