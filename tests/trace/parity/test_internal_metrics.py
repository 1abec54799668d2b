"""The SDK's metrics about spans, ``otel.sdk.span.started`` and ``otel.sdk.span.live``."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Tracer, sampling
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from support.parity.implementation import Implementation
from support.parity.pipeline import CountingIds, Recorder

from nanospan._compat.stock import AlwaysRecordSampler

STARTED, LIVE = "otel.sdk.span.started", "otel.sdk.span.live"
ORIGIN, RESULT = "otel.span.parent.origin", "otel.span.sampling_result"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> InMemoryMetricReader:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    return InMemoryMetricReader()


def points(reader: InMemoryMetricReader, name: str) -> dict[Any, int]:
    """The values of a metric by what its attributes say."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        tuple(point.attributes[key] for key in (ORIGIN, RESULT) if key in point.attributes): point.value
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    }


def metered(implementation: Implementation, reader: InMemoryMetricReader, **arguments: Any) -> Tracer:
    return implementation.tracer(meter_provider=MeterProvider([reader]), **arguments)


@pytest.mark.parametrize("ids", [None, CountingIds])
def test_started_and_live(implementation: Implementation, reader: InMemoryMetricReader, ids: Any) -> None:
    tracer = metered(implementation, reader, id_generator=ids and ids())
    remote = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(1))))
    with tracer.start_as_current_span("root"):
        child = tracer.start_span("child")
    tracer.start_span("remote", remote).end()
    unsampled = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(0))))
    tracer.start_span("dropped", unsampled).end()
    sampled = "RECORD_AND_SAMPLE"
    expected = {("none", sampled): 1, ("local", sampled): 1, ("remote", sampled): 1, ("remote", "DROP"): 1}
    assert points(reader, STARTED) == expected
    assert points(reader, LIVE) == {(sampled,): 1}
    child.end()
    child.end()
    assert points(reader, LIVE) == {(sampled,): 0}


def test_spans_that_are_only_recorded(implementation: Implementation, reader: InMemoryMetricReader) -> None:
    tracer = metered(implementation, reader, sampler=AlwaysRecordSampler(sampling.ALWAYS_OFF))
    span = tracer.start_span("span")
    assert points(reader, STARTED) == {("none", "RECORD_ONLY"): 1}
    assert points(reader, LIVE) == {("RECORD_ONLY",): 1}
    span.end()
    assert points(reader, LIVE) == {("RECORD_ONLY",): 0}


def test_counted_before_the_processors_are_called(implementation: Implementation, reader: InMemoryMetricReader) -> None:
    class Counting(Recorder):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(("on_start", points(reader, LIVE)))

        def _on_ending(self, span: Any) -> None:
            seen.append(("_on_ending", points(reader, LIVE)))

    seen: list[Any] = []
    provider = implementation.provider(Counting(), meter_provider=MeterProvider([reader]))
    provider.get_tracer("name").start_span("span").end()
    assert seen == [("on_start", {("RECORD_AND_SAMPLE",): 1}), ("_on_ending", {("RECORD_AND_SAMPLE",): 0})]


@pytest.mark.parametrize("value", [None, "false"])
def test_off(implementation: Implementation, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", value)
    reader = InMemoryMetricReader()
    metered(implementation, reader).start_span("span").end()
    assert points(reader, STARTED) == {}


def test_switched_off_tracers_count_nothing(implementation: Implementation, reader: InMemoryMetricReader) -> None:
    tracer = metered(implementation, reader, _tracer_configurator=sdk._disable_tracer_configurator)
    tracer.start_span("span").end()
    assert points(reader, STARTED) == {}
