"""Private names of Celery's worker that FlowForge uses, on a worker of Celery's alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis
from celery import Celery, bootsteps
from celery.worker import WorkController
from celery.worker.consumer import Consumer
from kombu import Consumer as MessageConsumer
from kombu import Queue

from flowforge.local.server import LocalServer
from tests.support.eventually import eventually

#: What the tasks of the app have done.
DONE: list[str] = []
POOL = "flowforge.local.thread_pool:TaskPool"


def note(text: str) -> None:
    DONE.append(text)


class OwnConsumer(Consumer):
    """A subclass that an app names."""


@pytest.fixture(scope="module")
def app(server: LocalServer) -> Celery:
    app = Celery("stock", broker=server.url, set_as_current=False)
    app.conf.update(
        broker_transport_options={"global_keyprefix": "stock:"},
        worker_consumer=OwnConsumer,
        worker_prefetch_multiplier=5,
        task_ignore_result=True,
    )
    app.task(shared=False, name="noted")(note)
    app.task(shared=False, name="rare", rate_limit="1/h")(note)
    return app


@contextmanager
def running(app: Celery) -> Iterator[Any]:
    """A worker of Celery's in a thread. Its pool looks for the tasks in its app alone.

    Its loop sleeps for up to ten seconds where no timer is due sooner, and a timer that another
    thread sets does not wake it: so one is due every second.
    """
    ready = threading.Event()

    def begin(consumer: Any) -> None:
        consumer.timer.call_repeatedly(1, int)
        ready.set()

    controller: Any = WorkController(
        app=app,
        hostname=f"{app.main}@host",
        pool_cls=POOL,
        concurrency=2,
        ready_callback=begin,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    thread = threading.Thread(target=controller.start, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield controller
    controller.terminate(in_sighandler=False)
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def worker(app: Celery) -> Iterator[Any]:
    with running(app) as controller:
        yield controller


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@pytest.mark.private_name("celery", "conf.worker_consumer")
def test_the_app_names_the_class_of_the_consumer(worker: Any) -> None:
    """A class, or the dotted name of one."""
    assert type(worker.consumer) is OwnConsumer


@pytest.mark.private_name("celery", "Consumer.initial_prefetch_count")
def test_initial_prefetch_count_is_what_a_worker_fetches_ahead(worker: Any) -> None:
    """Concurrency times prefetch multiplier; the consumer of its messages has it too."""
    assert worker.consumer.initial_prefetch_count == 5 * worker.concurrency
    qos = worker.consumer.task_consumer.channel.qos
    assert qos.prefetch_count == worker.consumer.initial_prefetch_count


@pytest.mark.private_name("celery", "Consumer.task_buckets")
@pytest.mark.private_name("celery", "TokenBucket.contents")
def test_what_waits_for_a_rate_limit_is_in_the_buckets(app: Celery, worker: Any) -> None:
    """By the task's name: pairs that begin with the request; a task without a limit has none.
    When a limit is set all buckets are new ones, and what waits stays in the former.
    """
    for name in ("first", "second", "third"):
        app.send_task("rare", (name,))
    bucket = worker.consumer.task_buckets["rare"]
    eventually(lambda: DONE == ["first"] and len(bucket.contents) == 2)
    requests = [request for request, _ in list(bucket.contents)]
    assert [list(request.args) for request in requests] == [["second"], ["third"]]
    assert {request.task.name for request in requests} == {"rare"}
    assert worker.consumer.task_buckets["noted"] is None
    worker.consumer.reset_rate_limits()
    assert worker.consumer.task_buckets["rare"] is not bucket
    assert len(bucket.contents) == 2
    bucket.contents.clear()


@pytest.mark.private_name("celery", "Consumer.create_task_handler")
@pytest.mark.private_name("celery", "Consumer.on_decode_error")
def test_a_further_consumer_hands_its_messages_to_the_same_pool(app: Celery, worker: Any) -> None:
    """With a handler of the worker's consumer, from a connection of its own."""
    consumer = worker.consumer
    connection: Any
    with app.connection_for_read() as connection:
        queue: Any = Queue("further", routing_key="further", channel=connection.default_channel)
        queue.declare()
        app.send_task("noted", ("further",), queue=queue)
        tasks = app.amqp.TaskConsumer(
            connection, queues=[queue], on_decode_error=consumer.on_decode_error
        )
        assert isinstance(tasks, MessageConsumer)
        tasks.on_message = consumer.create_task_handler()
        tasks.consume()

        def done() -> bool:
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.1)
            return DONE == ["further"]

        eventually(done)
        tasks.cancel()


@pytest.mark.private_name("celery", "Consumer.strategies")
@pytest.mark.private_name("celery", "Consumer.update_strategies")
def test_a_task_that_comes_later_is_known_after_an_update(app: Celery, worker: Any) -> None:
    """``strategies`` has what the consumer does with a message, by the task's name."""
    app.task(shared=False, name="late")(note)
    assert "late" not in worker.consumer.strategies
    worker.consumer.update_strategies()
    assert callable(worker.consumer.strategies["late"])
    app.send_task("late", ("late",))
    eventually(lambda: DONE == ["late"])


@pytest.mark.private_name("celery", "Consumer.first_connection_attempt")
def test_a_consumer_remembers_whether_it_was_ever_connected(worker: Any) -> None:
    """Settings for the start, and not those for a lost connection, hold until then."""
    assert Consumer.first_connection_attempt is True
    assert worker.consumer.first_connection_attempt is False


@pytest.mark.private_name("celery", "Consumer.blueprint.state")
@pytest.mark.private_name("celery", "bootsteps.RUN")
def test_the_state_of_a_blueprint_tells_whether_it_runs(app: Celery, worker: Any) -> None:
    """It is compared with a constant of the same module."""
    run: int = vars(bootsteps)["RUN"]
    assert worker.consumer.blueprint.state == run
    # A pool of Celery's own would forbid this process to wait for results of tasks.
    other: Any = WorkController(app=app, pool_cls=POOL, hostname="other@h")
    assert other.blueprint.state != run


@pytest.mark.private_name("celery", "Consumer.task_consumer")
@pytest.mark.private_name("celery", "Consumer.connection_errors")
def test_a_cancelled_task_consumer_takes_no_more(worker: Any) -> None:
    """What goes wrong with that is one of the consumer's ``connection_errors``."""
    consumer = worker.consumer
    assert issubclass(redis.ConnectionError, consumer.connection_errors)
    tasks, channel = consumer.task_consumer, consumer.task_consumer.channel

    def stop_and_go_on() -> None:
        """In the worker's own thread, which has the connection."""
        DONE.extend(channel.active_queues)
        tasks.cancel()
        DONE.append(f"then {channel.active_queues}")
        tasks.consume()

    consumer.timer.call_after(0, stop_and_go_on)
    eventually(lambda: DONE == ["celery", "then []"])


@pytest.mark.private_name("celery", "Consumer.timer.call_after")
def test_a_consumers_timer_calls_later(worker: Any) -> None:
    """Seconds, a function and its arguments."""
    worker.consumer.timer.call_after(0.01, note, ("called",))
    eventually(lambda: DONE == ["called"])
