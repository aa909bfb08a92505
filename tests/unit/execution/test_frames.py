"""Which frame of an exception is the user's own."""

from __future__ import annotations

import json

import pytest

from flowforge.codec.binary import packb
from flowforge.execution.frames import own_frame, own_function


def in_a_library() -> None:
    """The innermost frames are those of Python's own json."""
    json.loads("{")


def in_the_engine() -> None:
    """The innermost frame is FlowForge's."""
    packb(object())


def caught(function: object) -> BaseException:
    try:
        function()  # type: ignore[operator]
    except (ValueError, TypeError) as error:
        return error
    raise AssertionError


def test_the_innermost_frame_of_the_users_code_is_told() -> None:
    """Not the library's or the engine's that it called."""
    for function in (in_a_library, in_the_engine):
        where = own_frame(caught(function))
        line = function.__code__.co_firstlineno + 2
        assert where == f"{__file__}:{line}, in {function.__name__}"


def test_an_installed_handler_is_told_itself() -> None:
    """When all the code is a library's, its outermost frame is nearest to the user."""
    error = caught(in_a_library)
    assert error.__traceback__ is not None
    inner = error.__traceback__.tb_next
    assert inner is not None
    assert own_frame(error.with_traceback(inner.tb_next)).endswith(", in loads")


def test_an_error_before_the_handler_has_no_frame() -> None:
    """A missing argument is raised by the engine."""
    assert own_frame(ValueError()) == ""


class Charge:
    """A class whose method fails."""

    def run(self) -> None:
        """The innermost frame is this one."""
        raise ValueError


def test_a_function_is_named_with_its_module() -> None:
    """Neither the folder nor the line is told: both change while the cause stays the same."""
    assert own_function(caught(Charge().run)) == f"{__name__}.Charge.run"
    assert own_function(caught(in_a_library)) == f"{__name__}.in_a_library"
    assert own_function(ValueError()) == ""


@pytest.mark.parametrize("name", ["__main__", 7])
def test_a_script_is_named_by_its_file(name: object) -> None:
    """Its module has another name where it is imported; a module may have damaged its own."""
    space: dict[str, object] = {"__name__": name}
    exec(compile("def fail(): raise ValueError", "/app/orders.py", "exec"), space)  # noqa: S102
    assert own_function(caught(space["fail"])) == "orders.fail"
