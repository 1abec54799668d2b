"""What the receiver counts and keeps, and how it decodes."""

from __future__ import annotations

import threading

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1 import trace_pb2

from nanospan.receiver import TraceStore
from nanospan.receiver.decode import decode_span, spans_from_json, spans_to_json

TRACE = bytes(range(16))


def span(number: int, trace_id: bytes = TRACE, parent: bytes = b"", name: str = "work", **fields: object):
    return trace_pb2.Span(trace_id=trace_id, span_id=number.to_bytes(8), parent_span_id=parent, name=name, **fields)


def request(*spans: trace_pb2.Span, service: str = "shop") -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "scope"
    scope_spans.spans.extend(spans)
    return message.SerializeToString()


class TestStore:
    def test_keeps_the_most_recently_touched_traces(self):
        store = TraceStore(max_traces=2)
        first, second, third = (bytes([n] * 16) for n in (1, 2, 3))
        for trace_id, number in ((first, 1), (second, 1), (first, 2), (third, 1)):
            store.add(request(span(number, trace_id)), transport="http")
        assert [summary.trace_id for summary in store.summaries()] == [first.hex(), third.hex()]
        assert store.trace(second.hex()) == []
        stats = store.stats()
        assert (stats.spans, stats.traces, stats.evicted) == (4, 2, 1)

    def test_is_bounded_in_bytes(self):
        store = TraceStore(max_bytes=20_000)
        for number in range(100):
            store.add(request(span(1, bytes([number] * 16), name="x" * 1000)), transport="http")
        kept = store.summaries()
        assert 10 <= len(kept) <= 20
        assert kept[-1].trace_id == (bytes([99] * 16)).hex()
        assert store.stats().spans == 100

    def test_a_trace_too_large_alone_is_cut_and_counted(self):
        store = TraceStore(max_bytes=20_000)
        store.add(request(*(span(n, name="x" * 1000) for n in range(1, 101))), transport="http")
        kept = len(store.trace(TRACE.hex()))
        assert 0 < kept <= 20
        assert store.stats().not_kept == 100 - kept
        assert store.stats().spans == 100

    def test_a_repeated_span_is_counted_twice_and_kept_once(self):
        store = TraceStore()
        for _ in range(2):
            store.add(request(span(1), span(2, parent=(1).to_bytes(8))), transport="http")
        assert store.stats().spans == 4
        assert [kept.span_id for kept in store.trace(TRACE.hex())] == ["0000000000000001", "0000000000000002"]

    def test_repeats_do_not_fill_the_store(self):
        store = TraceStore(max_bytes=20_000)
        for _ in range(100):
            store.add(request(span(1, name="x" * 1000)), transport="http")
        assert len(store.trace(TRACE.hex())) == 1
        assert (store.stats().evicted, store.stats().not_kept) == (0, 0)

    def test_spans_without_ids_are_kept(self):
        store = TraceStore()
        store.add(request(trace_pb2.Span(name="a"), trace_pb2.Span(name="b")), transport="http")
        assert [kept.name for kept in store.trace("")] == ["a", "b"]

    def test_summary(self):
        store = TraceStore()
        failed = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR)
        store.add(request(span(2, parent=(1).to_bytes(8), name="child", status=failed)), transport="http")
        (summary,) = store.summaries()
        assert (summary.name, summary.has_root, summary.errors) == ("child", False, 1)
        store.add(request(span(1, name="root"), service="front"), transport="http")
        (summary,) = store.summaries()
        assert (summary.name, summary.has_root, summary.spans) == ("root", True, 2)
        assert summary.services == ("shop", "front")

    def test_changes_are_told_once(self):
        store = TraceStore()
        assert store.wait_for_changes(0) == []
        store.add(request(span(1)), transport="http")
        store.add(request(span(2)), transport="http")
        (change,) = store.wait_for_changes(0)
        assert (change.trace_id, change.spans) == (TRACE.hex(), 2)
        assert store.wait_for_changes(0) == []

    def test_counting_only_keeps_nothing_and_still_refuses_garbage(self):
        store = TraceStore(count_only=True)
        assert store.add(request(span(1), span(2)), transport="http") == 2
        assert (store.stats().spans, store.stats().traces, store.summaries()) == (2, 0, [])
        with pytest.raises(DecodeError):
            store.add(b"\xff", transport="http")
        assert store.stats().batches == 1

    def test_counts_are_exact_with_many_threads(self):
        store = TraceStore(max_traces=5)
        bodies = [request(span(1, bytes([n] * 16)), span(2, bytes([n] * 16))) for n in range(20)]

        def add_all() -> None:
            for body in bodies:
                store.add(body, transport="grpc")

        threads = [threading.Thread(target=add_all) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = store.stats()
        assert (stats.spans, stats.batches, stats.grpc_batches, stats.traces) == (320, 160, 160, 5)
        assert stats.bytes == 8 * sum(map(len, bodies))

    def test_waiting_for_spans(self):
        store = TraceStore(count_only=True)
        assert not store.wait_for_spans(1, timeout=0)
        timer = threading.Timer(0.05, store.add, (request(span(1)),), {"transport": "http"})
        timer.start()
        assert store.wait_for_spans(1, timeout=60)
        timer.join()

    @pytest.mark.parametrize("bound", ["max_traces", "max_bytes"])
    def test_bounds_below_one_are_refused(self, bound):
        with pytest.raises(ValueError, match=bound):
            TraceStore(**{bound: 0})


class TestDecode:
    def test_every_field(self):
        values = {
            "string": AnyValue(string_value="é"),
            "true": AnyValue(bool_value=True),
            "int": AnyValue(int_value=-5),
            "double": AnyValue(double_value=0.5),
            "bytes": AnyValue(bytes_value=b"\x00\xff"),
            "array": AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
            "map": AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=2))])),
            "empty": AnyValue(),
        }
        message = span(
            7,
            parent=(1).to_bytes(8),
            kind=trace_pb2.Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=100,
            end_time_unix_nano=350,
            status=trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message="no"),
            attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message.events.add(name="event", time_unix_nano=200).attributes.add(key="e").value.int_value = 3
        message.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
        decoded = decode_span(message, "shop", "scope")
        assert (decoded.trace_id, decoded.span_id) == (TRACE.hex(), "0000000000000007")
        assert (decoded.parent_span_id, decoded.kind, decoded.duration_nano) == (
            "0000000000000001",
            "CLIENT",
            250,
        )
        assert (decoded.status, decoded.status_message) == ("ERROR", "no")
        assert decoded.attributes == {
            "string": "é",
            "true": True,
            "int": -5,
            "double": 0.5,
            "bytes": b"\x00\xff",
            "array": [1, None],
            "map": {"k": 2},
            "empty": None,
        }
        assert [(event.name, event.time_unix_nano, event.attributes) for event in decoded.events] == [
            ("event", 200, {"e": 3})
        ]
        assert decoded.links[0].trace_id == (b"t" * 16).hex()

        (again,) = spans_from_json(spans_to_json([decoded]))
        assert again.attributes.pop("bytes") == "00ff"
        decoded.attributes.pop("bytes")
        assert again == decoded

    def test_unknown_numbers_and_times_that_run_backwards(self):
        decoded = decode_span(span(1, kind=77, start_time_unix_nano=9, end_time_unix_nano=3))
        assert (decoded.kind, decoded.status, decoded.duration_nano) == ("UNSPECIFIED", "UNSET", 0)
