"""Routine classes by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowforge.errors import UnknownRoutineClassError
from flowforge.model import registry
from flowforge.model.routine import Routine
from tests.unit.model.samples import Charge

ROOT = Path(__file__).parents[3]

SCRIPT = """
from flowforge.model import registry
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.routine import Routine

class Mine(Routine):
    pass

class MineError(Exception):
    pass

handler = ErrorHandler(retryable_exceptions=(MineError,)).serialize()
assert ErrorHandler.deserialize(handler).retryable_exceptions == (MineError,)
print(registry.class_name(Mine), *handler["retryable_exceptions"])
"""


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_subclass_is_found_by_module_and_name() -> None:
    """Defining a subclass is all that it takes to register it."""
    assert registry.class_name(Charge) == "tests.unit.model.samples.Charge"
    assert registry.lookup("tests.unit.model.samples.Charge") is Charge
    assert registry.known()["tests.unit.model.samples.Charge"] is Charge


def test_known_is_a_copy() -> None:
    """Changing what ``known`` returned registers nothing."""
    registry.known()["nowhere.Nothing"] = Charge
    assert "nowhere.Nothing" not in registry.known()


def test_the_latest_class_of_a_name_wins() -> None:
    """A class that is defined again replaces the earlier one, as in a notebook."""

    def define() -> type[Routine]:
        class Again(Routine):
            pass

        return Again

    define()
    latest = define()
    assert registry.lookup(registry.class_name(latest)) is latest


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("shop.orders.Gone", "add shop.orders to FLOWFORGE_IMPORTS of the workers"),
        ("shop.orders.make.<locals>.Gone", "define it at the top level of shop.orders"),
        ("tests.unit.model.samples.Gone", "'tests.unit.model.samples' is imported there but does"),
        ("tests.unit.model.samples.Outer.Gone", "'tests.unit.model.samples' is imported there"),
        ("builtins.Gone", "give the globals of exec() a __name__"),
        ("__main__.Gone", "move it to a module"),
        ("Gone", "move it to a module"),
    ],
)
def test_an_unknown_class_says_what_to_do(name: str, remedy: str) -> None:
    """The error names the class and the remedy that fits this process."""
    with pytest.raises(UnknownRoutineClassError) as caught:
        registry.lookup(name)
    assert repr(name) in str(caught.value)
    assert remedy in str(caught.value)


def test_looking_up_never_imports() -> None:
    """A name is looked up among what is imported, and loads nothing."""
    with pytest.raises(UnknownRoutineClassError):
        registry.lookup("this.Zen")
    assert "this" not in sys.modules


def test_listeners_hear_of_every_class_once_until_they_leave() -> None:
    """A callback gets the classes known before it and those defined after it, each once."""
    heard: list[type[Routine]] = []
    unsubscribe = registry.on_register(heard.append)

    class Later(Routine):
        pass

    unsubscribe()
    unsubscribe()

    class TooLate(Routine):
        pass

    assert heard.count(Charge) == 1
    assert heard.count(Later) == 1
    assert TooLate not in heard


def test_a_listener_may_hear_of_later_classes_alone() -> None:
    """For those who have seen to the known ones in another way."""
    heard: list[type[Routine]] = []
    unsubscribe = registry.on_register(heard.append, later_only=True)

    class Afterwards(Routine):
        pass

    unsubscribe()
    assert heard == [Afterwards]


def test_a_script_is_named_by_its_file(tmp_path: Path) -> None:
    """Classes and exceptions of a script get the name under which workers can import it."""
    (tmp_path / "orders.py").write_text(SCRIPT)
    assert run("orders.py", cwd=tmp_path) == "orders.Mine orders:MineError"


def test_a_module_run_as_a_program_keeps_its_name(tmp_path: Path) -> None:
    """``python -m`` does not change the names of classes, whether of a module or of a package."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "orders.py").write_text(SCRIPT)
    (package / "__main__.py").write_text(SCRIPT)
    assert run("-m", "shop.orders", cwd=tmp_path) == "shop.orders.Mine shop.orders:MineError"
    assert run("-m", "shop", cwd=tmp_path) == "shop.Mine shop:MineError"


def test_interactive_code_has_no_importable_name(tmp_path: Path) -> None:
    """What was typed in stays in ``__main__``, which no other process can import."""
    assert run("-c", SCRIPT, cwd=tmp_path) == "__main__.Mine __main__:MineError"
