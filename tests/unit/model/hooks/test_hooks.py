"""The hooks of a process: what can be declared, and what each is told of."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge import HookEvent, on_event, webhook
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.model.hooks import hooks
from flowforge.model.hooks.hook_event import EventType, HookError, sample_event
from flowforge.model.hooks.hooks import MOST_HOOKS, Hook, known_hooks, on_hook

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ERROR = HookError("ValueError", "no", "shop.charge", "0123456789ab")
EVENT = HookEvent("m1", "job.failed", "shop", "j1", "charge", 3, ERROR, 1, ("j1",), WHEN, WHEN)


@pytest.fixture(autouse=True)
def _no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_hooks", {})


def page(event: HookEvent) -> None:
    """A hook."""


def only() -> Hook:
    (found,) = known_hooks()
    return found


def test_a_function_is_a_hook_and_stays_a_function() -> None:
    """Without arguments it is told of everything, under its own name."""
    assert on_event()(page) is page
    found = only()
    assert (found.name, found.target, found.place) == ("page", page, f"{__name__}:page")
    assert (found.events, found.flow, found.timeout) == (frozenset(EventType), None, 10.0)


def test_a_webhook_is_a_hook() -> None:
    """Its address is shown without what may be secret."""
    webhook("ops", "https://example.com/T0/B0", secret=None, events=["job.failed"], flow="shop")
    found = only()
    assert (found.name, found.place, found.flow) == ("ops", "https://example.com", "shop")
    assert found.events == {EventType.JOB_FAILED}


@pytest.mark.parametrize(
    ("events", "happened", "expected"),
    [
        ((), "failed", "job.failed"),
        ((), "quarantined", "invocation.quarantined"),
        (("job.failed",), "quarantined", "job.failed"),
        (("invocation.quarantined",), "quarantined", "invocation.quarantined"),
        (("invocation.quarantined",), "failed", None),
        ((), "undo_failed", "undo.failed"),
        (("job.failed",), "undo_failed", "job.failed"),
        ((), "of a later release", None),
    ],
)
def test_a_hook_is_told_once_and_as_precisely_as_it_wants(
    events: tuple[str, ...], happened: str, expected: str | None
) -> None:
    """A quarantine fails a job: who listens to both hears one event."""
    on_event(*events)(page)
    assert only().type_of(happened, "any") == expected


def test_a_hook_may_be_for_one_flow() -> None:
    """Others are none of its business."""
    on_event(flow="shop")(page)
    assert only().type_of("failed", "shop") == "job.failed"
    assert only().type_of("failed", "other") is None


def test_a_module_may_be_loaded_again() -> None:
    """The latest of a name wins, if it is the same function or address."""
    on_event()(page)
    on_event("job.failed", timeout=3)(page)
    assert only().timeout == 3
    for url in ("https://example.com/old", "https://example.com/new"):
        webhook("ops", url, secret=None)
    assert len(known_hooks()) == 2
    with pytest.raises(DefinitionError, match="there is a hook 'page' already"):
        webhook("page", "https://example.com/", secret=None)


def test_who_listens_gets_earlier_and_later_hooks() -> None:
    """Until it listens no more."""
    heard: list[str] = []
    on_event()(page)
    forget = on_hook(lambda hook: heard.append(hook.name))
    webhook("ops", "https://example.com/", secret=None)
    forget()
    webhook("late", "https://example.com/", secret=None)
    assert heard == ["page", "ops"]


def test_a_process_has_few_hooks() -> None:
    """Each has a thread."""
    for number in range(MOST_HOOKS):
        on_event(name=f"hook{number}")(page)
    with pytest.raises(DefinitionError, match="can have 32 hooks"):
        on_event()(page)


async def coroutine(event: HookEvent) -> None:
    """No hook: nobody would wait for it."""


@pytest.mark.parametrize("function", [None, 5, "page", coroutine])
def test_what_is_no_function_is_refused(function: Any) -> None:
    """Where it is declared."""
    with pytest.raises(InvalidValueError):
        on_event(name="x")(function)


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""}, {"name": "a/b"}, {"name": "a:b"}, {"name": "-a"}, {"name": "a" * 65},
        {"name": 5}, {"flow": 5}, {"timeout": 0}, {"timeout": -1}, {"timeout": 301},
        {"timeout": "5"}, {"timeout": True}, {"timeout": float("nan")},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(options: dict[str, Any]) -> None:
    """Names become parts of keys, and a call has to end some time."""
    with pytest.raises(InvalidValueError):
        on_event(**options)(page)
    assert known_hooks() == []


def test_events_are_checked() -> None:
    """A misspelt event would never come."""
    with pytest.raises(InvalidValueError, match=r"job\.failed, invocation\.quarantined"):
        on_event("job.fails")(page)
    with pytest.raises(InvalidValueError, match="must be a list"):
        webhook("ops", "https://example.com", secret=None, events="job.failed")


def test_the_payload_has_all_that_is_needed() -> None:
    """In the form of Standard Webhooks."""
    assert json.loads(EVENT.body()) == {
        "type": "job.failed",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {
            "flow_id": "shop",
            "job_id": "j1",
            "routine_id": "charge",
            "invocation": 3,
            "error": {
                "type": "ValueError", "message": "no", "at": "shop.charge",
                "fingerprint": "0123456789ab",
            },
            "count": 1,
            "job_ids": ["j1"],
            "first_at": "2026-01-02T03:04:05.678Z",
            "last_at": "2026-01-02T03:04:05.678Z",
            "command": "flowforge show j1",
        },
    }  # fmt: skip
    assert EVENT.body() == replace(EVENT).body()


def test_of_several_the_group_of_errors_is_shown() -> None:
    """The command fits what happened."""
    assert replace(EVENT, count=2).command == "flowforge errors 0123456789ab"
    assert sample_event("t1", WHEN).payload()["type"] == "hook.test"
