"""The encoder against the reference: same bytes for anything that both can encode."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nanospan_testing import encode_report
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference_encode
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from support.selection.examples import examples

from nanospan import encode_spans
from nanospan._native.encoding import encode_batch

# --- spans of every kind ----------------------------------------------------------------------------------------------

encodable_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
long_text = st.builds(lambda piece, times: piece * times, encodable_text, st.sampled_from([1, 3, 5, 200]))
int64 = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(st.none(), st.booleans(), int64, st.floats(width=64, allow_nan=True), long_text, st.binary(max_size=300))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(encodable_text, inner, max_size=5),
    ),
    max_leaves=25,
)
attributes = st.one_of(
    st.none(),
    st.dictionaries(encodable_text, values, max_size=12),
    st.builds(
        lambda items, limit: BoundedAttributes(maxlen=limit, attributes=items),
        st.dictionaries(encodable_text, values, max_size=8),
        st.sampled_from([None, 3, 128]),
    ),
)
trace_states = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_\-*/]{0,10}", fullmatch=True),
    st.from_regex(r"[!-+\--<>-~]{1,10}", fullmatch=True),
    max_size=4,
).map(lambda members: TraceState(list(members.items())))
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(0, 2**128 - 1),
    span_id=st.integers(0, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.integers(0, 255).map(TraceFlags),
    trace_state=st.one_of(st.none(), trace_states),
)
times = st.one_of(st.none(), st.integers(0, 2**64 - 1))
events = st.builds(
    Event,
    name=long_text,
    attributes=attributes,
    timestamp=st.integers(0, 2**64 - 1),
)
links = st.builds(Link, context=contexts, attributes=attributes)


@st.composite
def bounded_lists(draw: st.DrawFn, items: st.SearchStrategy) -> list | BoundedList:
    made = draw(st.lists(items, max_size=4))
    if draw(st.booleans()):
        return made
    bounded = BoundedList.from_seq(4, made)
    bounded.dropped = draw(st.integers(0, 2**32 - 1))
    return bounded


statuses = st.one_of(
    st.just(Status(StatusCode.UNSET)),
    st.just(Status(StatusCode.OK)),
    st.builds(lambda text: Status(StatusCode.ERROR, text), long_text),
    st.none(),
)
resources = st.sampled_from(
    [
        Resource({"service.name": "a"}),
        Resource({"service.name": "a"}),  # equal, not identical: one ResourceSpans
        Resource({"service.name": "b", "n": [1, 2, "x"], "raw": b"\x00\xff"}, "https://example.com/schema"),
        Resource({}),
    ]
)
scopes = st.sampled_from(
    [
        None,
        InstrumentationScope("library", "1.0"),
        InstrumentationScope("library", "1.0"),
        InstrumentationScope("library", None, "https://example.com/scope", {"k": "v", "many": [True, False]}),
        InstrumentationScope(""),
    ]
)
spans = st.builds(
    ReadableSpan,
    name=st.one_of(st.none(), long_text),
    context=contexts,
    parent=st.one_of(st.none(), contexts),
    resource=resources,
    attributes=attributes,
    events=bounded_lists(events),
    links=bounded_lists(links),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=times,
    end_time=times,
    instrumentation_scope=scopes,
)
# For batches of many spans: Hypothesis gives up most batches of many large ones as too much data.
small_spans = st.builds(
    ReadableSpan,
    name=encodable_text,
    context=contexts,
    resource=resources,
    attributes=st.dictionaries(encodable_text, scalars, max_size=2),
    instrumentation_scope=scopes,
)


class SubclassedSpan(ReadableSpan):
    """Encoded through its properties, as anything that is not exactly a ReadableSpan."""


def expected_request(batch: list[ReadableSpan]) -> ExportTraceServiceRequest:
    """The reference's message with the two fields filled in that it leaves out."""
    request = reference_encode(batch)
    by_resource: dict[Resource, dict[InstrumentationScope | None, list[ReadableSpan]]] = {}
    for span in batch:
        by_resource.setdefault(span.resource, {}).setdefault(span.instrumentation_scope, []).append(span)
    for resource_spans, by_scope in zip(request.resource_spans, by_resource.values(), strict=True):
        for scope_spans, own in zip(resource_spans.scope_spans, by_scope.values(), strict=True):
            for message, span in zip(scope_spans.spans, own, strict=True):
                message.flags |= span.context.trace_flags
                for link_message, link in zip(message.links, span.links, strict=True):
                    link_message.flags |= link.context.trace_flags
                    link_message.trace_state = link.context.trace_state.to_header()
    return request


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.one_of(st.lists(spans, max_size=2), st.lists(small_spans, max_size=9)))
def test_bytes_equal_the_reference(batch):
    assert encode_spans(batch) == expected_request(batch).SerializeToString()


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(spans)
def test_properties_and_fields_give_the_same_bytes(span):
    through_properties = SubclassedSpan.__new__(SubclassedSpan)
    through_properties.__dict__.update(span.__dict__)
    assert encode_spans([through_properties]) == encode_spans([span])


@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 127, 128, 129, 16380, 16383, 16384, 16385, 2_097_152])
def test_lengths_are_canonical_where_they_grow(size):
    span = make_span(attributes={"k": "x" * size, "nested": [["y" * size]], "map": {"z": "w" * size}})
    assert encode_spans([span]) == expected_request([span]).SerializeToString()


def test_a_huge_batch():
    batch = [make_span(name=f"span {number}", attributes={"n": number}) for number in range(3000)]
    assert encode_spans(batch) == expected_request(batch).SerializeToString()


def test_nothing_to_encode():
    assert encode_spans([]) == b""
    assert encode_batch([]) is None


# --- batches ----------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(small_spans, min_size=2, max_size=9))
def test_a_split_batch_holds_the_same_spans(batch):
    whole = encode_batch(batch)
    halves = whole.split()
    assert [half.count for half in halves] == [len(batch) // 2, len(batch) - len(batch) // 2]
    assert _spans_with_owners(*halves) == _spans_with_owners(whole)


def test_a_batch_of_one_cannot_be_split():
    with pytest.raises(ValueError, match="cannot be split"):
        encode_batch([make_span()]).split()


def _spans_with_owners(*batches) -> list[tuple[bytes, bytes, bytes]]:
    found = []
    for batch in batches:
        for resource_spans in ExportTraceServiceRequest.FromString(bytes(batch)).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                owner = resource_spans.resource.SerializeToString(), scope_spans.scope.SerializeToString()
                found += [(*owner, span.SerializeToString()) for span in scope_spans.spans]
    return found


# --- what the reference loses (each is a line of docs/limitations.md) ---------------------------------------------------


def make_span(**fields) -> ReadableSpan:
    defaults = {
        "name": "name",
        "context": SpanContext(0xA, 0xB, False, TraceFlags(1)),
        "resource": Resource({"service.name": "test"}),
        "instrumentation_scope": InstrumentationScope("library"),
        "start_time": 1_000,
        "end_time": 2_000,
    }
    return ReadableSpan(**{**defaults, **fields})


def encode_one(span: ReadableSpan) -> tuple[object, dict[str, int]]:
    """The decoded span message, and the report."""
    request, report = encode_report([span])
    (resource_spans,) = ExportTraceServiceRequest.FromString(request).resource_spans
    return resource_spans.scope_spans[0].spans[0], report


def attributes_of(message) -> dict[str, object]:
    return {pair.key: pair.value for pair in message.attributes}


def test_a_poisoned_span_costs_nothing_of_the_others():
    batch = [make_span(name=f"good {number}") for number in range(512)]
    batch[100] = make_span(name="\ud800", start_time=-5, kind=None, attributes={"bad": 2**70, "good": 1})
    request = ExportTraceServiceRequest.FromString(encode_spans(batch))
    messages = request.resource_spans[0].scope_spans[0].spans
    assert len(messages) == 512
    assert [message.name for message in messages[:100]] == [f"good {number}" for number in range(100)]


@pytest.mark.parametrize("field", ["name", "value", "key", "event name", "status message"])
def test_lone_surrogates_are_replaced(field):
    span = make_span(
        name="a\ud800b" if field == "name" else "n",
        attributes={"k\udc00" if field == "key" else "k": "\ud800v" if field == "value" else "v", "other": 1},
        events=[Event("e\udfff" if field == "event name" else "e", timestamp=1)],
        status=Status(StatusCode.ERROR, "\ud800 wrong" if field == "status message" else "wrong"),
    )
    message, report = encode_one(span)
    texts = [message.name, *attributes_of(message), message.events[0].name, message.status.message]
    texts += [value.string_value for value in attributes_of(message).values()]
    assert sum(text.count("\ufffd") for text in texts) == 1
    assert report == {"repaired": 1, "lost": 0, "failed": 0}


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_integers_past_64_bits_become_decimal_strings(number):
    message, report = encode_one(make_span(attributes={"big": number, "list": [1, number, 2]}))
    found = attributes_of(message)
    assert found["big"].string_value == str(number)
    assert [value.WhichOneof("value") for value in found["list"].array_value.values] == [
        "int_value",
        "string_value",
        "int_value",
    ]
    assert report == {"repaired": 2, "lost": 0, "failed": 0}


def test_an_integer_too_long_to_print_costs_its_attribute():
    message, report = encode_one(make_span(attributes={"huge": 10**5000, "other": 1}))
    assert list(attributes_of(message)) == ["other"]
    assert report == {"repaired": 0, "lost": 1, "failed": 0}


@pytest.mark.parametrize(
    ("time", "expected", "repaired", "lost"),
    [
        (-1, 0, 1, 0),
        (2**64, 2**64 - 1, 1, 0),
        (1.5e9, 1_500_000_000, 1, 0),
        (float("nan"), 0, 0, 1),
        ("17", 17, 1, 0),
        ("noon", 0, 0, 1),
        (object(), 0, 0, 1),
    ],
)
def test_bad_times(time, expected, repaired, lost):
    message, report = encode_one(make_span(start_time=time))
    assert message.start_time_unix_nano == expected
    assert message.end_time_unix_nano == 2_000
    assert report == {"repaired": repaired, "lost": lost, "failed": 0}


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(("name", "expected", "repaired", "lost"), [(17, "17", 1, 0), (Unprintable(), "", 0, 1)])
def test_names_that_are_no_strings(name, expected, repaired, lost):
    message, report = encode_one(make_span(name=name))
    assert message.name == expected
    assert report == {"repaired": repaired, "lost": lost, "failed": 0}


@pytest.mark.parametrize("kind", [None, 3, "server"])
def test_an_unknown_kind_is_unspecified(kind):
    message, report = encode_one(make_span(kind=kind))
    assert message.kind == 0
    assert report["lost"] == 1


def test_a_value_of_no_kind_costs_its_attribute():
    message, report = encode_one(make_span(attributes={"a": 1, "bad": object(), 5: "no key", "b": 2}))
    assert list(attributes_of(message)) == ["a", "b"]
    assert report == {"repaired": 0, "lost": 2, "failed": 0}


def test_a_bad_element_keeps_the_places_of_the_others():
    message, report = encode_one(make_span(attributes={"list": [1, object(), "x"], "map": {"a": object(), "b": 2}}))
    found = attributes_of(message)
    assert [value.WhichOneof("value") for value in found["list"].array_value.values] == [
        "int_value",
        None,
        "string_value",
    ]
    assert [pair.key for pair in found["map"].kvlist_value.values] == ["b"]
    assert report == {"repaired": 0, "lost": 2, "failed": 0}


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"k": inner}], ids=["lists", "maps"])
def test_deep_nesting_stays_readable_for_receivers(make):
    """The parsers of most receivers stop at 100 nested messages, and refuse the request."""
    value = "bottom"
    for _ in range(500):
        value = make(value)
    span = make_span(attributes={"deep": value, "other": 1}, events=[Event("e", {"deep": value}, timestamp=1)])
    message, report = encode_one(span)  # decodes: upb refuses what is deeper than 100
    assert "other" in attributes_of(message)
    assert report["lost"] == 2


def test_a_list_that_holds_itself():
    knot: list = [1]
    knot.append(knot)
    message, report = encode_one(make_span(attributes={"knot": knot, "other": 1}))
    assert "other" in attributes_of(message)
    assert report["lost"] >= 1


@pytest.mark.parametrize("dropped", [-1, 2**32, "many"])
def test_impossible_dropped_counts(dropped):
    bounded = BoundedAttributes(attributes={"a": 1})
    bounded.dropped = dropped
    message, report = encode_one(make_span(attributes=bounded))
    assert "a" in attributes_of(message)
    assert message.dropped_attributes_count == (2**32 - 1 if dropped == 2**32 else 0)
    assert report["repaired"] == 1


@pytest.mark.parametrize("number", [2**128 + 7, -1])
def test_ids_out_of_range_keep_their_low_bits(number):
    message, report = encode_one(make_span(context=SpanContext(number, 1, False)))
    assert int.from_bytes(message.trace_id, "big") == number % 2**128
    assert report["repaired"] == 1


def test_a_span_without_ids_is_the_only_one_that_fails():
    request, report = encode_report([make_span(), make_span(context=None), make_span()])
    assert len(ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans) == 2
    assert report["failed"] == 1


def test_a_bad_link_or_event_costs_itself():
    span = make_span(
        links=[Link(SpanContext(1, 2, False)), Link(None), object()], events=[object(), Event("e", timestamp=3)]
    )
    message, report = encode_one(span)
    assert len(message.links) == 1
    assert [event.name for event in message.events] == ["e"]
    assert report["lost"] == 3


class BrokenSpan(ReadableSpan):
    @property
    def events(self):
        raise RuntimeError("no events today")


def test_a_property_that_raises_costs_that_field():
    span = BrokenSpan("name", context=SpanContext(1, 2, False), resource=Resource({}), attributes={"a": 1})
    message, report = encode_one(span)
    assert message.name == "name"
    assert "a" in attributes_of(message)
    assert report == {"repaired": 0, "lost": 1, "failed": 0}


def test_interrupts_are_not_swallowed():
    class Interrupting(dict):
        def items(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_spans([make_span(attributes=Interrupting(a=1))])


def test_a_resource_that_cannot_be_hashed_stands_for_itself():
    class Unhashable(Resource):
        __hash__ = None

    batch = [make_span(resource=Unhashable({"n": 1})), make_span(resource=Resource({"n": 2}))]
    request = ExportTraceServiceRequest.FromString(encode_spans(batch))
    assert len(request.resource_spans) == 2


def test_more_sources_than_the_table_starts_with():
    batch = [make_span(resource=Resource({"n": number % 700}), name=str(number)) for number in range(2100)]
    assert encode_spans(batch) == expected_request(batch).SerializeToString()
