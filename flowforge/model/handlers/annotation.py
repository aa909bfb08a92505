"""Whether a handler's parameter says that it takes a mapping."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

#: How text begins that names a mapping, where the name itself cannot be looked up: it was imported
#: for type checkers alone.
_NAMED = re.compile(r"(?:\w+\.)*(?:dict|Dict|Mapping|MutableMapping|OrderedDict|defaultdict)\b")


def may_be_mapping(parameter: Parameter, function: Callable[..., object] | None) -> bool:
    """Whether a parameter can stand for all params: no annotation, or one that a dict satisfies.

    ``function``: names in an annotation that is text are looked up where it was written.
    """
    annotation = parameter.annotation
    if annotation is Parameter.empty:
        return True
    known = {} if function is None else getattr(inspect.unwrap(function), "__globals__", {})
    alone = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return _takes_dict(get_type_hints(alone, known)["it"])
    except Exception:  # noqa: BLE001 - an annotation may be anything; what is no type is text
        return any(_NAMED.match(part.strip()) for part in str(annotation).split("|"))


def _takes_dict(kind: object) -> bool:
    if kind is Any or kind is object:
        return True
    if get_origin(kind) in (Union, UnionType):
        return any(_takes_dict(part) for part in get_args(kind))
    # What NewType, and from Python 3.12 on a type statement, stand for.
    behind = getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)
    if behind is not None and not isinstance(kind, type):
        return _takes_dict(behind)
    kind = get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, Mapping)
