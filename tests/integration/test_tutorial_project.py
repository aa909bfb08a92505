"""The tutorial "from an empty folder": a project is made, developed, broken and mended as shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.dev_terminal import fast_environment
from tests.support.pages import blocks, pictures
from tests.tutorial.newcomer import LANGUAGES, PAGE, Newcomer
from tests.tutorial.photographer import PICTURES

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    inherited = fast_environment()
    # The newcomer's own pytest has no options of this one.
    inherited.pop("PYTEST_ADDOPTS", None)
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"
    found = Newcomer(tmp_path, {**inherited, "PATH": path}, "--port", "0")
    try:
        yield found
    finally:
        found.end()


def test_a_newcomer_sees_what_the_page_shows(newcomer: Newcomer) -> None:
    """From ``flowforge new`` to a job on a fleet."""
    for block in blocks(PAGE, *LANGUAGES):
        newcomer.enter(block)
    assert "docker compose up" in (newcomer.folder / "compose.yaml").read_text()


def test_each_picture_of_the_page_can_be_taken() -> None:
    """The command that writes the page takes no other pictures, and each is there."""
    shown = [picture.file for picture in pictures(PAGE)]
    assert sorted(file.stem for file in shown) == sorted(PICTURES)
    assert all(file.is_file() for file in shown)
