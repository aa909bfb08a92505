"""Which modules a development server runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowforge.dev.modules import choose_modules
from flowforge.errors import ConfigurationError

FLOW = "from flowforge import Flow\nflow = Flow('it')\n"


def write(project: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = project.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch() if path.parent != project else None
        path.write_text(text)


def test_the_command_line_wins(tmp_path: Path) -> None:
    """Then FLOWFORGE_IMPORTS, then pyproject.toml, then what is found."""
    write(tmp_path, one=FLOW, two=FLOW, shop__flows=FLOW)
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[tool.flowforge]\nimports = ["shop.flows"]\n')
    assert choose_modules(["two"], ["one"], tmp_path) == ("two",)
    assert choose_modules(["shop/flows.py"], [], tmp_path) == ("shop.flows",)
    assert choose_modules([], ["one", "two"], tmp_path) == ("one", "two")
    assert choose_modules([], [], tmp_path) == ("shop.flows",)
    pyproject.write_text('[tool.flowforge]\nimports = "shop.flows"\n')
    with pytest.raises(ConfigurationError, match="must be a list of modules"):
        choose_modules([], [], tmp_path)
    pyproject.write_text("[tool")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml cannot be read"):
        choose_modules([], [], tmp_path)


def test_the_only_module_with_a_flow_is_found(tmp_path: Path) -> None:
    """Without importing it: tests, environments and other modules are passed over."""
    write(
        tmp_path, shop__flows=f"{FLOW}x = = 1\n", shop__other="import flowforge\n",
        tests__test_flows=FLOW, lib__site__more="Flow()\n",
    )  # fmt: skip
    environment = tmp_path / "env"
    write(environment, module=FLOW)
    (environment / "pyvenv.cfg").touch()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "no-package.py").write_text(FLOW)
    assert choose_modules([], [], tmp_path) == ("shop.flows",)


def test_what_was_looked_for_is_said(tmp_path: Path) -> None:
    """When nothing is found, and when there is a choice."""
    with pytest.raises(ConfigurationError, match=r"(?s)no flow.*FLOWFORGE_IMPORTS.*pyproject"):
        choose_modules([], [], tmp_path)
    write(tmp_path, one=FLOW, two=FLOW)
    with pytest.raises(ConfigurationError, match=r"\(one, two\).*`flowforge dev one`"):
        choose_modules([], [], tmp_path)


@pytest.mark.parametrize("name", ["missing", "shop.missing", "no_such_package.flows"])
def test_a_module_must_be_there(tmp_path: Path, name: str) -> None:
    """In the folder or on the Python path; its own errors are for the workers to say."""
    write(tmp_path, shop__flows=FLOW)
    with pytest.raises(ConfigurationError, match="there is no module"):
        choose_modules([name], [], tmp_path)
    with pytest.raises(ConfigurationError, match="is no name of a module"):
        choose_modules(["shop-flows"], [], tmp_path)
    assert choose_modules(["examples.flights.flow"], [], tmp_path)
