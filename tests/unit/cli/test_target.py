"""Finding the flow, the entry and the params that the command line names."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flowforge import Flow, Routine
from flowforge.cli.group import CommandFailedError
from flowforge.cli.main import cli
from flowforge.cli.options.arguments import pairs
from flowforge.cli.target import choose_entry, load_flow

SOURCE = "from flowforge import Flow\nflow = Flow('found')\nnone = None\nother = 3\n"

Write = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into the working directory; returns its name, which no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    written: list[str] = []

    def write(source: str) -> str:
        written.append(f"m{secrets.token_hex(6)}")
        (tmp_path / f"{written[-1]}.py").write_text(source)
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


class Step(Routine):
    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.run)
        self.define_event("output")

    def run(self) -> None:
        """Nothing."""


def test_module_in_the_working_directory(module: Write) -> None:
    """A module beside the shell is found without an installation."""
    assert load_flow(f"{module(SOURCE)}:flow").flow_id == "found"


def test_file_path(module: Write, tmp_path: Path) -> None:
    """A file is imported under the name that workers will import it by."""
    name = module(SOURCE)
    assert load_flow(f"{tmp_path / name}.py:flow").flow_id == "found"
    assert Path(str(sys.modules[name].__file__)).parent == tmp_path


def test_file_in_a_package(module: Write, tmp_path: Path) -> None:
    """A file of a package is imported as that package's module."""
    package = module("")
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "flows.py").write_text(SOURCE)
    (tmp_path / f"{package}.py").unlink()
    load_flow(f"{package}/flows.py:flow")
    assert f"{package}.flows" in sys.modules
    sys.modules.pop(f"{package}.flows")


def test_only_flow_needs_no_name(module: Write) -> None:
    """Where a module holds one flow its name may be left out."""
    assert load_flow(module(SOURCE)).flow_id == "found"


def test_several_flows_need_a_name(module: Write) -> None:
    """With several flows the message lists them."""
    name = module(f"{SOURCE}second = Flow('second')\n")
    with pytest.raises(click.BadParameter, match="flows there: flow, second"):
        load_flow(name)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{}:missing", "has no 'missing'; flows there: flow"),
        ("{}:other", "is no Flow but of type int; flows there: flow"),
        ("{}:other.real", "is no Flow but of type int"),
        ("{}_not:flow", "there is no module"),
        ("not.a-name:flow", "is no module name"),
        ("nowhere.py:flow", "there is no file 'nowhere.py'"),
        (":flow", "is no module name"),
    ],
)
def test_what_cannot_be_found(module: Write, target: str, message: str) -> None:
    """A wrong MODULE:FLOW is wrong use, and the message says what is there."""
    name = module(SOURCE)
    with pytest.raises(click.BadParameter, match=message):
        load_flow(target.format(name))


def test_name_of_another_module(module: Write, tmp_path: Path) -> None:
    """A file that another module's name hides is refused instead of taking the other's flows."""
    module("")
    (tmp_path / "json.py").write_text(SOURCE)
    with pytest.raises(click.BadParameter, match="'json' is taken by another module"):
        load_flow("json.py:flow")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n1 / 0\n", r"line 2: ZeroDivisionError"),
        ("import not_there_at_all\n", "No module named 'not_there_at_all'"),
        ("def f(:\n", r"line 1: SyntaxError"),
        ("raise SystemExit('by itself')\n", "SystemExit: by itself"),
    ],
)
def test_module_that_fails(module: Write, source: str, message: str) -> None:
    """An error of the module itself is told with its place."""
    name = module(source)
    with pytest.raises(CommandFailedError, match=message):
        load_flow(f"{name}:flow")


def test_entry_is_what_nothing_feeds() -> None:
    """The one routine without a source is the entry, even when it also feeds itself."""
    flow = Flow()
    for name in ("last", "first"):
        flow.add_routine(Step, name)
    flow.connect("first", "output", "last", "input")
    flow.connect("first", "output", "first", "input")
    assert choose_entry(flow, None) == "first"
    assert choose_entry(flow, "last") == "last"


def test_sub_flow_as_entry() -> None:
    """A sub-flow can be the entry by its own id."""
    inner, outer = Flow("inner"), Flow("outer")
    inner.add_routine(Step, "step")
    outer.add_flow(inner, "part", entry="step")
    assert choose_entry(outer, "part") == "part"
    assert choose_entry(outer, None) == "part/step"


def test_ambiguous_entry() -> None:
    """Several heads, or a mere cycle, leave the choice to the user."""
    flow = Flow("both")
    for name in ("one", "two"):
        flow.add_routine(Step, name)
    with pytest.raises(click.UsageError, match=r"2 routines \('one', 'two'\)"):
        choose_entry(flow, None)
    flow.connect("one", "output", "two", "input")
    flow.connect("two", "output", "one", "input")
    with pytest.raises(click.UsageError, match="no routine that nothing feeds"):
        choose_entry(flow, None)
    with pytest.raises(click.BadParameter, match="has no routine 'three'; it has: one, two"):
        choose_entry(flow, "three")


def test_params_are_json_or_text() -> None:
    """A value that reads as JSON is one; everything else is the text itself."""
    given = ("n=1", 'list=[1, "a"]', "day=2013-01-01", "empty=", "nan=NaN", "eq=a=b", "code=007")
    context = click.Context(cli)
    assert pairs(context, click.Option(["--param"]), given) == {
        "n": 1, "list": [1, "a"], "day": "2013-01-01", "empty": "", "nan": "NaN", "eq": "a=b",
        "code": "007",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "x:y", "--param", "novalue"], "'novalue' is not name=value"),
        (["run", "x:y", "--params-json", "{"], "'{' is no JSON"),
        (["run", "x:y", "--priority", "10"], "--priority"),
        (["jobs", "--status", "done"], "'pending', 'running', 'paused', 'completed', 'failed'"),
        (["pause", "abc", "--checkpoint", "nope"], "'nope' is no JSON"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_wrong_use(arguments: list[str], message: str) -> None:
    """Wrong use ends with status 2 and says what is known."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
