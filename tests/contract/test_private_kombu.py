"""Private names of kombu that FlowForge uses: they exist, and do what it relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Connection, Consumer, Exchange, Queue
from kombu.asynchronous import Hub
from kombu.message import Message
from kombu.transport import TRANSPORT_ALIASES, _transport_cache, virtual
from kombu.transport import redis as stock
from kombu.utils.json import dumps

from flowforge.broker.routing import Router
from flowforge.local.server import LocalServer
from tests.support.eventually import eventually


@pytest.fixture
def connection(server: LocalServer) -> Iterator[Connection]:
    """Through kombu's own transport, without anything of FlowForge's."""
    with Connection(server.url) as made:
        yield made


@pytest.fixture
def channel(connection: Connection) -> Any:
    return connection.channel()


@pytest.fixture
def queue(channel: Any, prefix: str) -> Any:
    """A declared queue of this test's own."""
    declared = Queue(prefix, Exchange(prefix), routing_key=prefix, channel=channel)
    declared.declare()
    return declared


def send(channel: Any, queue: Any, body: str = "hello", priority: int = 0) -> None:
    message = channel.prepare_message(body, priority, "text/plain", "utf-8")
    channel.basic_publish(message, queue.exchange.name, queue.routing_key)


def taken(connection: Connection, channel: Any, queue: Any) -> Any:
    """The next message, neither acknowledged nor given back."""
    messages: list[Message] = []
    consumer = Consumer(channel, [queue], on_message=messages.append)
    consumer.consume()
    while not messages:
        connection.drain_events(timeout=5)
    return messages[0]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Any, ...]]]:
    """Replaces a method by one that notes its arguments and calls the original."""

    def watch(owner: type, name: str) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []
        original = getattr(owner, name)

        def noting(self: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, name, noting)
        return calls

    return watch


# --- fetching --------------------------------------------------------------------------


@pytest.mark.private_name("kombu", "redis.Channel._create_client")
def test_every_fetched_message_passes_the_client_that_create_client_makes(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """By its ``parse_response``; None there is no message, and kombu pops again."""
    replies: list[Any] = []
    create = stock.Channel._create_client

    def create_client(self: Any, asynchronous: bool = False) -> Any:
        client = create(self, asynchronous)
        parse = client.parse_response

        def parse_response(connection: Any, command: Any, **options: Any) -> Any:
            reply = parse(connection, command, **options)
            if command != "BRPOP":
                return reply
            replies.append(reply)
            return None if len(replies) == 1 else reply

        client.parse_response = parse_response
        return client

    monkeypatch.setattr(stock.Channel, "_create_client", create_client)
    with Connection(server.url) as connection:
        channel = connection.channel()
        queue: Any = Queue(prefix, Exchange(prefix), routing_key=prefix, channel=channel)
        queue.declare()
        send(channel, queue, "first")
        send(channel, queue, "second")
        assert taken(connection, channel, queue).payload == "second"
    assert [name for name, _ in replies] == [prefix.encode()] * 2


@pytest.mark.private_name("kombu", "redis.Channel._brpop_start")
def test_nothing_is_popped_without_brpop_start(
    connection: Connection, channel: Any, queue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kombu calls it for each command, so that one that does nothing leaves the server alone."""
    monkeypatch.setattr(stock.Channel, "_brpop_start", lambda self, timeout=None: None)
    send(channel, queue)
    with Consumer(channel, [queue]), pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.2)
    assert channel._size(queue.name) == 1


@pytest.mark.private_name("kombu", "redis.Channel._brpop_read")
@pytest.mark.private_name("kombu", "redis.Channel._in_poll")
def test_a_command_under_way_is_ended_by_brpop_read(
    connection: Connection, channel: Any, queue: Any
) -> None:
    """``_in_poll`` is true from the command to its reply; the reply is delivered."""
    messages: list[Message] = []
    Consumer(channel, [queue], on_message=messages.append).consume()
    assert not channel._in_poll
    cycle: Any = connection.transport.cycle
    cycle._register_BRPOP(channel)
    assert channel._in_poll
    send(channel, queue)
    channel._brpop_read()
    assert not channel._in_poll
    assert [message.payload for message in messages] == ["hello"]
    channel.brpop_timeout = 0.1
    cycle._register_BRPOP(channel)
    with pytest.raises(Empty):
        channel._brpop_read()


@pytest.mark.private_name("kombu", "virtual.Message._raw")
def test_a_message_is_put_back_by_its_raw_form(
    connection: Connection, channel: Any, queue: Any, redis_client: redis.Redis
) -> None:
    """It is what was fetched: pushed again it is the same message."""
    send(channel, queue, priority=3)
    first = taken(connection, channel, queue)
    redis_client.rpush(queue.name, dumps(first._raw))
    second = taken(connection, connection.channel(), queue)
    assert second.body == first.body
    assert second.properties == first.properties
    assert second.headers == first.headers


@pytest.mark.private_name("kombu", "redis.Channel._q_for_pri")
@pytest.mark.parametrize("options", [{}, {"priority_steps": [0, 5], "sep": ":"}])
def test_the_list_of_a_priority_is_the_one_that_the_router_names(
    server: LocalServer, options: dict[str, Any]
) -> None:
    """The scripts push to the lists that kombu pops from."""
    app = Celery("a", broker=server.url, broker_transport_options=options, set_as_current=False)
    router = Router(app)
    with app.connection() as connection:
        channel = connection.channel()
        for priority in range(10):
            assert channel._q_for_pri("orders", priority) == f"orders{router.suffix(priority)}"
        assert list(router.lists("orders")) == [
            channel._q_for_pri("orders", step) for step in channel.priority_steps
        ]


# --- acknowledging ---------------------------------------------------------------------


@pytest.mark.private_name("kombu", "virtual.QoS._delivered")
@pytest.mark.private_name("kombu", "virtual.QoS._flush")
def test_delivered_holds_what_is_not_acknowledged(
    connection: Connection, channel: Any, queue: Any
) -> None:
    """By delivery tag; what has been acknowledged leaves it with ``_flush``."""
    send(channel, queue)
    message = taken(connection, channel, queue)
    tag = message.delivery_tag
    assert channel.qos._delivered == {tag: message}
    virtual.QoS.ack(channel.qos, tag)
    channel.qos._flush()
    assert channel.qos._delivered == {}


@pytest.mark.private_name("kombu", "redis.QoS._remove_from_indices")
@pytest.mark.private_name("kombu", "redis.QoS.unacked_key")
def test_remove_from_indices_forgets_a_message_at_the_server(
    connection: Connection, channel: Any, queue: Any, redis_client: redis.Redis
) -> None:
    """It adds its commands to the pipeline that it is given; the record is in ``unacked_key``."""
    send(channel, queue)
    tag = taken(connection, channel, queue).delivery_tag
    qos = channel.qos
    assert redis_client.hexists(qos.unacked_key, tag)
    qos._remove_from_indices(tag, redis_client.pipeline()).execute()
    assert not redis_client.hexists(qos.unacked_key, tag)
    assert redis_client.zscore(qos.unacked_index_key, tag) is None


@pytest.mark.private_name("kombu", "redis.QoS.restore_visible")
@pytest.mark.private_name("kombu", "redis.QoS.restore_by_tag")
@pytest.mark.private_name("kombu", "redis.Channel._do_restore_message")
def test_a_lost_message_comes_back_record_by_record(
    connection: Connection, channel: Any, queue: Any, spy: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """The timer's look calls ``restore_by_tag`` for each that is too old, and that
    ``_do_restore_message`` with the record's message first.
    """
    send(channel, queue)
    message = taken(connection, channel, queue)
    channel.qos.__dict__["visibility_timeout"] = -1
    looks, tags = spy(stock.QoS, "restore_visible"), spy(stock.QoS, "restore_by_tag")
    restored = spy(stock.Channel, "_do_restore_message")
    connection.transport.cycle.maybe_restore_messages()
    assert len(looks) == 1
    assert message.delivery_tag.encode() in [arguments[0] for arguments in tags]
    assert message._raw["properties"]["delivery_tag"] in [
        payload["properties"]["delivery_tag"] for payload, *_ in restored
    ]
    assert channel._size(queue.name) == 1


@pytest.mark.private_name("kombu", "redis.QoS.restore_unacked")
def test_restore_unacked_gives_back_what_is_delivered(
    connection: Connection, channel: Any, queue: Any, spy: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """A closing channel calls it by way of ``restore_unacked_once``."""
    send(channel, queue)
    taken(connection, channel, queue)
    calls = spy(stock.QoS, "restore_unacked")
    channel.qos.restore_unacked_once()
    assert len(calls) == 1
    assert channel._size(queue.name) == 1


# --- what kombu keeps of queues at the server -------------------------------------------


@pytest.mark.private_name("kombu", "redis.Channel._queue_bind")
@pytest.mark.private_name("kombu", "redis.Channel._delete")
@pytest.mark.private_name("kombu", "redis.Channel._size")
def test_queues_are_bound_counted_and_deleted_by_these(
    channel: Any, prefix: str, redis_client: redis.Redis, spy: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """A binding is a member of a set, and the messages of all priorities count."""
    bound, counted = spy(stock.Channel, "_queue_bind"), spy(stock.Channel, "_size")
    deleted = spy(stock.Channel, "_delete")
    queue: Any = Queue(prefix, Exchange(prefix), routing_key="key", channel=channel)
    queue.declare()
    assert bound == [(prefix, "key", None, prefix)]
    assert redis_client.scard(f"_kombu.binding.{prefix}") == 1
    send(channel, queue, priority=0)
    send(channel, queue, priority=9)
    assert queue.queue_declare(passive=True).message_count == 2
    assert counted[-1] == (prefix,)
    queue.delete()
    assert deleted[0][0] == prefix
    assert redis_client.scard(f"_kombu.binding.{prefix}") == 0


@pytest.mark.private_name("kombu", "redis.Channel._refresh_bindings")
@pytest.mark.private_name("kombu", "redis.Channel.sweep_bindings")
def test_bindings_are_kept_and_removed_by_these(
    connection: Connection, channel: Any, prefix: str, spy: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """For a queue that expires, from the timer of a worker."""
    refreshed, swept = spy(stock.Channel, "_refresh_bindings"), spy(stock.Channel, "sweep_bindings")
    queue: Any = Queue(prefix, Exchange(prefix), routing_key=prefix, channel=channel, expires=60)
    with Consumer(channel, [queue]):
        connection.transport.cycle.maybe_refresh_binding_expiry()
    assert refreshed == [([prefix],)]
    assert swept == [()]


# --- broadcasts ------------------------------------------------------------------------


@pytest.mark.private_name("kombu", "redis.Channel._receive_one")
@pytest.mark.private_name("kombu", "redis.Channel._unsubscribe_from")
def test_broadcasts_pass_receive_one(
    connection: Connection,
    channel: Any,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    spy: Callable[..., list[tuple[Any, ...]]],
) -> None:
    """One that returns False has delivered nothing; a queue that is cancelled is unsubscribed."""
    dropped: list[Any] = []
    left = spy(stock.Channel, "_unsubscribe_from")

    def receive_one(self: Any, client: Any) -> bool:
        dropped.append(client.parse_response()[0])
        return False

    monkeypatch.setattr(stock.Channel, "_receive_one", receive_one)
    exchange = Exchange(prefix, "fanout")
    queue = Queue(prefix, exchange, channel=channel)
    messages: list[Message] = []
    consumer = Consumer(channel, [queue], on_message=messages.append)
    consumer.consume()

    def drained(kinds: list[bytes]) -> bool:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.1)
        return dropped == kinds

    eventually(lambda: drained([b"psubscribe"]))
    send(connection.channel(), queue)
    eventually(lambda: drained([b"psubscribe", b"pmessage"]))
    consumer.cancel()
    assert messages == []
    assert left == [(prefix,)]


# --- connections -----------------------------------------------------------------------


@pytest.mark.private_name("kombu", "redis.Channel.socket_timeout")
@pytest.mark.private_name("kombu", "redis.Channel.socket_connect_timeout")
@pytest.mark.private_name("kombu", "redis.Channel.socket_keepalive")
@pytest.mark.private_name("kombu", "redis.Channel.health_check_interval")
def test_attributes_of_a_channel_class_are_options_of_its_connections(server: LocalServer) -> None:
    """Options of the app win over them."""
    values = {
        "socket_timeout": 7.5,
        "socket_connect_timeout": 6.5,
        "socket_keepalive": True,
        "health_check_interval": 11,
    }
    channel_class = type("Channel", (stock.Channel,), values)
    transport = type("Transport", (stock.Transport,), {"Channel": channel_class})
    with Connection(server.url, transport=transport) as connection:
        made: Any = connection.channel()
        options = made.client.connection_pool.connection_kwargs
        assert {name: options[name] for name in values} == values
    own = {"socket_timeout": 3}
    with Connection(server.url, transport=transport, transport_options=own) as connection:
        options = connection.channel().client.connection_pool.connection_kwargs
        assert options["socket_timeout"] == 3


@pytest.mark.private_name("kombu", "redis.MultiChannelPoller.*_tref")
def test_the_timers_of_a_connection_are_attributes_of_its_cycle(
    connection: Connection, channel: Any
) -> None:
    """All that kombu has added to the event loop is found there and can be cancelled."""
    hub = Hub()
    transport: Any = connection.transport
    transport.register_with_event_loop(connection.connection, hub)
    timers = [value for name, value in vars(transport.cycle).items() if name.endswith("_tref")]
    assert len(timers) == len(hub.timer) > 0
    for timer in timers:
        timer.cancel()
    assert all(entry.entry.canceled for entry in hub.timer.queue)


@pytest.mark.private_name("kombu", "Connection.uri_prefix")
@pytest.mark.private_name("kombu", "Connection.transport_cls")
def test_a_socket_with_a_plus_sign_replaces_the_transport() -> None:
    """``uri_prefix`` tells of it, and ``transport_cls`` is what counts."""
    connection = Connection("redis+socket:///run/x.sock", transport="memory")
    assert connection.uri_prefix == "redis"
    assert connection.transport_cls == "redis"
    connection.transport_cls = "memory"
    assert connection.get_transport_cls().driver_type == "memory"


@pytest.mark.private_name("kombu", "transport.TRANSPORT_ALIASES")
def test_an_alias_may_be_a_function_that_gives_the_transport(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection finds it by its name."""
    transport = type("Transport", (stock.Transport,), {})
    aliases: dict[str, Any] = TRANSPORT_ALIASES
    monkeypatch.setitem(aliases, "of-the-test", lambda: transport)
    assert Connection(transport="of-the-test").get_transport_cls() is transport


@pytest.mark.private_name("kombu", "transport._transport_cache")
def test_what_a_name_stood_for_is_kept_until_it_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another alias of the same name counts only then."""
    aliases: dict[str, Any] = TRANSPORT_ALIASES
    first, second = (type("Transport", (stock.Transport,), {}) for _ in range(2))
    monkeypatch.setitem(aliases, "given-again", lambda: first)
    assert Connection(transport="given-again").get_transport_cls() is first
    monkeypatch.setitem(aliases, "given-again", lambda: second)
    assert Connection(transport="given-again").get_transport_cls() is first
    _transport_cache.pop("given-again")
    assert Connection(transport="given-again").get_transport_cls() is second
    _transport_cache.pop("given-again")
