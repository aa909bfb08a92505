"""Which params a handler receives."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import ArgumentError
from flowforge.model.handlers.signature import Origin, Signature


class Handlers:
    """Methods of every kind; each returns what it received."""

    def nothing(self) -> Any:
        return ()

    def everything(self, **params: Any) -> Any:
        return params

    def named(self, a: Any, b: Any = 0) -> Any:
        return a, b

    def keyword(self, *, a: Any, b: Any = 0) -> Any:
        return a, b

    def data(self, data: Any) -> Any:
        return data

    def sole(self, order: Any) -> Any:
        return order

    def default(self, limit: Any = 10) -> Any:
        return limit

    def mapping(self, order: Mapping[str, Any]) -> Any:
        return order

    def optional_mapping(self, order: dict[str, Any] | None = None) -> Any:
        return order

    def number(self, order_id: int) -> Any:
        return order_id

    def optional_number(self, limit: int = 10) -> Any:
        return limit

    def sole_positional(self, order: Any, /) -> Any:
        return order

    def positional(self, a: Any, b: Any = 2, c: Any = 3, /) -> Any:
        return a, b, c

    def positional_and_rest(self, a: Any, /, **rest: Any) -> Any:
        return a, rest

    def positional_and_named(self, a: Any, /, b: Any) -> Any:
        return a, b

    def named_and_rest(self, a: Any, **rest: Any) -> Any:
        return a, rest

    def star(self, *args: Any) -> Any:
        return args

    def star_and_sole(self, order: Any, *args: Any) -> Any:
        return order, args

    def free_self(self, /, **params: Any) -> Any:
        return params


def origin() -> Origin:
    return Origin("charge.input", "fetch.output -> charge.input sent", "emit it under this name")


def call(name: str, **params: Any) -> Any:
    signature = Signature.of(getattr(Handlers, name))
    args, kwargs = signature.arguments(params, origin)
    return getattr(Handlers(), name)(*args, **kwargs)


@pytest.mark.parametrize(
    ("handler", "params", "received"),
    [
        ("nothing", {"a": 1}, ()),
        ("everything", {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ("everything", {}, {}),
        ("named", {"a": 1, "b": 2}, (1, 2)),
        ("named", {"a": 1}, (1, 0)),
        ("named", {"a": 1, "b": 2, "extra": 3}, (1, 2)),
        ("keyword", {"b": 2, "a": 1, "extra": 3}, (1, 2)),
        ("data", {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ("data", {"data": 1, "b": 2}, 1),
        ("mapping", {"a": 1}, {"a": 1}),
        ("mapping", {"order": {"b": 2}, "a": 1}, {"b": 2}),
        ("optional_mapping", {"a": 1}, {"a": 1}),
        ("optional_mapping", {}, None),
        ("optional_number", {"other": 5}, 10),
        ("number", {"order_id": 5, "a": 1}, 5),
        ("sole", {"order": 1, "b": 2}, 1),
        ("sole", {"a": 1}, {"a": 1}),
        ("sole", {"order": None}, None),
        ("default", {}, 10),
        ("default", {"limit": 5}, 5),
        ("default", {"other": 5}, {"other": 5}),
        ("sole_positional", {"order": 1, "b": 2}, 1),
        ("sole_positional", {"a": 1}, {"a": 1}),
        ("positional", {"a": 1}, (1, 2, 3)),
        ("positional", {"c": 9, "a": 1}, (1, 2, 9)),
        ("positional_and_rest", {"a": 1, "b": 2}, (1, {"b": 2})),
        ("positional_and_named", {"b": 2, "a": 1, "c": 3}, (1, 2)),
        ("named_and_rest", {"a": 1, "b": 2}, (1, {"b": 2})),
        ("star", {"a": 1}, ()),
        ("star_and_sole", {"order": 1, "b": 2}, (1, ())),
        ("free_self", {"self": 1}, {"self": 1}),
    ],
)
def test_binding(handler: str, params: dict[str, Any], received: Any) -> None:
    """Each kind of handler receives what the rules give it."""
    assert call(handler, **params) == received


@pytest.mark.parametrize(
    ("handler", "params", "missing"),
    [
        ("named", {"b": 2}, "without 'a'; fetch.output -> charge.input sent 'b': emit it"),
        ("keyword", {}, "without 'a'; fetch.output -> charge.input sent no params: emit it"),
        ("number", {"oder_id": 1}, "without 'order_id'; fetch.output -> charge.input sent"),
        ("number", {}, "without 'order_id'"),
        ("mapping", {}, "without 'order'"),
        ("data", {}, "without 'data'"),
        ("sole_positional", {}, "without 'order'"),
        ("positional", {"b": 2}, "without 'a'"),
        ("named_and_rest", {"b": 2}, "without 'a'"),
        (
            "positional_and_named",
            {"c": 1},
            "without 'a', 'b'; fetch.output -> charge.input sent 'c'",
        ),
    ],
)
def test_a_missing_argument_is_named(handler: str, params: dict[str, Any], missing: str) -> None:
    """The error says where, what is missing and what came in its place."""
    with pytest.raises(ArgumentError) as caught:
        call(handler, **params)
    assert str(caught.value).startswith("charge.input was called ")
    assert missing in str(caught.value)


def test_a_param_with_the_name_of_self_is_refused() -> None:
    """Python cannot pass it, so the error says what to do in place of a confusing TypeError."""
    signature = Signature.of(Handlers.everything)
    with pytest.raises(ArgumentError, match="param_mapping"):
        signature.arguments({"self": 1}, origin)


def test_params_that_fit_are_not_copied() -> None:
    """The common cases pass the dict on as it is."""
    params = {"a": 1, "b": 2}
    for handler in (Handlers.named, Handlers.everything):
        assert Signature.of(handler).arguments(params, origin)[1] is params


def test_the_origin_is_asked_only_for_an_error() -> None:
    """Describing the place costs time, so it happens only when something is missing."""

    def unexpected() -> Origin:
        raise AssertionError

    Signature.of(Handlers.named).arguments({"a": 1}, unexpected)


def test_a_plain_function_has_no_self() -> None:
    """With ``skip_self=False`` the first parameter counts."""

    def function(a: int, b: int = 0) -> None: ...

    signature = Signature.of(function, skip_self=False)
    assert signature.arguments({"a": 1, "c": 3}, origin) == ((), {"a": 1})


def _parameters(
    positional: int, normal: int, keyword: int, optional: bool, rest: bool
) -> list[Parameter]:
    """Parameters p0, p1, ... of the given kinds; ``rest`` adds ``**rest``."""
    kinds = (
        *(Parameter.POSITIONAL_ONLY for _ in range(positional)),
        *(Parameter.POSITIONAL_OR_KEYWORD for _ in range(normal)),
        *(Parameter.KEYWORD_ONLY for _ in range(keyword)),
    )
    default = None if optional else Parameter.empty
    made = [Parameter(f"p{i}", kind, default=default) for i, kind in enumerate(kinds)]
    return [*made, Parameter("rest", Parameter.VAR_KEYWORD)] if rest else made


@given(
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(["p0", "p1", "p2", "p3", "x", "y"]), st.integers(1)),
)
def test_whatever_the_signature_the_call_works(
    positional: int, normal: int, keyword: int, optional: bool, rest: bool, params: dict[str, int]
) -> None:
    """A handler of any shape gets its matches and, with ``**``, the rest; or an ArgumentError."""
    parameters = _parameters(positional, normal, keyword, optional, rest)
    names = [p.name for p in parameters if p.name != "rest"]
    missing = [name for name in names if name not in params]
    signature = Signature(parameters)
    sole = len(names) == 1 and not rest
    if missing and not optional and not (sole and params):
        with pytest.raises(ArgumentError):
            signature.arguments(params, origin)
        return
    args, kwargs = signature.arguments(params, origin)
    # Fails, as the call would, when an argument is missing, unknown or given twice.
    bound = inspect.Signature(parameters).bind(*args, **kwargs)
    bound.apply_defaults()
    received = bound.arguments
    if rest:
        extras = {name: value for name, value in params.items() if name not in names}
        assert received.pop("rest") == extras
    if sole and missing:
        assert received == {names[0]: params if params or not optional else None}
    else:
        assert received == {name: params.get(name) for name in names}
