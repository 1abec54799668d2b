"""Limits and forms of single transports: ten attributes, X-Ray's header, Pub/Sub's values, CloudEvents, the envelope."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanospan.messaging import (
    AWS_TRACE_HEADER,
    CLOUD_EVENTS,
    CLOUD_EVENTS_HTTP,
    CLOUD_EVENTS_KAFKA,
    ENVELOPE,
    PUBSUB,
    SNS,
    SQS,
    Carrier,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"
THREE = {"baggage": "c=d", "tracestate": "a=b", "traceparent": PARENT}
Counted = Callable[[], dict[str, int]]


def attributes(number: int) -> dict[str, Any]:
    return {f"own{index}": {"DataType": "String", "StringValue": "x"} for index in range(number)}


@pytest.mark.parametrize("carrier", [SQS, SNS])
@pytest.mark.parametrize(("own", "written"), [(7, 3), (8, 2), (9, 1), (10, 0)], ids=["room for all", "two", "one", "none"])
def test_ten_attributes(carrier: Carrier, own: int, written: int, counted: Counted) -> None:
    given_attributes = attributes(own)
    made = carrier.set(given_attributes, THREE)
    assert given_attributes == attributes(own)
    assert [key for key in made if key not in given_attributes] == ["traceparent", "tracestate", "baggage"][:written]
    assert counted() == ({"fields_left_out": 3 - written} if written < 3 else {})


def test_a_former_field_makes_room() -> None:
    full = attributes(8) | {name: {"DataType": "String", "StringValue": OTHER} for name in ("traceparent", "tracestate")}
    made = SQS.set(full, {"traceparent": PARENT, "baggage": "c=d"})
    assert (len(made), SQS.get(made, "traceparent"), SQS.get(made, "tracestate"), SQS.get(made, "baggage")) == (
        10,
        PARENT,
        None,
        "c=d",
    )


def test_the_x_ray_header_is_a_way_round() -> None:
    system = {"Other": 1}
    made = AWS_TRACE_HEADER.set(system, THREE)
    text = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
    assert (system, made) == ({"Other": 1}, {"Other": 1, "AWSTraceHeader": {"DataType": "String", "StringValue": text}})
    assert AWS_TRACE_HEADER.get(made, "traceparent") == PARENT
    assert AWS_TRACE_HEADER.get(made, "tracestate") is None
    assert AWS_TRACE_HEADER.get({"AWSTraceHeader": text}, "traceparent") == PARENT, "as a message is received"
    assert AWS_TRACE_HEADER.keys(made) == ["traceparent"]
    unsampled = AWS_TRACE_HEADER.set(made, {"traceparent": OTHER})
    assert AWS_TRACE_HEADER.get(unsampled, "traceparent") == OTHER


@pytest.mark.parametrize(
    "text", ["", "Root", "Root=1-0af76519;Parent=b7ad6b7169203331", "Root=1-0af76519-16cd43dd8448eb211c80319c", 5]
)
def test_an_x_ray_header_that_is_none(text: Any) -> None:
    assert AWS_TRACE_HEADER.get({"AWSTraceHeader": text}, "traceparent") is None


def test_a_value_too_long_for_pubsub(counted: Counted) -> None:
    made = PUBSUB.set({"baggage": "former"}, {"traceparent": PARENT, "baggage": "a=" + "x" * 1023})
    assert made == {"traceparent": PARENT}
    assert counted() == {"fields_left_out": 1}
    assert len(PUBSUB.set({}, {"baggage": "a=" + "x" * 1022})["baggage"]) == 1024


def test_a_hundred_attributes_of_pubsub(counted: Counted) -> None:
    full = {f"own{index}": "x" for index in range(99)}
    assert list(PUBSUB.set(full, THREE).items())[99:] == [("traceparent", PARENT)]
    assert counted() == {"fields_left_out": 2}


@pytest.mark.parametrize(
    ("carrier", "event", "made"),
    [
        (CLOUD_EVENTS, {"id": "1"}, {"id": "1", "traceparent": PARENT, "tracestate": "a=b"}),
        (CLOUD_EVENTS, {"traceparent": OTHER}, {"traceparent": OTHER}),
        (CLOUD_EVENTS_HTTP, {"Ce-Id": "1"}, {"Ce-Id": "1", "ce-traceparent": PARENT, "ce-tracestate": "a=b"}),
        (CLOUD_EVENTS_HTTP, {"CE-TraceParent": OTHER}, {"CE-TraceParent": OTHER}),
        (
            CLOUD_EVENTS_KAFKA,
            [("ce_id", b"1"), ("traceparent", b"the hop")],
            [("ce_id", b"1"), ("traceparent", b"the hop"), ("ce_traceparent", PARENT.encode()), ("ce_tracestate", b"a=b")],
        ),
        (CLOUD_EVENTS_KAFKA, [("ce_traceparent", OTHER.encode())], [("ce_traceparent", OTHER.encode())]),
    ],
)
def test_an_event_keeps_the_context_in_which_it_was_made(carrier: Carrier, event: Any, made: Any) -> None:
    before = copy.deepcopy(event)
    assert carrier.set(event, THREE) == made
    assert event == before
    assert carrier.get(made, "traceparent") in (PARENT, OTHER)


payloads = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60),
    st.sampled_from(
        [
            b"nanospan-envelope/1 ",
            b"nanospan-envelope/1 {}\n",
            b'nanospan-envelope/1 {"a": 1}\nrest',
            b"nanospan-envelope/1 [[[[\n",
            "nanospan-envelope/1 \xff\nx",
            b"nanospan-envelope/1 \xff\nx",
            "nanospan-envelope/2 {}\n",
        ]
    ),
)


@given(payload=payloads)
def test_an_envelope_gives_the_payload_back(payload: Any) -> None:
    bare = ENVELOPE.unwrap(payload)[0]  # payloads that look like an envelope are one
    for fields in (THREE, {"traceparent": OTHER}):
        wrapped = ENVELOPE.set(payload, fields)
        assert type(wrapped) is type(payload)
        assert ENVELOPE.unwrap(wrapped)[0] == bare
        assert {name: ENVELOPE.get(wrapped, name) for name in fields} == fields
        assert ENVELOPE.unwrap(ENVELOPE.set(wrapped, {"traceparent": OTHER})) == (
            bare,
            {name: value for name, value in ENVELOPE.unwrap(wrapped)[1].items() if name not in ("tracestate", "traceparent")}
            | {"traceparent": OTHER},
        )
    assert ENVELOPE.set(payload, {}) == payload


def test_the_envelope_is_a_line_of_json() -> None:
    line, _, payload = ENVELOPE.wrap(b"\x00\xff\n", {"traceparent": PARENT}).partition(b"\n")
    name, _, fields = line.partition(b" ")
    assert (name, json.loads(fields), payload) == (b"nanospan-envelope/1", {"traceparent": PARENT}, b"\x00\xff\n")
    assert ENVELOPE.unwrap(b"bare") == (b"bare", {})
    assert ENVELOPE.unwrap("bare") == ("bare", {})
    assert ENVELOPE.get(b"bare", "traceparent") is None


@pytest.mark.parametrize("payload", [5, {"a": 1}, ["x"]])
def test_a_payload_of_another_type_goes_as_it_is(payload: Any, counted: Counted) -> None:
    assert ENVELOPE.set(payload, THREE) is payload
    assert counted() == {"failures": 1}
