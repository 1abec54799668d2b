"""OTLP's JSON encoding, both ways."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from nanospan.receiver.otlp_json import OtlpJsonError, request_from_json, request_to_json

TRACE, SPAN, PARENT = bytes(range(240, 256)), b"\xab" * 8, b"\xcd" * 8


def request() -> ExportTraceServiceRequest:
    span = trace_pb2.Span(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=PARENT,
        name="é",
        kind=trace_pb2.Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=2**64 - 1,
        status=trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message="no"),
        flags=257,
        attributes=[
            KeyValue(key="bytes", value=AnyValue(bytes_value=b"\x00\xff")),
            KeyValue(key="int", value=AnyValue(int_value=-(2**63))),
            KeyValue(key="nan", value=AnyValue(double_value=float("inf"))),
            KeyValue(key="list", value=AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=False), AnyValue()]))),
        ],
    )
    span.events.add(name="event", time_unix_nano=5)
    span.links.add(trace_id=TRACE, span_id=PARENT)
    span.links.add()
    message = ExportTraceServiceRequest()
    message.resource_spans.add().resource.attributes.add(key="service.name").value.string_value = "shop"
    message.resource_spans[0].scope_spans.add().scope.name = "empty"
    message.resource_spans[0].scope_spans.add().spans.extend([span, trace_pb2.Span(name="without ids")])
    return message


def of_spans(*spans: object) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


def test_there_and_back():
    line = request_to_json(request())
    assert "\n" not in line
    span = json.loads(line)["resourceSpans"][0]["scopeSpans"][1]["spans"][0]
    # What differs from protobuf's own JSON, and what does not.
    assert (span["traceId"], span["spanId"], span["parentSpanId"]) == (TRACE.hex(), SPAN.hex(), PARENT.hex())
    assert span["links"] == [{"traceId": TRACE.hex(), "spanId": PARENT.hex()}, {}]
    assert (span["kind"], span["status"]["code"], span["startTimeUnixNano"]) == (3, 2, str(2**64 - 1))
    assert span["attributes"][0]["value"] == {"bytesValue": base64.b64encode(b"\x00\xff").decode()}
    assert request_from_json(line) == (request(), 0, "")


def test_what_others_send():
    text = of_spans(
        {
            "traceId": TRACE.hex().upper(),
            "spanId": SPAN.hex(),
            "parentSpanId": "",
            "kind": 99,
            "startTimeUnixNano": 7,
            "unknown": {"traceId": 5},
            "trace_id": "an unknown name too",
            "attributes": [{"key": "n", "value": {"intValue": 5}}, {"key": "s", "value": {"newValue": 1}}],
            "events": None,
        }
    )
    (span,) = request_from_json(text.encode()).request.resource_spans[0].scope_spans[0].spans
    assert (span.trace_id, span.span_id, span.parent_span_id, span.kind) == (TRACE, SPAN, b"", 99)
    assert (span.start_time_unix_nano, span.attributes[0].value.int_value) == (7, 5)
    assert span.attributes[1].value.WhichOneof("value") is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"traceId": base64.b64encode(TRACE).decode()}, "traceId must be 32 hexadecimal digits"),
        ({"traceId": "ab" * 15}, "traceId"),
        ({"traceId": 12}, "traceId"),
        ({"spanId": "zz" * 8}, "spanId must be 16 hexadecimal digits"),
        ({"spanId": "ab cd ef 01 23 4"}, "spanId"),
        ({"parentSpanId": ["a"]}, "parentSpanId"),
        ({"links": [{"traceId": "short"}]}, "traceId"),
    ],
)
def test_a_span_whose_ids_cannot_be_read_is_left_out(wrong, named):
    request, rejected, reason = request_from_json(of_spans({"name": "good"}, {"name": "bad"} | wrong, {"name": "too"}))
    assert [span.name for span in request.resource_spans[0].scope_spans[0].spans] == ["good", "too"]
    assert rejected == 1
    assert reason.startswith(named)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"resourceSpans": 1}',
        b'{"resourceSpans": [1]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]}',
        of_spans({"name": "\ud800"}).encode(),
        of_spans({"name": 5}).encode(),
        of_spans({"startTimeUnixNano": "soon"}).encode(),
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 1' + b"0" * 5000 + b"}]}]}]}",
    ],
)
def test_the_rest_is_refused_in_one_line(text):
    with pytest.raises(OtlpJsonError) as caught:
        request_from_json(text)
    assert 0 < len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def nested(arrays: int) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    value = message.resource_spans.add().scope_spans.add().spans.add().attributes.add().value
    for _ in range(arrays):
        value = value.array_value.values.add()
    return message


def test_as_deep_as_protobuf_reads():
    deepest = nested(47)
    assert ExportTraceServiceRequest.FromString(deepest.SerializeToString()) == deepest
    assert request_from_json(request_to_json(deepest)).request == deepest
    text = request_to_json(deepest).replace('"arrayValue":', '"arrayValue":{"values":[{"arrayValue":', 1)
    with pytest.raises(OtlpJsonError):
        request_from_json(text.replace("}]}]}]}]}]}", "}]}]}}]}]}]}]}", 1))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([TRACE.hex(), SPAN.hex()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "links", "traceId", "spanId", "attributes", "key", "value", "kind"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(JSON_VALUES)
def test_any_json_is_a_request_or_refused(value):
    for text in (json.dumps(value), json.dumps({"resourceSpans": [value]}), of_spans(value)):
        try:
            parsed = request_from_json(text).request
        except OtlpJsonError:
            continue
        again = request_from_json(request_to_json(parsed)).request
        assert again.SerializeToString(deterministic=True) == parsed.SerializeToString(deterministic=True)
