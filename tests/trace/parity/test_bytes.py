"""The bytes that leave: from native spans straight into the queue, against the encoded ReadableSpans of stock ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider, sampling
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import set_span_in_context as in_context
from opentelemetry.trace.span import TraceState
from support.accounting import check_balance
from support.parity.implementation import STOCK, Implementation
from support.parity.pipeline import CountingIds, Recorder, collecting_batches
from support.parity.portrait import Names, of_request, of_span
from support.receivers import HttpReceiver

import nanospan
from nanospan._compat.stock import AlwaysRecordSampler
from nanospan.export.http import OTLPSpanExporter

REMOTE = SpanContext(0xA << 100, 0xB, True, TraceFlags(3), TraceState([("vendor", "1"), ("ot", "th:8")]))
MIXED = {
    "text": "é\U0001f600",
    "empty": "",
    "number": -1,
    "float": 1.5,
    "yes": True,
    "none": None,
    "bytes": b"\x00\xff",
    "list": [1, "a", None, [True, 2.5]],
    "map": {"a": {"b": [1]}, "": 1},
    "huge": 2**64,
    "decimal": Decimal("1.50"),
    "surrogate": "\ud800",
    "long": "x" * 5_000,
}


def counted(many: int) -> dict[str, int]:
    return {f"key {number}": number for number in range(many)}


def plain(provider: TracerProvider) -> Iterator[Any]:
    yield provider.get_tracer("a").start_span("span", start_time=1)


def mixed_at_start(provider: TracerProvider) -> Iterator[Any]:
    yield provider.get_tracer("a", "1.0").start_span("span", attributes=MIXED, start_time=1, kind=SpanKind.SERVER)


def mixed_later(provider: TracerProvider) -> Iterator[Any]:
    span = provider.get_tracer("a").start_span("span", start_time=1, kind=SpanKind.CONSUMER)
    for key, value in MIXED.items():
        span.set_attribute(key, value)
    span.set_attributes({"text": "again", "more": 1})
    span.set_attribute("number", 7)
    yield span


def family(provider: TracerProvider) -> Iterator[Any]:
    tracer = provider.get_tracer("a")
    root = tracer.start_span("root", in_context(NonRecordingSpan(REMOTE)), start_time=1, kind=SpanKind.SERVER)
    child = tracer.start_span("child", in_context(root), start_time=2)
    other = provider.get_tracer("b", None, "schema", {"scope": 1}).start_span("other", in_context(child), start_time=3)
    yield from (other, child, root)


def everything(provider: TracerProvider) -> Iterator[Any]:
    links = [Link(REMOTE, {"l": "é"}), Link(SpanContext(0, 0, False)), Link(SpanContext(1, 2, False), MIXED)]
    span = provider.get_tracer("a").start_span("span", attributes={"a": 1}, links=links, start_time=1)
    span.add_link(REMOTE)
    span.add_event("first", MIXED, 5)
    span.add_event("second", timestamp=6)
    span.update_name("renamed")
    span.set_status(Status(StatusCode.ERROR, "failed"))
    try:
        raise ValueError("message")
    except ValueError as error:
        span.record_exception(error, {"own": 1}, 7, True)
    yield span


def read_before_it_ends(provider: TracerProvider) -> Iterator[Any]:
    """What somebody has looked at is encoded from other containers."""
    for span in (*mixed_later(provider), *everything(provider)):
        assert len(span.attributes) + span.dropped_attributes > 0
        assert isinstance(span.events, tuple)
        assert isinstance(span.links, tuple)
        span.set_attribute("after", "reading")
        span.add_event("after", {"r": 1}, 8)
        yield span


def private_fields(provider: TracerProvider) -> Iterator[Any]:
    span = provider.get_tracer("a").start_span("span", attributes={"a": 1}, start_time=1)
    span._name = "assigned"
    span._parent = REMOTE
    span._kind = SpanKind.CLIENT
    span._status = Status(StatusCode.ERROR, "assigned")
    span._start_time = 2
    span._attributes["direct"] = 1
    yield span


def sizes(provider: TracerProvider) -> Iterator[Any]:
    tracer = provider.get_tracer("a")
    for many in (0, 1, 2, 4, 5, 8, 9, 16, 17, 64, 127, 128, 129, 200, 1_000):
        yield tracer.start_span(f"start {many}", attributes=counted(many), start_time=1)
        span = tracer.start_span(f"together {many}", start_time=1, attributes={"first": 1})
        span.set_attributes(counted(many))
        yield span
        span = tracer.start_span(f"one by one {many}", start_time=1)
        for key, value in counted(many).items():
            span.set_attribute(key, value)
        for key in list(counted(many))[::7]:
            span.set_attribute(key, "again")
        yield span


def many_events(provider: TracerProvider) -> Iterator[Any]:
    tracer = provider.get_tracer("a")
    for many in (1, 127, 128, 129, 300):
        span = tracer.start_span(f"events {many}", links=[Link(REMOTE, {"n": n}) for n in range(many)], start_time=1)
        for number in range(many):
            span.add_event(f"event {number}", counted(number % 3), number)
            span.add_link(REMOTE, {"later": number})
        yield span


CASES: dict[str, Callable[[TracerProvider], Iterator[Any]]] = {
    case.__name__: case
    for case in (
        *(plain, mixed_at_start, mixed_later, family, everything, read_before_it_ends, private_fields, sizes),
        many_events,
    )
}
LIMITS = {
    "default": {},
    "none": dict.fromkeys(("max_attributes", "max_events", "max_links", "max_span_attributes"), SpanLimits.UNSET),
    "tight": {"max_attributes": 3, "max_events": 2, "max_links": 1, "max_attribute_length": 2},
    "zero": {"max_attributes": 0, "max_events": 0, "max_links": 0, "max_attribute_length": 0},
}


def expected(case: Callable[[TracerProvider], Iterator[Any]], limits: dict[str, int]) -> tuple[bytes, list[Any]]:
    recorder, names = Recorder(), Names(True)
    provider = STOCK.provider(recorder, span_limits=SpanLimits(**limits))
    for number, span in enumerate(case(provider)):
        span.end(100 + number)
    body = of_request(nanospan.encode_spans(recorder.ended), names)
    return body, [of_span(span, names) for span in recorder.ended]


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_into_the_queue(implementation: Implementation, case: Any, limits: dict[str, int]) -> None:
    """Nothing but nanospan's processor: the shortest way."""
    batches, collector = collecting_batches()
    provider = implementation.provider(batches, span_limits=SpanLimits(**limits))
    readables: list[ReadableSpan] = []
    for number, span in enumerate(case(provider)):
        span.end(100 + number)
        readables.append(span)
    assert provider.force_flush()
    body, portraits = expected(case, limits)
    (sent,) = collector.bodies
    names = Names(True)
    assert of_request(sent, names) == body
    assert [of_span(span._readable_span(), names) for span in readables] == portraits
    assert nanospan.encode_spans([span._readable_span() for span in readables]) == sent
    stats = batches.stats()
    assert stats["exported"] == len(readables)
    check_balance(stats)
    provider.shutdown()


@pytest.mark.parametrize("foreign_first", [True, False])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_beside_a_foreign_processor(implementation: Implementation, case: Any, foreign_first: bool) -> None:
    recorder = Recorder()
    batches, collector = collecting_batches()
    processors = [recorder, batches] if foreign_first else [batches, recorder]
    provider = implementation.provider(*processors, id_generator=CountingIds())
    for number, span in enumerate(case(provider)):
        span.end(100 + number)
    assert provider.force_flush()
    (sent,) = collector.bodies
    assert nanospan.encode_spans(recorder.ended) == sent
    assert of_request(sent, Names(True)) == expected(case, {})[0]
    provider.shutdown()


@pytest.mark.parametrize("case", [everything, family], ids=lambda case: case.__name__)
def test_into_a_receiver(implementation: Implementation, case: Any) -> None:
    with HttpReceiver() as receiver:
        provider = implementation.provider(nanospan.BatchSpanProcessor(OTLPSpanExporter(receiver.url)))
        for number, span in enumerate(case(provider)):
            span.end(100 + number)
        provider.shutdown()
        (request,) = receiver.requests
    assert of_request(request.body, Names(True)) == expected(case, {})[0]


def test_two_of_nanospans_processors(implementation: Implementation) -> None:
    """Each gets every span, and neither what the other has taken."""
    pairs = [collecting_batches() for _ in range(2)]
    provider = implementation.provider(*(batches for batches, _ in pairs))
    for number, span in enumerate(everything(provider)):
        span.end(100 + number)
    assert provider.force_flush()
    bodies = {collector.bodies[0] for _, collector in pairs}
    assert {of_request(body, Names(True)) for body in bodies} == {expected(everything, {})[0]}
    assert len(bodies) == 1
    provider.shutdown()


def test_a_processor_added_while_a_span_is_open(implementation: Implementation) -> None:
    batches, collector = collecting_batches()
    recorder = Recorder()
    provider = implementation.provider(batches)
    (span,) = everything(provider)
    provider.add_span_processor(recorder)
    span.end(100)
    (late,) = plain(provider)
    provider._active_span_processor._span_processors = (batches,)
    late.end(101)
    assert provider.force_flush()
    assert [span.name for span in recorder.ended] == ["renamed"]
    both = [recorder.ended[0], late._readable_span()]
    assert collector.bodies == [nanospan.encode_spans(both)]
    provider.shutdown()


def test_spans_that_are_not_sampled_are_not_queued(implementation: Implementation) -> None:
    batches, collector = collecting_batches()
    provider = implementation.provider(batches, sampler=AlwaysRecordSampler(sampling.ALWAYS_OFF))
    for span in mixed_later(provider):
        assert span.is_recording()
        span.end()
    assert provider.force_flush()
    assert collector.bodies == []
    provider.shutdown()


def test_what_happens_after_the_end_is_not_sent(implementation: Implementation) -> None:
    batches, collector = collecting_batches()
    provider = implementation.provider(batches)
    (span,) = plain(provider)
    span.end(100)
    span.set_attribute("late", 1)
    span.update_name("late")
    span._name = "late"
    span.end(200)
    assert provider.force_flush()
    (sent,) = collector.bodies
    assert of_request(sent, Names(True)) == expected(plain, {})[0]
    provider.shutdown()
