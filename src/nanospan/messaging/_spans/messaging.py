"""`Messaging`: the description of one client of a broker, from which its spans are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from nanospan._common.arguments import check_has, check_integer, check_text, safe_repr
from nanospan._common.version import own_version
from nanospan.messaging._carriers import Carrier, carrier_of
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import INCOMING, Incoming
from nanospan.messaging._conventions.facts import Facts, check_facts
from nanospan.messaging._conventions.metrics import SCOPE, Metrics
from nanospan.messaging._conventions.operation import Client, Destination
from nanospan.messaging._conventions.vocabulary import SCHEMA_URL, both_sets
from nanospan.messaging._spans.client import RELATIONS, ClientTracing, Relation
from nanospan.messaging._spans.consuming import Messages, Processing, Receiving, Settling
from nanospan.messaging._spans.links import max_links_from_environment
from nanospan.messaging._spans.sending import CREATIONS, Creation, Sending, SendingBatch, create

__all__ = ["Messaging", "check_choice"]

Target = str | Destination | None


def check_choice(name: str, value: object, accepted: Sequence[str]) -> None:
    if value not in accepted:
        raise ValueError(f"{name} must be {' or '.join(map(repr, accepted))}, not {safe_repr(value)}")


class Messaging:
    """Makes the spans and the metrics of one client of a broker. Make it once for a client; threads may share it.

    Names, kinds and attributes are those of the semantic conventions for messaging 1.44.0 (Development); with
    ``messaging/dup`` in ``OTEL_SEMCONV_STABILITY_OPT_IN`` the attributes of 1.11.0 are added. A failure inside nanospan, or
    in a propagator or a tracer, never reaches the caller of these methods: it is counted and logged, and the message goes on
    without its context.

    In each method ``destination`` is the name of a topic or queue, a `Destination`, or None if the messages have several.
    ``operation`` is the system's own name of the call. The other keywords are those of `Facts`.

    Args:
        system: `messaging.system`, such as "kafka", "rabbitmq", "aws_sqs", or "nats".
        carrier: How messages carry their context; that of the system if None.
        tracer_provider: The provider of the spans; the global one if None.
        meter_provider: The provider of the metrics; no metrics if None.
        server_address: The broker's host.
        server_port: Its port.
        client_id: `messaging.client.id`.
        consumer_group: `messaging.consumer.group.name`, on the spans of consumers.
        relation: How the span that processes a single message belongs to the message: by a "link", as its child ("parent"),
            or "both". With a parent, the span that is current becomes a link. Batches have links alone.
        incoming: "continue" uses the context of messages. "restart" does not trust it: links alone, no baggage. "ignore"
            does not read it.
        max_links: Links of a span, 0 or more; ``OTEL_SPAN_LINK_COUNT_LIMIT`` if None, and 128 without it.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """

    __slots__ = ("_client",)

    def __init__(
        self,
        system: str,
        *,
        carrier: Carrier | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
        client_id: str | None = None,
        consumer_group: str | None = None,
        relation: Relation = "link",
        incoming: Incoming = "continue",
        max_links: int | None = None,
    ) -> None:
        check_text("system", system)
        for name, value in (
            ("server_address", server_address),
            ("client_id", client_id),
            ("consumer_group", consumer_group),
        ):
            if value is not None:
                check_text(name, value)
        if server_port is not None:
            check_integer("server_port", server_port, 0, 65535)
        if max_links is not None:
            check_integer("max_links", max_links, 0, 2**31 - 1)
        if carrier is not None and not isinstance(carrier, Carrier):
            raise TypeError(f"carrier must be a carrier such as nanospan.messaging.KAFKA, not {safe_repr(carrier)}")
        if tracer_provider is not None:
            check_has("tracer_provider", tracer_provider, ("get_tracer",), "a TracerProvider")
        if meter_provider is not None:
            check_has("meter_provider", meter_provider, ("get_meter",), "a MeterProvider")
        check_choice("relation", relation, RELATIONS)
        check_choice("incoming", incoming, INCOMING)
        self._client = ClientTracing(
            Client(system, server_address, server_port, client_id, consumer_group, both_sets()),
            carrier_of(system) if carrier is None else carrier,
            trace.get_tracer(SCOPE, own_version(), tracer_provider, SCHEMA_URL),
            None if meter_provider is None else Metrics(meter_provider),
            relation,
            incoming,
            max_links_from_environment() if max_links is None else max_links,
        )

    @property
    def carrier(self) -> Carrier:
        return self._client.carrier

    @property
    def system(self) -> str:
        return self._client.client.system

    def __repr__(self) -> str:
        return f"<nanospan.messaging.Messaging {self.system} carrier={self.carrier!r}>"

    def send(
        self,
        destination: Target,
        headers: Any = None,
        *,
        operation: str = "send",
        creation: Creation = "send",
        **facts: Unpack[Facts],
    ) -> Sending:
        """A context manager around the call that hands one message over: a PRODUCER span, which ends with the block.

        Send the message with ``.headers`` of what ``with`` gives. By default the context of this span replaces what the
        headers carry. With ``creation="given"`` the context in the headers stays, as for a message from `create`: the span
        is of kind CLIENT and links to it. With ``"create"`` a create span is made first.
        """
        client, made_by = self._client, None
        if creation != "send":
            check_choice("creation", creation, CREATIONS)
            made_by = client.operation("create", "create", destination)
        return Sending(client, client.operation("send", operation, destination), made_by, headers, creation, facts)

    def send_batch(
        self,
        destination: Target,
        headers_of: Sequence[Any],
        *,
        operation: str = "send",
        creation: Creation = "create",
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
        **facts: Unpack[Facts],
    ) -> SendingBatch:
        """A context manager around the call that hands several messages over; send them with ``.headers_of``.

        By default each message gets a create span, to which the send span, of kind CLIENT, links. With ``creation="send"``
        there are none: the context of the send span, of kind PRODUCER, goes into every message. With ``"given"`` only
        messages without a context get a create span.
        """
        client = self._client
        check_choice("creation", creation, CREATIONS)
        made_by = None if creation == "send" else client.operation("create", "create", destination)
        sends = client.operation("send", operation, destination)
        return SendingBatch(client, sends, made_by, headers_of, creation, message_ids, attributes_of, facts)

    def create(self, destination: Target, headers: Any = None, *, operation: str = "create", **facts: Unpack[Facts]) -> Any:
        """The headers of one message of a batch, with the context of a create span of its own, which has ended."""
        check_facts(facts)
        client = self._client
        headers = client.carrier.empty() if headers is None else headers
        try:
            return create(client, client.operation("create", operation, destination), headers, facts)[0]
        except Exception:
            log_failure("a create span")
            return headers

    def receive(
        self,
        destination: Target = None,
        headers: Any = None,
        *,
        operation: str = "receive",
        headers_of: Iterable[Any] | None = None,
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
        empty: bool = True,
        **facts: Unpack[Facts],
    ) -> Receiving:
        """A context manager around the call that asks for messages: a CLIENT span with links to what made them.

        Say what came with ``.received(...)``, or here if it is known. With ``empty=False`` a poll that brought nothing
        leaves no span.
        """
        known = headers is not None or headers_of is not None
        messages = Messages(headers, headers_of, message_ids, attributes_of) if known else None
        made = self._client.operation("receive", operation, destination)
        return Receiving(self._client, made, messages, not empty, facts)

    def process(
        self,
        destination: Target = None,
        headers: Any = None,
        *,
        operation: str = "process",
        headers_of: Iterable[Any] | None = None,
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
        relation: Relation | None = None,
        push: bool = False,
        **facts: Unpack[Facts],
    ) -> Processing:
        """A context manager around the handler of one message, or of a batch: a CONSUMER span.

        It is linked to what made the messages, or a child of it: see ``relation`` of the class. ``push=True`` counts the
        messages as delivered, where no receive span does.
        """
        if relation is not None:
            check_choice("relation", relation, RELATIONS)
        messages = Messages(headers, headers_of, message_ids, attributes_of)
        made = self._client.operation("process", operation, destination)
        return Processing(self._client, made, messages, relation or self._client.relation, push, facts)

    def settle(
        self,
        destination: Target = None,
        headers: Any = None,
        *,
        operation: str = "settle",
        headers_of: Iterable[Any] | None = None,
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
        **facts: Unpack[Facts],
    ) -> Settling:
        """A context manager around the call that settles messages: a CLIENT span, with links if there are headers.

        ``operation`` is the system's word, such as "ack", "nack", "commit", or "complete".
        """
        messages = Messages(headers, headers_of, message_ids, attributes_of)
        return Settling(self._client, self._client.operation("settle", operation, destination), messages, facts)
