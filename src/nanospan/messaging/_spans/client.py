"""`ClientTracing`: the tracer, the metrics and the descriptions of one client, which its operations share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Literal

from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, Tracer

from nanospan._compat.sdk import real_tracer
from nanospan._native.trace import NativeTracer
from nanospan.messaging._carriers.carrier import Carrier
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import Incoming, remote_in
from nanospan.messaging._conventions.facts import Facts, add_facts, text_of
from nanospan.messaging._conventions.metrics import Metrics
from nanospan.messaging._conventions.operation import Client, Destination, Operation, describe
from nanospan.messaging._conventions.vocabulary import MESSAGE_ID, OperationType
from nanospan.messaging._spans.links import LinkList

__all__ = ["RELATIONS", "ClientTracing", "Relation"]

Relation = Literal["link", "parent", "both"]
RELATIONS: tuple[Relation, ...] = ("link", "parent", "both")

MAX_OPERATIONS = 1024
"""Descriptions that are remembered; then all of them are forgotten. Names of temporary queues have no end."""


class ClientTracing:
    """Shared by the operations of one client. Constant, but for the descriptions that it remembers."""

    __slots__ = ("_operations", "carrier", "client", "incoming", "max_links", "metrics", "relation", "tracer")

    def __init__(
        self,
        client: Client,
        carrier: Carrier,
        tracer: Tracer,
        metrics: Metrics | None,
        relation: Relation,
        incoming: Incoming,
        max_links: int,
    ) -> None:
        self.client = client
        self.carrier = carrier
        self.tracer = tracer
        self.metrics = metrics
        self.relation = relation
        self.incoming = incoming
        self.max_links = max_links
        self._operations: dict[tuple[OperationType, str, str | Destination | None], Operation] = {}

    def has_native_spans(self) -> bool:
        """Whether nanospan's tracer makes the spans, perhaps behind a proxy; it may change with the global provider."""
        return isinstance(getattr(real_tracer(self.tracer).start_span, "__self__", None), NativeTracer)

    def operation(self, type: OperationType, name: str, destination: str | Destination | None) -> Operation:
        """The description of the operation ``name`` on ``destination``. Never raises."""
        key = (type, name, destination)
        try:
            known = self._operations.get(key)
            if known is None:
                if len(self._operations) >= MAX_OPERATIONS:
                    self._operations.clear()
                target = destination if isinstance(destination, Destination) else Destination(destination)
                known = self._operations[key] = describe(self.client, type, name, target)
            return known
        except Exception:  # a destination of another type, such as a list
            log_failure("the description of an operation")
            return describe(self.client, type, name, Destination())

    def attributes(self, operation: Operation, facts: Facts) -> dict[str, Any]:
        """The attributes of a span at its start."""
        attributes = operation.attributes.copy()
        if facts:
            add_facts(attributes, facts, self.client.system, self.client.both_sets)
        return attributes

    def creation(self, headers: Any) -> SpanContext:
        """The context in which a message was made; not valid if there is none, or it is to be ignored."""
        return INVALID_SPAN_CONTEXT if self.incoming == "ignore" else remote_in(self.carrier, headers)

    def link_creations(
        self,
        links: LinkList,
        headers_of: Iterable[Any],
        message_ids: Sequence[object] | None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None,
    ) -> None:
        """Link to the contexts in which messages were made; what differs from message to message is on the link."""
        if self.incoming == "ignore":
            return
        ids = chain(message_ids or (), repeat(None))
        others = chain(attributes_of or (), repeat(None))
        for headers, message_id, given in zip(headers_of, ids, others, strict=False):
            attributes = given
            if message_id is not None:
                attributes = {**(given or {}), MESSAGE_ID: text_of(message_id)}
            links.add(remote_in(self.carrier, headers), attributes)
