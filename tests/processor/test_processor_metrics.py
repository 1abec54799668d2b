"""``otel.sdk.processor.span.*``: what the SDK's own processor emits in the same situation, nanospan's emits too."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor as SdkProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.accounting import WAIT, clear_environment, ended_span, wait_until
from support.receivers import HttpReceiver, answer

import nanospan
from nanospan.export.http import OTLPSpanExporter

SWITCH = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clear_environment(monkeypatch)
        monkeypatch.setenv(SWITCH, "true")
        yield


class Holding(SpanExporter):
    """Holds its first export until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.free = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        assert self.free.wait(WAIT)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


class Meter:
    """A real meter provider, read from memory."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def metrics(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name.startswith("otel.sdk.processor.")  # and not those of exporters
        }

    def points(self) -> dict[str, dict[frozenset[tuple[str, Any]], int]]:
        """Every point by name and attributes, but for the number in the component's name."""
        return {
            name: {
                frozenset((key, unnumbered(key, value)) for key, value in point.attributes.items()): point.value
                for point in metric.data.data_points
            }
            for name, metric in self.metrics().items()
        }

    def shapes(self) -> dict[str, tuple[Any, ...]]:
        return {
            name: (metric.unit, metric.description, type(metric.data), metric.data.is_monotonic)
            for name, metric in self.metrics().items()
        }


def unnumbered(key: str, value: Any) -> Any:
    return value.rpartition("/")[0] if key == "otel.component.name" else value


def same_situation(processor_class: Any) -> tuple[Any, Any, Any]:
    """The metrics while an export is held and the queue is full, after it, and after late spans."""
    meter, exporter = Meter(), Holding()
    processor = processor_class(
        exporter,
        max_queue_size=5,
        max_export_batch_size=2,
        schedule_delay_millis=600_000,
        meter_provider=meter.provider,
    )
    for _ in range(2):
        processor.on_end(ended_span())
    assert exporter.entered.wait(WAIT)
    for _ in range(9):
        processor.on_end(ended_span())
    processor.on_end(ended_span(sampled=False))
    held = meter.points()
    exporter.free.set()
    processor.force_flush()
    flushed = meter.points()
    shapes = meter.shapes()
    processor.shutdown()
    processor.on_end(ended_span())
    late = meter.points()
    meter.provider.shutdown()
    return (held, flushed, late), shapes, processor


def test_same_metrics_as_the_sdk_s_processor() -> None:
    points, shapes, processor = same_situation(nanospan.BatchSpanProcessor)
    sdk_points, sdk_shapes, _ = same_situation(SdkProcessor)
    assert shapes == sdk_shapes
    for mine, sdks in zip(points, sdk_points, strict=True):
        assert mine == sdks
    # It has numbers in it.
    (processed,) = [value for key, value in points[2].items() if key.endswith("processed")]
    assert sorted(processed.values()) == [1, 4, 7]
    assert processor.stats()["exported"] == 7


def test_bytes_are_counted_as_objects_are() -> None:
    meter = Meter()
    gate = threading.Event()

    def wait(connection: Any, server: HttpReceiver) -> bool:
        gate.wait(WAIT)
        return answer(200)(connection, server)

    with HttpReceiver([wait, answer(200)]) as receiver:
        processor = nanospan.BatchSpanProcessor(
            OTLPSpanExporter(receiver.url, timeout=WAIT),
            max_queue_size=5,
            max_export_batch_size=2,
            schedule_delay_millis=600_000,
            meter_provider=meter.provider,
        )
        for _ in range(2):
            processor.on_end(ended_span())
        receiver.wait_for(lambda: len(receiver.requests) == 1)
        for _ in range(9):
            processor.on_end(ended_span())
        processor.on_end(ended_span(sampled=False))
        held = meter.points()
        gate.set()
        assert processor.force_flush()
        flushed = meter.points()
        processor.shutdown()
        processor.on_end(ended_span())
        late = meter.points()
    sdk_points, _, _ = same_situation(SdkProcessor)
    assert (held, flushed, late) == sdk_points


def test_components_are_numbered_with_the_sdk_s() -> None:
    meter = Meter()
    processors = [cls(Holding(), meter_provider=meter.provider) for cls in (SdkProcessor, nanospan.BatchSpanProcessor) * 2]
    names = [
        point.attributes["otel.component.name"]
        for point in meter.metrics()["otel.sdk.processor.span.queue.capacity"].data.data_points
    ]
    assert len(set(names)) == 4
    for processor in processors:
        processor.shutdown()


@pytest.mark.parametrize("value", [None, "false", "1", "yes"])
def test_switched_off(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(SWITCH)
    else:
        monkeypatch.setenv(SWITCH, value)
    meter, exporter = Meter(), Holding()
    exporter.free.set()
    processor = nanospan.BatchSpanProcessor(exporter, meter_provider=meter.provider)
    processor.on_end(ended_span())
    processor.shutdown()
    assert meter.metrics() == {}


@pytest.mark.parametrize("value", ["true", "TRUE", " true "])
def test_switched_on(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(SWITCH, value)
    meter, exporter = Meter(), Holding()
    exporter.free.set()
    processor = nanospan.BatchSpanProcessor(exporter, meter_provider=meter.provider)
    processor.on_end(ended_span())
    processor.shutdown()
    wait_until(lambda: len(meter.metrics()) == 3, "three metrics")


FORKED_READER = """
import os
os.environ["OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"] = "true"
import nanospan
from support.accounting import ended_span
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)
processor = nanospan.BatchSpanProcessor(InMemorySpanExporter(), meter_provider=provider)
for _ in range(3):
    processor.on_end(ended_span())
metrics = processor._batch_processor._metrics
metrics._lock.acquire()  # as the worker may hold it at the moment of the fork
child = os.fork()
if child == 0:
    (resource,) = reader.get_metrics_data().resource_metrics
    sizes = [
        point.value
        for metric in resource.scope_metrics[0].metrics
        if metric.name == "otel.sdk.processor.span.queue.size"
        for point in metric.data.data_points
    ]
    os._exit(0 if sizes == [0] else 1)
metrics._lock.release()
assert os.waitpid(child, 0)[1] == 0
processor.shutdown()
"""


def test_metrics_are_read_in_a_forked_child_before_its_first_span() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKED_READER],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
