"""`Sending` and `SendingBatch`: messages on their way to the broker, and the context in which each was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from opentelemetry.trace import SpanContext, SpanKind, set_span_in_context

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import current_fields, remote_in
from nanospan.messaging._conventions.facts import Facts, text_of
from nanospan.messaging._conventions.operation import KINDS, Operation
from nanospan.messaging._conventions.vocabulary import LINKS_LEFT_OUT, MESSAGE_ID
from nanospan.messaging._spans.client import ClientTracing
from nanospan.messaging._spans.links import LinkList
from nanospan.messaging._spans.scope import OperationScope

__all__ = ["CREATIONS", "Creation", "Sending", "SendingBatch", "create"]

Creation = Literal["send", "create", "given"]
"""Which context goes into a message: that of the send span, of a create span of its own, or the one that it has already."""
CREATIONS: tuple[Creation, ...] = ("send", "create", "given")


def create(client: ClientTracing, operation: Operation, headers: Any, facts: Facts) -> tuple[Any, SpanContext]:
    """Make a create span, and put its context into a message: the new headers, and the span's context. May raise."""
    attributes = client.attributes(operation, facts)
    span = client.tracer.start_span(operation.span_name, kind=SpanKind.PRODUCER, attributes=attributes)
    try:
        fields = current_fields(set_span_in_context(span))
        return client.carrier.set(headers, fields) if fields else headers, span.get_span_context()
    finally:
        span.end()


class Sending(OperationScope):
    """One message that is handed over for sending.

    ``headers`` is what to send: a copy of the given headers with the context of the message; never None. ``fields`` are the
    fields that were written, for a transport with a second place for them::

        if SQS.get(sending.headers, "traceparent") is None:
            system_attributes = AWS_TRACE_HEADER.set(system_attributes, sending.fields)
    """

    __slots__ = ("_creation", "_made_by", "fields", "headers")

    def __init__(
        self,
        client: ClientTracing,
        operation: Operation,
        made_by: Operation | None,
        headers: Any,
        creation: Creation,
        facts: Facts,
    ) -> None:
        super().__init__(client, operation, facts)
        self._made_by = made_by
        self._creation = creation
        self.headers: Any = client.carrier.empty() if headers is None else headers
        self.fields: dict[str, str] = {}

    def sent(self, **facts: Unpack[Facts]) -> None:
        """Add what the broker answered: ``message_id``, ``partition``, ``attributes``. Never raises."""
        self.add(**facts)

    def _begin(self) -> None:
        if self._made_by is None:
            context = self._start(KINDS["send"], ())
            self.fields = current_fields(context)
            if self.fields:
                self.headers = self._client.carrier.set(self.headers, self.fields)
        else:
            links = LinkList(self._client.max_links)
            self.headers, creation = _made(self._client, self._made_by, self.headers, self._creation, self._facts)
            links.add(creation)
            context = self._start(SpanKind.CLIENT, links.links())
        self._activate(context)

    def _measure(self, *, sent: int = 0, consumed: int = 0) -> None:
        super()._measure(sent=1)


class SendingBatch(OperationScope):
    """Several messages that are handed over at once. ``headers_of`` is what to send, in the order of the messages."""

    __slots__ = ("_attributes_of", "_creation", "_ids", "_made_by", "headers_of")

    def __init__(
        self,
        client: ClientTracing,
        operation: Operation,
        made_by: Operation | None,
        headers_of: Sequence[Any],
        creation: Creation,
        message_ids: Sequence[object] | None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None,
        facts: Facts,
    ) -> None:
        super().__init__(client, operation, facts)
        self._made_by = made_by
        self._creation = creation
        self._ids = message_ids or ()
        self._attributes_of = attributes_of or ()
        self.headers_of: list[Any] = [client.carrier.empty() if headers is None else headers for headers in headers_of]

    def sent(self, **facts: Unpack[Facts]) -> None:
        """Add what the broker answered. Never raises."""
        self.add(**facts)

    def _begin(self) -> None:
        messages = len(self.headers_of)
        if self._made_by is None:
            context = self._start(KINDS["send"], (), batch=messages)
            if fields := current_fields(context):
                self.headers_of = [self._client.carrier.set(headers, fields) for headers in self.headers_of]
        else:
            links = LinkList(self._client.max_links)
            for index, headers in enumerate(self.headers_of):
                facts = self._facts_of(index)
                self.headers_of[index], made = _made(self._client, self._made_by, headers, self._creation, facts)
                links.add(made, self._link_attributes(facts))
            found = links.links()
            more = {LINKS_LEFT_OUT: links.left_out} if links.left_out else None
            context = self._start(SpanKind.CLIENT, found, batch=messages, more=more)
        self._activate(context)

    def _facts_of(self, index: int) -> Facts:
        facts: Facts = {}
        if index < len(self._ids):
            facts["message_id"] = self._ids[index]
        if index < len(self._attributes_of):
            facts["attributes"] = self._attributes_of[index]
        return facts

    @staticmethod
    def _link_attributes(facts: Facts) -> dict[str, Any]:
        attributes = dict(facts.get("attributes") or ())
        if (message_id := facts.get("message_id")) is not None:
            attributes[MESSAGE_ID] = text_of(message_id)
        return attributes

    def _measure(self, *, sent: int = 0, consumed: int = 0) -> None:
        super()._measure(sent=len(self.headers_of))


def _made(
    client: ClientTracing, operation: Operation, headers: Any, creation: Creation, facts: Facts
) -> tuple[Any, SpanContext]:
    """The headers with the context in which a message was made: the one in them if that is ``given``, else a new one."""
    if creation == "given":
        given = remote_in(client.carrier, headers)
        if given.is_valid:
            return headers, given
    try:
        return create(client, operation, headers, facts)
    except Exception:
        log_failure("a create span")
        return headers, SpanContext(0, 0, is_remote=False)
