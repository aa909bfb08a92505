"""What a worker knows of definitions: each is read once, and a damaged one spoils only itself."""

from __future__ import annotations

import pytest

from flowforge.errors import CorruptRecordError
from flowforge.worker.run.plans import Plans
from tests.contract.bench import Bench
from tests.unit.model.samples import orders

CHARGE = "tests.unit.model.samples.Charge"


@pytest.fixture
def stored(bench: Bench) -> str:
    """The hash of a definition that the server has."""
    definition = orders().definition()
    store(bench, definition.hash, definition.to_json())
    return definition.hash


def store(bench: Bench, name: str, text: str) -> None:
    bench.link.call("HSET", bench.key("definition", name), "json", text)


def test_a_plan_is_kept(bench: Bench, stored: str) -> None:
    """Until the process ends, whatever becomes of the definition; one that is read is not."""
    plans = Plans(bench.store)
    kept = plans.get(stored)
    assert plans.read(stored) is not kept
    bench.link.call("DEL", bench.key("definition", stored))
    assert plans.get(stored) is kept
    with pytest.raises(CorruptRecordError, match=f"{stored} is not stored any more"):
        plans.read(stored)


def test_an_invocation_is_told_by_class_and_place(bench: Bench, stored: str) -> None:
    """By the definition of its job, not by its message."""
    plans = Plans(bench.store)
    assert plans.class_name(stored, "7.1.1.3") == CHARGE
    assert plans.place_of(stored, "7.1.1.3") == "charge.all"
    bench.link.call("HSET", bench.key("job", "j1"), "def", stored)
    assert plans.class_of("j1", "7.1.0") == CHARGE
    assert plans.class_of("gone", "7.1.0") == ""


@pytest.mark.parametrize("invocation", ["7.9.0", "7.0.9"])
def test_an_invocation_without_a_place_is_told_by_its_name(
    bench: Bench, stored: str, invocation: str
) -> None:
    """So is each one of a definition that cannot be read."""
    plans = Plans(bench.store)
    assert plans.place_of(stored, invocation) == invocation
    assert plans.class_name(stored, "7.9.0") == ""
    store(bench, "damaged", "{")
    assert plans.place_of("damaged", "7.0.0") == "7.0.0"
    assert plans.class_name("damaged", "7.0.0") == ""
