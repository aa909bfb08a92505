"""``python -m tests.tutorial``: do what docs/tutorial/from-an-empty-folder.md says, and write the
page with what was seen.

A virtual environment gets the wheel of this working tree with its dashboard, and pytest: nothing of
the tree itself. In an empty folder each block of the page is entered in its turn. The blocks are
written with the lines that were printed in place of those that the page had, so the ids and times
of all of them are of one run; a line that is not printed any more ends it. The pictures are taken
in Chromium, from the dashboard of that run. With ``--check`` nothing is written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.environment import without_settings
from tests.support.pages import ROOT, Block, Picture, blocks, pictures
from tests.support.parts import CHROMIUM
from tests.tutorial.newcomer import LANGUAGES, PAGE, Newcomer
from tests.tutorial.photographer import Photographer, photographer


def main() -> int:
    """Exit status 0 when the page holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.tutorial", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    program = CHROMIUM.program()
    if program is None:
        print(f"{CHROMIUM.name}: {CHROMIUM.get}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="flowforge-tutorial-") as name:
        place = Path(name)
        programs = _install(place)
        folder = place / "empty"
        folder.mkdir()
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        newcomer = Newcomer(folder, without_settings(PATH=path))
        try:
            with photographer(program, newcomer) as camera:
                text = _written(newcomer, camera, place if check else None)
        finally:
            newcomer.end()
    if not check:
        PAGE.write_text(text)
    return 0


def _install(place: Path) -> Path:
    """The folder of the programs of a new environment with the wheel."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (place / "dist").iterdir()
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
    programs = place / "venv/bin"
    install = [str(programs / "python"), "-m", "pip", "install", "-qq"]
    options = ["--disable-pip-version-check", f"{wheel}[web]", "pytest"]
    subprocess.run([*install, *options], check=True)
    return programs


def _written(newcomer: Newcomer, camera: Photographer, elsewhere: Path | None) -> str:
    """The page with what was seen. ``elsewhere``: where pictures go in place of theirs."""
    lines = PAGE.read_text().splitlines()
    steps: list[Block | Picture] = [*blocks(PAGE, *LANGUAGES), *pictures(PAGE)]
    for step in sorted(steps, key=lambda step: step.start):
        if isinstance(step, Block):
            seen = newcomer.enter(step)
            print("\n".join(seen), flush=True)
            lines[step.start - 1 : step.start - 1 + len(step.lines)] = seen
        else:
            camera.take(step.file if elsewhere is None else elsewhere / step.file.name)
            print(f"[{step.file.name}]", flush=True)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
