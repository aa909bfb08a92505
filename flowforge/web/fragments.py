"""The parts of a page that change while it is open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
from jinja2 import meta, nodes, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from flowforge.web import filters

#: Seconds after which a fragment is made again though its data are the same: the text of a time
#: depends on how far it is.
_OLDEST = 60.0


class Input(NamedTuple):
    """A variable of a page; or where nothing else is used of it, an attribute of one."""

    name: str
    attribute: str | None = None

    def value(self, context: Context) -> Any:
        """What it is; of what is not there something that is never the same."""
        found = context.get(self.name)
        if self.attribute is not None:
            found = context.environment.getattr(found, self.attribute)
        return object() if isinstance(found, jinja2.Undefined) else found


class FragmentInputs:
    """What each fragment of a template is made from.

    Only those fragments are known that are made from nothing but what the page's view has given.
    """

    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment
        self._found: dict[str, Mapping[str, Sequence[Input]]] = {}

    def of(self, template: str) -> Mapping[str, Sequence[Input]]:
        """By the name of the fragment."""
        if template not in self._found:
            self._found[template] = self._read(template)
        return self._found[template]

    def _read(self, template: str) -> dict[str, Sequence[Input]]:
        assert self._environment.loader is not None
        source, _, _ = self._environment.loader.get_source(self._environment, template)
        tree = self._environment.parse(source)
        imported = {one.target for one in tree.find_all(nodes.Import)}
        own = {one.name for one in tree.find_all(nodes.Name) if one.ctx != "load"}
        own |= {one.name for one in tree.find_all(nodes.Macro)}
        found: dict[str, Sequence[Input]] = {}
        for block in tree.find_all(nodes.CallBlock):
            name = _fragment(block)
            if name is None:
                continue
            body = nodes.Template(block.body, lineno=block.lineno)
            body.set_environment(self._environment)
            names = meta.find_undeclared_variables(body) - imported
            # What a template has set itself is no variable of the page: it is not known here.
            if not names & own:
                found[name] = [one for each in sorted(names) for one in _inputs(body, each)]
        return found


def _inputs(body: nodes.Template, name: str) -> Iterator[Input]:
    uses = sum(one.name == name for one in body.find_all(nodes.Name))
    attributes = [
        one.attr
        for one in body.find_all(nodes.Getattr)
        if isinstance(one.node, nodes.Name) and one.node.name == name
    ]
    if len(attributes) < uses:
        yield Input(name)
    else:
        yield from (Input(name, one) for one in sorted(set(attributes)))


def _fragment(block: nodes.CallBlock) -> str | None:
    """The name of ``{% call live("name") %}``; None for any other call."""
    call = block.call
    if not (isinstance(call.node, nodes.Name) and call.node.name == "live" and call.args):
        return None
    name = call.args[0]
    return str(name.value) if isinstance(name, nodes.Const) else None


class FragmentMemory:
    """The fragments of an open page as they were made last, and what from."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, list[Any], str]] = {}

    def find(self, name: str, values: list[Any]) -> str | None:
        """The text that was made from the same values; None where there is none."""
        at, made_from, text = self._made.get(name, (float("-inf"), [], ""))
        if at <= time.monotonic() - _OLDEST:
            return None
        try:
            return text if made_from == values else None
        except RecursionError:
            # Of params that are nested too deeply nothing is known.
            return None

    def keep(self, name: str, values: list[Any], text: str) -> None:
        """Remember a text; the values must not be changed any more."""
        self._made[name] = (time.monotonic(), values, text)

    def forget(self, name: str) -> None:
        """Keep nothing of a fragment that says how long ago something was."""
        self._made.pop(name, None)


class Fragments:
    """What a template has put between ``{% call live("name") %}`` and its end, by name.

    ``still``: the answer to a form, at whose address no page is that could be read again.
    ``inputs``, ``memory``: of a page that is open, in which a fragment is made only when that
    which it is made from has changed.
    """

    def __init__(
        self,
        *,
        still: bool = False,
        inputs: Mapping[str, Sequence[Input]] | None = None,
        memory: FragmentMemory | None = None,
    ) -> None:
        self.found: dict[str, str] = {}
        self._still = still
        self._inputs = inputs or {}
        self._memory = memory

    @pass_context
    def __call__(self, context: Context, name: str, caller: Callable[[], str]) -> Markup:
        """The fragment in an element that the browser finds again."""
        if self._memory is not None:
            self.found[name] = self._remembered(self._memory, context, name, caller)
            return Markup()
        text = caller()
        self.found[name] = str(text)
        if self._still:
            return Markup("<div>{}</div>").format(Markup(text))
        return Markup('<div data-live="{}">{}</div>').format(name, Markup(text))

    def _remembered(
        self, memory: FragmentMemory, context: Context, name: str, caller: Callable[[], str]
    ) -> str:
        inputs = self._inputs.get(name)
        if inputs is None:
            return str(caller())
        values = [one.value(context) for one in inputs]
        text = memory.find(name, values)
        if text is None:
            with filters.ages_told() as told:
                text = str(caller())
            if told:
                memory.forget(name)
            else:
                memory.keep(name, values, text)
        return text
