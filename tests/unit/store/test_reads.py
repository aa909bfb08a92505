"""The store owns its reads: no other room sends a command to the server or names a key."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowforge

_ROOT = Path(flowforge.__file__).parent

#: Methods of a link and of the scripts, which send commands, and of the keys, which name them.
_OWN = {("link", "call"), ("link", "many"), ("scripts", "run"), ("keys", "of")}

#: What other rooms ask of an engine's client: to close it, and where it is connected to.
_OF_CLIENTS = {"close", "connection_pool"}


def uses(source: str) -> Iterator[str]:
    """Where a module sends a command itself or names a key."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Attribute, ast.Name)):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
            held = isinstance(node.value, ast.Attribute) and owner.lstrip("_") == "client"
            if (owner.lstrip("_"), node.attr) in _OWN or (held and node.attr not in _OF_CLIENTS):
                yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "source",
    [
        "engine.store.link.call('GET', name)",
        "self._link.many([])",
        "link = store.link\nlink.call('TIME')",
        "send = store.link.call",
        "store.keys.of('job', job_id)",
        "engine.client.get(name)",
        "self._client.execute_command('TIME')",
        "engine.store.scripts.run('view', job_id)",
    ],
)
def test_a_command_of_a_module_is_found(source: str) -> None:
    """In each of the ways in which modules have held a link."""
    assert list(uses(source))


def test_the_store_alone_sends_commands() -> None:
    """Row fields and key names stay within the store, so that they can be changed there."""
    modules = [path for path in _ROOT.rglob("*.py") if _ROOT / "store" not in path.parents]
    assert len(modules) > 100
    found = {str(path): list(uses(path.read_text(encoding="utf-8"))) for path in modules}
    assert {path: lines for path, lines in found.items() if lines} == {}
