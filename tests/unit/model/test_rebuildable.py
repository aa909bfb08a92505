"""What is refused because another process could not rebuild it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from flowforge.errors import DefinitionError, NotRebuildableError
from flowforge.model.rebuildable import check_rebuildable
from flowforge.model.routine import Routine
from tests.unit.model.samples import Attributes, Charge, NeedsArgument


def test_a_routine_like_its_class_is_accepted() -> None:
    """Objects may differ where both have one; config, queue and stats are carried."""
    routine = Attributes()
    routine.set_config(rate=1)
    routine.set_stat("seen", 1)
    routine.queue = "billing"
    assert isinstance(check_rebuildable(routine), Attributes)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", 0.5), ("strict", 1), ("tags", ["a", "b"]), ("tags", ("a",)), ("_private", 2),
     ("new", 1), ("new", {"a": [b""]}), ("client", "url"), ("lock", None)],
    ids=str,
)  # fmt: skip
def test_plain_data_that_would_be_lost_is_refused(name: str, value: object) -> None:
    """The error names the attribute, both values, and config as the way to carry it."""
    routine = Attributes()
    setattr(routine, name, value)
    with pytest.raises(NotRebuildableError, match=rf"set_config\({name}=...\)") as caught:
        check_rebuildable(routine)
    assert f"attribute {name!r} of Attributes is {value!r}" in str(caught.value)


@pytest.mark.parametrize("name", ["client", "new"])
def test_an_object_that_would_be_lost_is_refused(name: str) -> None:
    """What cannot be carried is opened by each process in ``setup``."""
    routine = Attributes()
    setattr(routine, name, threading.Lock())
    with pytest.raises(NotRebuildableError, match=rf"{name!r}.*open it in setup\(\)"):
        check_rebuildable(routine)


def test_optional_arguments_of_init_must_not_matter() -> None:
    """An instance that default arguments would not give is refused."""
    check_rebuildable(Attributes())
    with pytest.raises(NotRebuildableError, match="'bonus'"):
        check_rebuildable(Attributes(extra=True))


def test_a_value_of_the_moment_is_refused() -> None:
    """What each process would compute differently is no part of a definition."""

    class Started(Routine):
        def __init__(self) -> None:
            super().__init__()
            self.started = time.perf_counter_ns()

    with pytest.raises(NotRebuildableError, match="'started'"):
        check_rebuildable(Started())


def test_required_arguments_are_refused() -> None:
    """A worker builds without arguments."""
    with pytest.raises(NotRebuildableError, match="no required arguments"):
        check_rebuildable(NeedsArgument("x"))


def test_a_class_that_was_replaced_is_refused() -> None:
    """Workers would build the later class of the name, not the one of this instance."""

    def define() -> type[Routine]:
        class Replaced(Routine):
            pass

        return Replaced

    earlier, later = define(), define()
    check_rebuildable(later())
    with pytest.raises(NotRebuildableError, match="a later class took the name"):
        check_rebuildable(earlier())


def test_the_base_class_is_refused() -> None:
    """A bare Routine handles nothing."""
    with pytest.raises(NotRebuildableError, match="subclass"):
        check_rebuildable(Routine())


def test_dunder_slots_are_refused() -> None:
    """Attributes outside ``__dict__`` would be missing from the copies that run."""

    class Slotted(Routine):
        __slots__ = ("client",)

    with pytest.raises(NotRebuildableError, match="remove __slots__"):
        check_rebuildable(Slotted())


@pytest.mark.parametrize(("name", "value"), [("_slots", ["a"]), ("_events", {"a": 1})])
def test_overwriting_private_state_is_noticed(name: str, value: object) -> None:
    """A subclass that takes one of Routine's attributes for itself is told to rename its own."""
    routine = Charge()
    setattr(routine, name, value)
    with pytest.raises(NotRebuildableError, match=f"overwrites '{name}'"):
        check_rebuildable(routine)


def test_checking_again_needs_no_further_instance() -> None:
    """The instance of the first check serves the later ones."""
    routine = Attributes()
    built = check_rebuildable(routine)
    assert check_rebuildable(routine, built) is built
    routine.rate = 9
    with pytest.raises(NotRebuildableError, match="'rate'"):
        check_rebuildable(routine, built)


class LaterCall(Routine):
    """Its own entry runs nothing when it is called."""

    async def __call__(self) -> None: ...


class LaterSetup(Routine):
    """Opens nothing when it is called."""

    async def setup(self) -> None:  # type: ignore[override]
        ...


@pytest.mark.parametrize(("cls", "name"), [(LaterCall, "__call__"), (LaterSetup, "setup")])
def test_an_asynchronous_entry_or_setup_is_refused(cls: type[Routine], name: str) -> None:
    """As an asynchronous handler is where its slot is defined."""
    with pytest.raises(DefinitionError, match=rf"{cls.__name__}\.{name} is async"):
        check_rebuildable(cls())


@pytest.mark.parametrize("queue", ["", 3], ids=repr)
def test_a_queue_has_a_name(queue: Any) -> None:
    """As in ``add_routine``; an attribute is looked at when the routine is added."""
    routine = Charge()
    routine.queue = queue
    with pytest.raises(DefinitionError, match="queue of Charge must"):
        check_rebuildable(routine)
