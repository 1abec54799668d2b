"""`Receiving`, `Processing` and `Settling`: messages that come from the broker, linked to where they were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import time_ns
from typing import Any, Unpack

from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context

from nanospan._native.trace import span_time
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import extract_remote, plain_remote
from nanospan.messaging._conventions.facts import Facts, check_facts, text_of
from nanospan.messaging._conventions.operation import KINDS, Destination, Operation
from nanospan.messaging._conventions.vocabulary import BATCH_COUNT, LINKS_LEFT_OUT, MESSAGE_ID
from nanospan.messaging._spans.client import ClientTracing, Relation
from nanospan.messaging._spans.links import LinkList
from nanospan.messaging._spans.scope import OperationScope, mark_failed

__all__ = ["Messages", "Processing", "Receiving", "Settling"]


class Messages:
    """The messages of an operation: one, by its ``headers``, or those of a batch, by ``headers_of``.

    Raises:
        TypeError: if both are given.
    """

    __slots__ = ("attributes_of", "headers", "headers_of", "message_ids")

    def __init__(
        self,
        headers: Any = None,
        headers_of: Iterable[Any] | None = None,
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> None:
        if headers is not None and headers_of is not None:
            raise TypeError("headers and headers_of must not both be given: one message, or a batch")
        self.headers = headers
        self.headers_of: list[Any] | None = None if headers_of is None else _listed(headers_of)
        self.message_ids = message_ids
        self.attributes_of = attributes_of

    def __len__(self) -> int:
        return 1 if self.headers_of is None else len(self.headers_of)

    @property
    def batch(self) -> int | None:
        """The size of the batch; None for a single message."""
        return None if self.headers_of is None else len(self.headers_of)


def _listed(headers_of: Iterable[Any]) -> list[Any]:
    try:
        return list(headers_of)
    except Exception:
        log_failure("the iteration over headers_of")
        return []


def _add_links(links: LinkList, client: ClientTracing, messages: Messages, facts: Facts) -> None:
    if messages.headers_of is not None:
        client.link_creations(links, messages.headers_of, messages.message_ids, messages.attributes_of)
    elif messages.headers is not None:
        client.link_creations(links, [messages.headers], [facts.get("message_id")], None)


class Receiving(OperationScope):
    """A call that asks the broker for messages. Its span is made at the end of the block, when the messages are known.

    Samplers thus see the links; the span is not current inside. Call `received` with what came; without it the poll was
    empty. A batch API says so with ``headers_of=[]``.
    """

    __slots__ = ("_error", "_messages", "_start_times", "_unrecorded")

    def __init__(
        self, client: ClientTracing, operation: Operation, messages: Messages | None, unrecorded: bool, facts: Facts
    ) -> None:
        super().__init__(client, operation, facts)
        self._messages = messages
        # By the clock of nanospan's spans, which frozen time may not reach, and by that of the SDK's. Which one it is to be,
        # is known when the span is made.
        self._start_times: tuple[int, int] | None = None
        self._error: BaseException | str | None = None
        self._unrecorded = unrecorded

    def received(
        self,
        headers: Any = None,
        *,
        headers_of: Iterable[Any] | None = None,
        message_ids: Sequence[object] | None = None,
        attributes_of: Sequence[Mapping[str, Any] | None] | None = None,
        destination: str | Destination | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        """Say what came: one message by its ``headers``, which may be None, or those of a batch, which may be empty.

        ``destination`` is where they came from, if the call itself did not say so.
        """
        messages = Messages(headers, headers_of, message_ids, attributes_of)
        self.add(**facts)
        if destination is not None:
            self._operation = self._client.operation("receive", self._operation.name, destination)
        self._messages = messages

    def add(self, **facts: Unpack[Facts]) -> None:
        check_facts(facts)
        known, more = self._facts.get("attributes"), facts.get("attributes")
        self._facts = {**self._facts, **facts}
        if known:
            self._facts["attributes"] = {**known, **(more or {})}

    def failed(self, error: BaseException | str) -> None:
        self._error = error

    def _begin(self) -> None:
        self._start_times = span_time(), time_ns()

    def _start_time(self) -> int | None:
        if self._start_times is None:
            return None
        native, stock = self._start_times
        return native if self._client.has_native_spans() else stock

    def _finish(self, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        failure = self._error if error is None or isinstance(error, GeneratorExit) else error
        messages = self._messages
        if failure is None and self._unrecorded and (messages is None or not len(messages)):
            return
        links = LinkList(self._client.max_links)
        if messages is not None:
            try:
                _add_links(links, self._client, messages, self._facts)
            except Exception:
                log_failure("the links of a receive span")
        found = links.links()
        attributes = self._client.attributes(self._operation, self._facts)
        if messages is not None and messages.batch is not None:
            attributes[BATCH_COUNT] = messages.batch
        if links.left_out:
            attributes[LINKS_LEFT_OUT] = links.left_out
        try:
            self.span = self._client.tracer.start_span(
                self._operation.span_name,
                kind=KINDS["receive"],
                attributes=attributes,
                links=found,
                start_time=self._start_time(),
            )
            if failure is not None:
                self._error_type = mark_failed(self.span, failure)
        finally:
            self.span.end()
            if self._client.metrics is not None:
                self._measure(consumed=0 if messages is None else len(messages))


class Processing(OperationScope):
    """The handling of one message or of a batch. ``creation`` is the context in which the single message was made."""

    __slots__ = ("_messages", "_push", "_relation", "creation")

    def __init__(
        self,
        client: ClientTracing,
        operation: Operation,
        messages: Messages,
        relation: Relation,
        push: bool,
        facts: Facts,
    ) -> None:
        super().__init__(client, operation, facts)
        self._messages = messages
        self._relation = relation
        self._push = push
        self.creation: SpanContext | None = None

    def _begin(self) -> None:
        links = LinkList(self._client.max_links)
        context = get_current()
        try:
            if self._messages.headers_of is None:
                context = self._place_single(context, links)
            else:
                _add_links(links, self._client, self._messages, self._facts)
        except Exception:
            log_failure("the links of a process span")
        found = links.links()
        more = {LINKS_LEFT_OUT: links.left_out} if links.left_out else None
        self._activate(self._start(KINDS["process"], found, batch=self._messages.batch, parent=context, more=more))

    def _place_single(self, current: Context, links: LinkList) -> Context:
        """The context for the span of one message, with its links."""
        client = self._client
        if client.incoming == "ignore" or self._messages.headers is None:
            return current
        context, trusted = current, client.incoming == "continue"
        creation = plain_remote(client.carrier, self._messages.headers, with_baggage=trusted)
        if creation is None:
            carried, creation = extract_remote(client.carrier, self._messages.headers)
            if trusted:
                for name, value in baggage.get_all(carried).items():
                    context = baggage.set_baggage(name, value, context)
        if not creation.is_valid:
            return context
        self.creation = creation
        relation = self._relation if trusted else "link"
        if relation != "parent":
            message_id = self._facts.get("message_id")
            links.add(creation, None if message_id is None else {MESSAGE_ID: text_of(message_id)})
        if relation != "link":
            links.add(get_current_span(current).get_span_context())
            context = set_span_in_context(NonRecordingSpan(creation), context)
        return context

    def _measure(self, *, sent: int = 0, consumed: int = 0) -> None:
        super()._measure(consumed=len(self._messages) if self._push else 0)


class Settling(OperationScope):
    """The settlement of messages: an acknowledgement, a rejection, a commit."""

    __slots__ = ("_messages",)

    def __init__(self, client: ClientTracing, operation: Operation, messages: Messages, facts: Facts) -> None:
        super().__init__(client, operation, facts)
        self._messages = messages

    def _begin(self) -> None:
        links = LinkList(self._client.max_links)
        try:
            _add_links(links, self._client, self._messages, self._facts)
        except Exception:
            log_failure("the links of a settle span")
        found = links.links()
        more = {LINKS_LEFT_OUT: links.left_out} if links.left_out else None
        self._activate(self._start(KINDS["settle"], found, batch=self._messages.batch, more=more))
