"""What is shipped: the built wheel, as an empty environment would get it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import flowforge
from flowforge import JobState
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import clean_environment
from tests.integration.installation import LIMIT, installed
from tests.support.eventually import eventually
from tests.support.fleet import ROOT

#: A module of a user that is called as the folder of this repository's own Celery target is.
USER_MODULE = """
from flowforge import Flow, routine

@routine
def shout(word: str):
    return {"word": word.upper()}

flow = Flow("shouts")
flow.add_routine(shout, routine_id="shout")
"""


def build(target: str, source: Path, directory: Path) -> Path:
    """The ``wheel`` or ``sdist`` of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working tree."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_it_holds_the_library_alone(wheel: Path) -> None:
    """The wheel installs one package, with its scripts and the mark that it is typed."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "flowforge",
        f"flowforge-{flowforge.__version__}.dist-info",
    }
    assert "flowforge/py.typed" in names
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "flowforge").rglob("*")
        if path.suffix in (".py", ".lua", ".tmpl")
    }
    assert sources <= set(names)


def test_its_version_is_the_packages(wheel: Path) -> None:
    """The version has one source."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        assert message_from_bytes(archive.read(metadata))["Version"] == flowforge.__version__


def test_the_source_distribution_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Who packages from source gets every file of the library, with the same contents."""
    archive = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(archive) as sources:
        sources.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert (source / "tests").is_dir()
    assert contents(build("wheel", source, tmp_path / "wheel")) == contents(wheel)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def unpacked(wheel: Path, tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with the wheel's contents."""
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def test_a_users_module_may_be_called_workers(
    server: LocalServer, tmp_path: Path, unpacked: Path
) -> None:
    """`flowforge worker` runs the flows of a module `workers` that lies in the user's folder."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "workers.py").write_text(USER_MODULE)
    with installed(server, tmp_path, ("workers",)) as installation:
        own = {
            **clean_environment(),
            "PYTHONPATH": str(unpacked),
            "FLOWFORGE_REDIS_URL": server.url,
            "FLOWFORGE_PREFIX": installation.prefix,
            "FLOWFORGE_IMPORTS": "workers",
        }
        tool = [sys.executable, "-m", "flowforge.cli"]
        log = tmp_path / "worker.log"
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [*tool, "worker", "-P", "solo", "-l", "INFO"],
                cwd=folder, env=own, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            eventually(lambda: b"ready." in log.read_bytes(), LIMIT, log.read_text)
            submitted = subprocess.check_output(
                [*tool, "run", "workers:flow", "--param", "word=hey", "--no-wait"],
                cwd=folder, env=own, text=True,
            )  # fmt: skip
            (output_record,) = JobState(submitted.strip()).result(LIMIT)
            assert output_record.params == {"word": "HEY"}
        finally:
            worker.terminate()
            worker.wait(LIMIT)
        assert worker.returncode == os.EX_OK, log.read_text()
