"""What a sender can make a worker or the server carry, and what orders a worker takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from flowforge.broker.fleet_app import fleet_app
from flowforge.errors import PayloadError, PayloadTooLargeError
from flowforge.local.server import LocalServer
from flowforge.settings import Settings
from tests.integration import vault
from tests.integration.flows import countdown, single
from tests.integration.installation import FAST, FLOWS, LIMIT, Installation, installed, outputs
from tests.integration.vault import Growing
from tests.support.eventually import eventually

#: Bytes of a delivery in these tests.
MOST = 10_000


@pytest.fixture(scope="module")
def narrow(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with small payloads and one worker."""
    directory = tmp_path_factory.mktemp("narrow")
    modules = (FLOWS, vault.__name__)
    with installed(server, directory, modules, max_payload=MOST, **FAST) as installation:
        installation.fleet.start(concurrency=1)
        yield installation


def nested(levels: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.attack(what="Params that are too large, too deep or of another type, submitted")
@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        ("x" * MOST, PayloadTooLargeError, str(MOST)),
        (b"x" * MOST, PayloadTooLargeError, "max_payload"),
        ([0] * 10 * MOST, PayloadTooLargeError, "limit"),
        (nested(5000), PayloadError, "nested too deep"),
        (print, PayloadError, r"params\['n'\] is a builtins.builtin_function_or_method"),
    ],
    ids=["text", "bytes", "list", "nesting", "type"],
)
def test_params_are_checked_when_submitted(
    narrow: Installation, value: Any, error: type[Exception], told: str
) -> None:
    """The submission is refused before anything reaches the server."""
    before = narrow.engine.overview.newest(None, 1000)
    with pytest.raises(error, match=told):
        countdown().execute("it", {"n": value})
    assert narrow.engine.overview.newest(None, 1000) == before


@pytest.mark.attack(what="Params that are too large, too deep or of another type, emitted")
@pytest.mark.parametrize(
    ("what", "error", "told"),
    [
        ("large", "PayloadTooLargeError", "it.emit('output')"),
        ("deep", "PayloadError", "it.emit('output')"),
        ("strange", "PayloadError", "params['value']"),
        ("large stat", "PayloadTooLargeError", "it.set_stat('value')"),
    ],
)
def test_params_are_checked_when_emitted(
    narrow: Installation, what: str, error: str, told: str
) -> None:
    """The emission fails in the handler; nothing of it is stored, and the worker goes on."""
    job = single(Growing).execute("it", {"what": what}).wait(LIMIT)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["type"] == f"flowforge.errors.{error}"
    assert told in job.error["message"]
    assert job.outputs == []
    assert outputs(countdown().execute("it", {"n": 1})) == [{"n": 0}]


@pytest.mark.attack(what="An error of five million characters")
def test_an_error_message_is_bounded(narrow: Installation) -> None:
    """The job stores only a part of the text."""
    job = single(Growing).execute("it", {"what": "long error"}).wait(LIMIT)
    assert job.error is not None
    assert len(job.error["message"]) <= 2_000
    assert len(job.error["traceback"]) <= 8_000
    assert job.reason is not None
    assert len(job.reason) <= 500


@pytest.mark.attack(what="Orders by remote control")
def test_a_worker_takes_no_orders(narrow: Installation) -> None:
    """Remote control is off: no shutdown and no revoke by broadcast reaches a worker."""
    (worker,) = narrow.fleet.workers
    app: Celery = fleet_app(
        Settings(redis_url=narrow.server.url, prefix=narrow.prefix, celery={"imports": ()})
    )
    with app.connection_for_write() as connection:
        app.control.broadcast("shutdown", connection=connection)
        app.control.broadcast(
            "revoke", arguments={"task_id": "x", "terminate": True}, connection=connection
        )
        assert app.control.ping(timeout=0.3, connection=connection) == []
    assert outputs(countdown().execute("it", {"n": 3})) == [{"n": 0}]
    assert worker.alive
    assert "pidbox" not in worker.output()


@pytest.mark.parametrize("setting", ["worker_enable_remote_control", "worker_send_task_events"])
def test_remote_control_is_off_by_default(setting: str) -> None:
    """A fleet's app has it off, and only the app's own settings can turn it on."""
    url = "redis://redis.example:6379/0"
    assert fleet_app(Settings(redis_url=url)).conf[setting] is False
    chosen = Settings(redis_url=url, celery={setting: True})
    assert fleet_app(chosen).conf[setting] is True


@pytest.mark.attack(what="Pickle and other serializers")
def test_only_json_is_accepted(narrow: Installation) -> None:
    """A message with pickle is refused before any code could unpickle it."""
    app = fleet_app(Settings(redis_url=narrow.server.url, prefix=narrow.prefix))
    assert app.conf.accept_content == ["json"]
    app.conf.accept_content = ["json", "pickle"]
    with app.connection_for_write() as connection:
        app.send_task(
            "tests.integration.flows.Countdown", args=[{1, 2}], serializer="pickle",
            connection=connection,
        )  # fmt: skip
    (worker,) = narrow.fleet.workers
    eventually(
        lambda: "named an invocation, but not in the form" in worker.output(), message="the refusal"
    )
    assert outputs(countdown().execute("it", {"n": 1})) == [{"n": 0}]
