"""Addresses of functions and classes."""

from __future__ import annotations

import functools
import sys
from types import ModuleType

import pytest

from flowforge.model.locate import address_of, find
from tests.unit.model import samples


def _local() -> object:
    def function() -> None: ...

    return function


def test_an_address_leads_back() -> None:
    """What is defined at the top level of a module is found by its address."""
    address = address_of(samples.add_totals)
    assert address == "tests.unit.model.samples:add_totals"
    assert find(address) is samples.add_totals
    assert address_of(ValueError) == "builtins:ValueError"


def test_a_nested_name_leads_back() -> None:
    """A function in a class has an address as well."""
    assert find("tests.unit.model.samples:Fetch.fetch") is samples.Fetch.fetch


@pytest.mark.parametrize(
    "target",
    [
        lambda: None,
        _local(),
        functools.partial(samples.add_totals, {}),
        samples.Fetch().fetch,
        samples.Recorder(),
        None,
        3,
    ],
)
def test_what_another_process_cannot_find_has_no_address(target: object) -> None:
    """Lambdas, local functions, partials, bound methods and plain objects have none."""
    assert address_of(target) is None


def test_a_replaced_function_has_no_address() -> None:
    """A function whose name leads to another object is refused, since that one would run."""
    impostor: object = functools.wraps(samples.add_totals)(lambda old, new: {})
    assert address_of(impostor) is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        ":",
        "this:s",
        "tests.unit.model.samples",
        "tests.unit.model.samples:add_totals.x",
        "a:b:c",
    ],
)
def test_what_is_not_imported_is_not_found(address: str) -> None:
    """Finding never imports and never fails: it answers None."""
    assert find(address) is None
    assert "this" not in sys.modules


def test_a_lazy_module_is_not_made_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module-level ``__getattr__``, which may import, is never called."""
    lazy = ModuleType("lazy_module")
    calls: list[str] = []
    lazy.__getattr__ = calls.append  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "lazy_module", lazy)
    assert find("lazy_module:anything") is None
    assert calls == []
