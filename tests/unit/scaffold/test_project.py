"""Where a new project may be written, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowforge.errors import InvalidValueError
from flowforge.scaffold.project import check_name, write_project


@pytest.mark.parametrize("name", ["shop", "my_shop", "Shop2", "_shop", "workers"])
def test_an_identifier_is_a_name(name: str) -> None:
    """Whatever a Python package can be called."""
    check_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("my-shop", "cannot be the name of a Python package.*my_shop would do"),
        ("My Shop!", "my_shop would do"),
        ("1shop", "begins with no digit$"),
        ("", "cannot be the name"),
        ("prüfung", "ASCII"),
        ("class", "word of Python's own"),
        ("match", "word of Python's own"),
        ("json", "a module that Python or the project itself uses"),
        ("tests", "a module that Python or the project itself uses"),
        ("flowforge", "a module that Python or the project itself uses"),
    ],
)
def test_another_name_is_refused(name: str, why: str, tmp_path: Path) -> None:
    """The error says why, and nothing is written."""
    with pytest.raises(InvalidValueError, match=why):
        write_project(tmp_path / "folder", name, "1.2")
    assert not (tmp_path / "folder").exists()


def test_the_name_stands_in_every_file(tmp_path: Path) -> None:
    """Also in paths; an empty folder may be there before."""
    (tmp_path / "bakery").mkdir()
    written = write_project(tmp_path / "bakery", "bakery", "1.2")
    assert Path("bakery/flows.py") in written
    assert sorted(written) == sorted(
        path.relative_to(tmp_path / "bakery")
        for path in (tmp_path / "bakery").rglob("*")
        if path.is_file()
    )
    texts = {path: (tmp_path / "bakery" / path).read_text() for path in written}
    assert not [path for path, text in texts.items() if "shop" in text or "VERSION" in text]
    assert '"flowforge>=1.2"' in texts[Path("pyproject.toml")]
    assert 'imports = ["bakery.flows"]' in texts[Path("pyproject.toml")]


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """Nothing of a user is written over."""
    (tmp_path / ".git").mkdir()
    with pytest.raises(InvalidValueError, match="is not empty"):
        write_project(tmp_path, "shop", "1.2")
    file = tmp_path / ".git" / "file"
    file.touch()
    with pytest.raises(InvalidValueError, match="is a file"):
        write_project(file, "shop", "1.2")
