"""The exporters' own metrics, compared with those of the official exporter in the same process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from support.receivers import WAIT, GrpcReceiver, HttpReceiver, answer, batch, partial_success, unused_port

from nanospan.export.http import OTLPSpanExporter

SWITCH = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
INFLIGHT = "otel.sdk.exporter.span.inflight"
EXPORTED = "otel.sdk.exporter.span.exported"
DURATION = "otel.sdk.exporter.operation.duration"


class Metrics:
    """A meter provider and what it has gathered."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def read(self) -> dict[str, Any]:
        data: Any = self._reader.get_metrics_data()
        if data is None:
            return {}
        (scope,) = data.resource_metrics[0].scope_metrics
        assert scope.scope.name == "opentelemetry-sdk"
        assert not scope.scope.version
        return {metric.name: metric for metric in scope.metrics}

    def by_error(self, name: str) -> dict[str | None, Any]:
        return {point.attributes.get("error.type"): point for point in self.read()[name].data.data_points}


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metrics]:
    monkeypatch.setenv(SWITCH, "true")
    made = Metrics()
    yield made
    made.provider.shutdown()


def own(url: str, metrics: Metrics, **arguments: Any) -> OTLPSpanExporter:
    return OTLPSpanExporter(url, timeout=WAIT, meter_provider=metrics.provider, **arguments)


@pytest.mark.parametrize("value", [None, "", "false", "1"])
def test_off_unless_switched_on(value: str | None, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is None:
        monkeypatch.delenv(SWITCH)
    else:
        monkeypatch.setenv(SWITCH, value)
    with HttpReceiver() as receiver:
        own(receiver.url, metrics).export_encoded(batch())
    assert not metrics.read()


def test_success(metrics: Metrics) -> None:
    with HttpReceiver() as receiver:
        own(receiver.url, metrics).export_encoded(batch(3))
    assert metrics.by_error(INFLIGHT)[None].value == 0
    assert metrics.by_error(EXPORTED)[None].value == 3
    assert metrics.by_error(DURATION)[None].count == 1
    attributes = dict(metrics.by_error(EXPORTED)[None].attributes)
    name = attributes.pop("otel.component.name")
    assert name.startswith("otlp_http_span_exporter/")
    assert attributes == {
        "otel.component.type": "otlp_http_span_exporter",
        "server.address": "127.0.0.1",
        "server.port": receiver.port,
    }


def test_spans_are_in_flight_while_they_are(metrics: Metrics) -> None:
    seen: list[int] = []

    def look(connection: Any, server: HttpReceiver) -> bool:
        seen.append(metrics.by_error(INFLIGHT)[None].value)
        return answer(200)(connection, server)

    with HttpReceiver([look]) as receiver:
        own(receiver.url, metrics).export_encoded(batch(3))
    assert seen == [3]


@pytest.mark.parametrize("status", [301, 400, 500])
def test_refusals_carry_the_status(status: int, metrics: Metrics) -> None:
    with HttpReceiver([answer(status)]) as receiver:
        own(receiver.url, metrics).export_encoded(batch(2))
    exported = metrics.by_error(EXPORTED)
    assert {error: point.value for error, point in exported.items()} == {str(status): 2}
    assert "http.response.status_code" not in exported[str(status)].attributes
    assert metrics.by_error(DURATION)[str(status)].attributes["http.response.status_code"] == status


def test_retries_count_once_and_the_last_cause_decides(metrics: Metrics, no_backoff: list[int]) -> None:
    with HttpReceiver([answer(503), answer(503), answer(400)]) as receiver:
        own(receiver.url, metrics).export_encoded(batch(2))
    assert {error: point.value for error, point in metrics.by_error(EXPORTED).items()} == {"400": 2}
    assert {error: point.count for error, point in metrics.by_error(DURATION).items()} == {"400": 1}


def test_connection_errors_carry_the_exception(metrics: Metrics, no_backoff: list[int]) -> None:
    own(f"http://127.0.0.1:{unused_port()}", metrics).export_encoded(batch(2))
    assert {error: point.value for error, point in metrics.by_error(EXPORTED).items()} == {"ConnectionRefusedError": 2}


def test_partial_success_counts_as_rejected(metrics: Metrics) -> None:
    with HttpReceiver([answer(200, partial_success(2, "no"))]) as receiver:
        own(receiver.url, metrics).export_encoded(batch(5))
    assert {error: point.value for error, point in metrics.by_error(EXPORTED).items()} == {
        None: 3,
        "rejected": 2,
    }
    assert {error: point.count for error, point in metrics.by_error(DURATION).items()} == {"rejected": 1}


def test_too_large_has_the_name_the_sdk_gives_it(metrics: Metrics) -> None:
    with HttpReceiver() as receiver:
        own(receiver.url, metrics, max_request_size=10).export_encoded(batch(2, size=10))
        assert not receiver.requests
    exported = metrics.by_error(EXPORTED)
    assert {error: point.value for error, point in exported.items()} == {"RequestPayloadTooLargeError": 2}


def test_spans_that_cannot_be_encoded_are_counted(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ModuleType("nanospan._native.encoding")
    encoder.encode_batch = lambda spans: batch(len(spans) - 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nanospan._native.encoding", encoder)
    spans: list[Any] = [object(), object(), object()]
    with HttpReceiver() as receiver:
        own(receiver.url, metrics).export(spans)
    assert {error: point.value for error, point in metrics.by_error(EXPORTED).items()} == {
        None: 2,
        "encode_failed": 1,
    }
    assert metrics.by_error(INFLIGHT)[None].value == 0


def test_instances_are_numbered(metrics: Metrics) -> None:
    with HttpReceiver() as receiver:
        for _ in range(2):
            own(receiver.url, metrics).export_encoded(batch())
    first, second = (
        int(point.attributes["otel.component.name"].rpartition("/")[2])
        for point in metrics.read()[EXPORTED].data.data_points
    )
    assert second == first + 1


def test_grpc_failures_carry_the_code(metrics: Metrics) -> None:
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
    from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

    def refuse(body: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        return b""

    with GrpcReceiver(refuse) as receiver:
        sender = GrpcExporter(receiver.target, insecure=True, timeout=WAIT, meter_provider=metrics.provider)
        sender.export_encoded(batch(2))
    point = metrics.by_error(EXPORTED)["INVALID_ARGUMENT"]
    assert point.value == 2
    assert point.attributes["otel.component.type"] == "otlp_grpc_span_exporter"
    assert point.attributes["server.port"] == receiver.port
    assert metrics.by_error(DURATION)["INVALID_ARGUMENT"].attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"


def test_same_instruments_and_attributes_as_the_official_exporter(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    official = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        reason="opentelemetry-exporter-otlp-proto-http is not installed",
    )
    theirs = Metrics()
    with HttpReceiver() as receiver:
        own(receiver.url, metrics).export_encoded(batch())
        official.OTLPSpanExporter(receiver.url, meter_provider=theirs.provider).export([])
        official.OTLPSpanExporter(receiver.url, meter_provider=metrics.provider)
    ours_read, theirs_read = metrics.read(), theirs.read()
    assert ours_read.keys() == theirs_read.keys()
    for name, metric in theirs_read.items():
        assert ours_read[name].unit == metric.unit
        assert type(ours_read[name].data) is type(metric.data)
        keys = [set(side[name].data.data_points[0].attributes) for side in (ours_read, theirs_read)]
        assert keys[0] == keys[1]
    assert not caplog.records, "a conflict of instruments would be logged"
    theirs.provider.shutdown()
