"""``flowforge new``: the project that it writes works as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click.testing
import pytest
import yaml

from flowforge.cli.main import cli
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import clean_environment
from tests.support.fleet import ROOT


def new(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(cli, ["new", *arguments])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new project called ``bakery``."""
    folder = tmp_path / "bakery"
    result = new(str(folder))
    assert result.exit_code == 0, result.output
    assert "  bakery/flows.py\n" in result.output
    return folder


def test_its_own_tests_pass(project: Path) -> None:
    """Without any set-up, and so do the checks that this project passes itself."""
    config = ["--config", str(ROOT / "pyproject.toml"), "."]
    # The order of imports depends on the project's name.
    lint = ["ruff", "check", "--ignore", "I001", *config]
    form = ["ruff", "format", "--check", *config]
    for command in (["pytest", "-q", "-p", "no:cacheprovider"], lint, form):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=project, env=clean_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_workers_know_its_routines(project: Path, server: LocalServer) -> None:
    """The app that Procfile, Dockerfile and compose.yaml start has a task for each routine."""
    shown = subprocess.check_output(
        [sys.executable, "-c", "from bakery.worker import app; print(*sorted(app.tasks))"],
        cwd=project, env=clean_environment() | {"FLOWFORGE_REDIS_URL": server.url}, text=True,
    )  # fmt: skip
    assert {"bakery.flows.split", "bakery.flows.price", "bakery.flows.Invoice"} <= set(
        shown.split()
    )
    for name in ("Procfile", "README.md"):
        assert "bakery" in (project / name).read_text()
    assert '"bakery.worker"' in (project / "Dockerfile").read_text()
    assert yaml.safe_load((project / "compose.yaml").read_text())["name"] == "bakery"


def test_a_folder_with_something_in_it_is_left_alone(project: Path) -> None:
    """It is wrong use, and so is a name that no package can have."""
    (project / "mine.txt").write_text("mine")
    before = sorted(project.rglob("*"))
    refused = new(str(project))
    assert refused.exit_code == 2
    assert "is not empty" in refused.output
    assert sorted(project.rglob("*")) == before
    assert "my_shop would do" in new("my-shop").output
