"""``behaviour_pika.py PORT SPANS``: a wrapped channel of pika behaves as before. Fails at the first difference."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pika
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, UnroutableError
from recording import Recording, recording

from nanospan.messaging import Messaging, stats
from nanospan.messaging.amqp.pika import wrap_channel

ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
DELIVERY_TAG = "messaging.rabbitmq.message.delivery_tag"


def raises(error: type[BaseException], text: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError(f"{error.__name__} was not raised")


def connected(port: int, **parameters: Any) -> Any:
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, **parameters))


def got(channel: Any, queue: str, auto_ack: bool = True) -> Any:
    while (message := channel.basic_get(queue, auto_ack))[0] is None:
        pass
    return message


def the_object(bare: Any) -> Any:
    raises(TypeError, "channel must be a channel of pika", lambda: wrap_channel(object()))
    raises(TypeError, "'colour'", lambda: wrap_channel(bare, colour=1))
    raises(ValueError, "relation must be 'link' or", lambda: wrap_channel(bare, relation="x"))
    raises(ValueError, "creation must be 'send' or", lambda: wrap_channel(bare, creation="x"))
    raises(TypeError, "settle must be", lambda: wrap_channel(bare, settle=1))
    channel = wrap_channel(bare)
    raises(TypeError, "not wrapped yet", lambda: wrap_channel(channel))
    assert isinstance(channel, BlockingChannel) and int(channel) == int(bare) == channel.channel_number
    assert channel == bare and hash(channel) == hash(bare) and repr(bare) in repr(channel)
    assert set(dir(bare)) <= set(dir(channel)) and str(channel) == str(bare)
    channel.mine = 5
    assert bare.mine == 5
    del channel.mine
    assert not hasattr(bare, "mine")
    for call in (lambda c: c.basic_publish("", "q"), lambda c: c.basic_consume("q", None), lambda c: c.basic_get(5)):
        raises((TypeError, AssertionError), "", lambda call=call: call(bare))  # type: ignore[misc, arg-type]
        raises((TypeError, AssertionError), "", lambda call=call: call(channel))  # type: ignore[misc, arg-type]
    raises(TypeError, "message must be", lambda: channel.process(5))
    return channel


def sent_and_got(channel: Any, port: int, spans: Recording) -> None:
    channel.queue_declare("q")
    spans.new()
    properties = pika.BasicProperties(message_id="m", correlation_id="c")
    channel.basic_publish("", "q", b"x", properties)
    assert properties.headers is None
    sent = spans.one()
    assert (sent["name"], sent["kind"], sent["parent"]) == ("publish q", "PRODUCER", None)
    assert sent["attributes"] == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "q",
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": "127.0.0.1",
        "server.port": port,
        ROUTING_KEY: "q",
    }
    method, properties, body = got(channel, "q")
    received = spans.one()
    assert (received["name"], received["kind"], received["links"]) == ("receive q", "CLIENT", [sent["id"]])
    assert received["attributes"][DELIVERY_TAG] == method.delivery_tag
    # Sent on: the table has the context of the last publish alone.
    first = properties.headers["traceparent"]
    channel.basic_publish("", "q", body, properties)
    assert properties.headers == {"traceparent": first}
    again = spans.one()
    found = got(channel, "q")[1].headers
    assert found.keys() == {"traceparent"} and found["traceparent"][3:-3] == again["id"]
    assert channel.basic_get("q") == (None, None, None)
    spans.new()
    assert wrap_channel(channel.__wrapped__, empty_gets=True).basic_get("q") == (None, None, None)
    assert (empty := spans.one())["name"] == "receive q" and not empty["links"]


def names(channel: Any, spans: Recording) -> None:
    """Of exchanges, and of queues that the broker has named."""
    channel.exchange_declare("orders", "topic")
    channel.queue_declare("chairs")
    channel.queue_bind("chairs", "orders", "new.*")
    anonymous = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(anonymous, "orders", "new.*")
    channel.basic_publish("orders", "new.chair", b"x")
    assert spans.one()["name"] == "publish orders:new.chair"
    message = got(channel, "chairs")
    assert spans.one()["name"] == "receive orders:new.chair:chairs"
    got(channel, anonymous)
    received = spans.one()
    assert received["name"] == "receive orders:new.chair:amq.gen"
    assert received["attributes"]["messaging.destination.name"] == f"orders:new.chair:{anonymous}"
    assert received["attributes"]["messaging.destination.anonymous"] is True
    with channel.process(message):
        pass
    assert spans.one()["name"] == "process orders:new.chair"

    # A reply to a queue that the broker has made up.
    replies: list[bytes] = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *message: replies.append(message[3]), auto_ack=True)
    channel.basic_publish("", "chairs", b"?", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    question = got(channel, "chairs")[1]
    channel.basic_publish("", question.reply_to, b"!")
    while not replies:
        channel.connection.process_data_events(1)
    found = [span["name"] for span in spans.new()]
    assert found[2:] == ["publish amq.rabbitmq.reply-to", "process amq.rabbitmq.reply-to"], found


def failures(port: int, spans: Recording) -> None:
    connection = connected(port)
    channel = wrap_channel(connection.channel())
    channel.queue_declare("failures")
    channel.confirm_delivery()
    raises(UnroutableError, "", lambda: channel.basic_publish("", "missing", b"x", mandatory=True))
    assert spans.one()["status"] == "ERROR"
    channel.basic_publish("", "failures", b"x")
    sent = spans.one()

    def callback(*_: Any) -> None:
        raise LookupError("here")

    channel.basic_consume("failures", callback, auto_ack=True)
    raises(LookupError, "here", channel.start_consuming)
    failed = spans.one()
    assert (failed["kind"], failed["status"], failed["links"]) == ("CONSUMER", "ERROR", [sent["id"]])
    raises(ChannelClosedByBroker, "missing", lambda: channel.basic_get("missing"))
    assert spans.one()["status"] == "ERROR"
    connection.close()


def iterations(channel: Any, spans: Recording) -> None:
    channel.queue_declare("iterated")
    messages = channel.consume("iterated", inactivity_timeout=0.01)
    assert next(messages) == (None, None, None)
    assert spans.new() == []
    for number in range(200):
        channel.basic_publish("", "iterated", b"x", pika.BasicProperties(message_id=str(number)))
    made = [span["id"] for span in spans.new()]
    came = []
    while len(came) < 200:
        if (message := next(messages))[0] is not None:
            came.append(message)
    assert [link for span in spans.new() for link in span["links"]] == made
    reader = InMemoryMetricReader()
    second = wrap_channel(channel.__wrapped__, meter_provider=MeterProvider([reader]))
    with second.process(came, queue="iterated") as processing:
        assert trace.get_current_span() is processing.span
    batch = spans.one()
    assert (batch["name"], batch["links"]) == ("process iterated", made[:128])
    assert batch["attributes"]["messaging.batch.message_count"] == 200
    assert batch["attributes"]["nanospan.messaging.links_left_out"] == 72
    expected = {"messaging.message.id": "0", ROUTING_KEY: "iterated", DELIVERY_TAG: came[0][0].delivery_tag}
    assert batch["link_attributes"][0] == expected
    with second.process([came[0], (None, None, None)]), second.process((None, None, None)):
        pass
    second.basic_publish("", "iterated", b"x")
    channel.basic_ack(came[-1][0].delivery_tag, multiple=True)
    channel.cancel()
    assert list(messages) == []
    spans.new()
    got(channel, "iterated")
    data: Any = reader.get_metrics_data()
    found = {m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}
    assert found >= {"messaging.client.sent.messages", "messaging.process.duration", "messaging.client.operation.duration"}
    spans.new()


def options(bare: Any, spans: Recording) -> None:
    bare.queue_declare("options")

    def handled(**given: Any) -> list[dict[str, Any]]:
        channel = wrap_channel(bare, **given)

        def callback(traced: Any, method: Any, *_: Any) -> None:
            assert traced is channel
            traced.basic_ack(delivery_tag=method.delivery_tag)
            traced.stop_consuming()

        channel.basic_publish("", "options", b"x")
        channel.basic_consume(queue="options", on_message_callback=callback)
        channel.start_consuming()
        return spans.new()

    sent, ack, process = handled(settle=True)
    assert (ack["name"], ack["kind"], ack["parent"]) == ("ack options", "CLIENT", process["id"])
    assert ack["links"] == process["links"]
    assert ack["attributes"][DELIVERY_TAG] == process["attributes"][DELIVERY_TAG]
    assert process["links"] == [sent["id"]] and process["parent"] is None
    sent, process = handled(relation="both", server_address="rabbit", client_id="shop")
    assert process["links"] == [sent["id"]] and process["parent"] == sent["id"]
    assert (process["attributes"]["server.address"], process["attributes"]["messaging.client.id"]) == ("rabbit", "shop")
    sent, process = handled(relation="parent", incoming="restart")
    assert process["links"] == [sent["id"]] and process["parent"] is None
    sent, process = handled(incoming="ignore")
    assert process["links"] == [] and process["parent"] is None
    headers = Messaging("rabbitmq").create("options", {"a": "1"})
    made = spans.one()
    wrap_channel(bare, creation="given").basic_publish("", "options", b"x", pika.BasicProperties(headers=headers))
    assert (sent := spans.one())["links"] == [made["id"]] and sent["kind"] == "CLIENT"
    assert got(bare, "options")[1].headers == headers
    for method in ("basic_nack", "basic_reject"):
        channel = wrap_channel(bare, settle=True)
        channel.basic_publish("", "options", b"x")
        getattr(channel, method)(channel.basic_get("options")[0].delivery_tag, requeue=False)
        sent, _, settled = spans.new()
        assert (settled["name"], settled["links"]) == (f"{method.removeprefix('basic_')} options", [sent["id"]])
    for body in (b"0", b"1", b"2"):
        channel.basic_publish("", "options", body)
    made = [span["id"] for span in spans.new()]
    tags = [got(channel, "options", auto_ack=False)[0].delivery_tag for _ in made]
    spans.new()
    for tag, multiple in ((tags[1], True), (0, True)):
        channel.basic_ack(tag, multiple)
    first, last = spans.new()
    assert (first["links"], last["links"]) == (made[:2], made[2:])
    assert first["attributes"]["messaging.batch.message_count"] == 2
    channel.basic_publish("", "options", b"x")
    tag = got(bare, "options", auto_ack=False)[0].delivery_tag  # of which the wrapper knows nothing
    spans.new()
    channel.basic_ack(tag)
    assert spans.one()["name"].startswith("ack 127.0.0.1:")


def room(port: int, spans: Recording) -> None:
    """A header that does not fit into a frame would end the connection."""
    connection = connected(port, frame_max=8192)
    channel = wrap_channel(connection.channel())
    channel.queue_declare("room")
    token = context.attach(baggage.set_baggage("a", "b" * 3000))
    left = []
    for length in (10, 5200, 8000, 8100):
        before = stats()["fields_left_out"]
        headers: dict[str, Any] = {"mine": "x" * length, "table": {"a": 1}}
        channel.basic_publish("", "room", b"x", pika.BasicProperties(headers=headers))
        found = got(channel, "room")[1].headers
        assert {name: found[name] for name in headers} == headers
        left.append((sorted(found.keys() - headers.keys()), stats()["fields_left_out"] - before))
    context.detach(token)
    assert left == [(["baggage", "traceparent"], 0), (["traceparent"], 1), (["traceparent"], 1), ([], 2)], left
    connection.close()
    spans.new()


def asynchronous(port: int, spans: Recording) -> None:
    came: list[bytes] = []

    def opened(connection: Any) -> None:
        connection.channel(on_open_callback=ready)

    def ready(bare: Any) -> None:
        channel = wrap_channel(bare)

        def declared(_: Any) -> None:
            for body in (b"0", b"1", b"2"):
                channel.basic_publish("", "asynchronous", body)
            channel.basic_get("asynchronous", first, auto_ack=True)

        def first(traced: Any, method: Any, properties: Any, body: bytes) -> None:
            assert traced is channel
            came.append(body)
            if len(came) == 1:
                channel.basic_get("asynchronous", auto_ack=True, callback=first)
            else:
                channel.basic_consume("asynchronous", last, auto_ack=True)

        def last(traced: Any, method: Any, properties: Any, body: bytes) -> None:
            came.append(body)
            channel.connection.close()

        channel.queue_declare("asynchronous", callback=declared)

    connection = pika.SelectConnection(
        pika.ConnectionParameters("127.0.0.1", port),
        on_open_callback=opened,
        on_close_callback=lambda *_: connection.ioloop.stop(),
    )
    connection.ioloop.start()
    assert came == [b"0", b"1", b"2"]
    found = spans.new()
    made = [span["id"] for span in found if span["kind"] == "PRODUCER"]
    handled = [span for span in found if span["kind"] == "CONSUMER"]
    assert [span["links"] for span in handled] == [[one] for one in made]
    assert {span["attributes"]["server.port"] for span in found} == {port}


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    spans = recording(path)
    connection = connected(port)
    bare = connection.channel()
    for queue in ("q", "chairs", "failures", "iterated", "options", "room", "asynchronous"):
        bare.queue_delete(queue)  # of a run before
    channel = the_object(bare)
    counted = stats()["failures"]
    assert counted == 1, "the name of a queue that is a number"
    spans.new()
    sent_and_got(channel, port, spans)
    names(channel, spans)
    failures(port, spans)
    iterations(channel, spans)
    options(bare, spans)
    room(port, spans)
    asynchronous(port, spans)
    with suppress(LookupError), channel as entered:
        assert entered is channel
        raise LookupError
    assert bare.is_closed
    connection.close()
    found = stats()
    assert (found["failures"], found["foreign_detach"], spans.open) == (counted, 0, 0), found
    assert trace.get_current_span() is trace.INVALID_SPAN


if __name__ == "__main__":
    main()
