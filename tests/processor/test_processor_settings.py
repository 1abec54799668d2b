"""Arguments, environment variables and defaults of the batch span processor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor as SdkProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.accounting import ended_span, lost

import nanospan
from nanospan.processor._settings import MAX_MILLIS, resolve_settings

ARGUMENTS = {
    "max_queue_size": "OTEL_BSP_MAX_QUEUE_SIZE",
    "schedule_delay_millis": "OTEL_BSP_SCHEDULE_DELAY",
    "max_export_batch_size": "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "export_timeout_millis": "OTEL_BSP_EXPORT_TIMEOUT",
    "max_queue_bytes": "OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES",
}


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def made() -> Iterator[Any]:
    """Makes processors that are shut down after the test."""
    processors: list[nanospan.BatchSpanProcessor] = []

    def make(exporter: Any = None, **arguments: Any) -> nanospan.BatchSpanProcessor:
        processor = nanospan.BatchSpanProcessor(exporter or InMemorySpanExporter(), **arguments)
        processors.append(processor)
        return processor

    yield make
    for processor in processors:
        processor.shutdown()


def settings(processor: Any) -> tuple[Any, ...]:
    """What the SDK's class and nanospan's keep under the same private names."""
    inner = processor._batch_processor
    return (inner._max_queue_size, inner._schedule_delay_millis, inner._schedule_delay, inner._max_export_batch_size)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_defaults_are_the_sdk_s(made: Any, caplog: pytest.LogCaptureFixture) -> None:
    sdk = SdkProcessor(InMemorySpanExporter())
    processor = made()
    assert settings(processor) == settings(sdk) == (2048, 5000, 5.0, 512)
    assert processor._batch_processor._export_timeout_millis == sdk._batch_processor._export_timeout_millis == 30000
    sdk.shutdown()
    assert not warnings(caplog)


def test_arguments_by_position_as_in_the_sdk(made: Any) -> None:
    exporter = InMemorySpanExporter()
    sdk = SdkProcessor(exporter, 100, 200, 30, 400)
    processor = nanospan.BatchSpanProcessor(exporter, 100, 200, 30, 400)
    assert settings(processor) == settings(sdk) == (100, 200, 0.2, 30)
    assert processor.span_exporter is sdk.span_exporter is exporter
    sdk.shutdown()
    processor.shutdown()


def test_variables_as_in_the_sdk(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in zip(ARGUMENTS.values(), ("100", "200", "30", "400", "100000"), strict=True):
        monkeypatch.setenv(variable, value)
    sdk = SdkProcessor(InMemorySpanExporter())
    processor = made()
    assert settings(processor) == settings(sdk) == (100, 200, 0.2, 30)
    assert processor._batch_processor._export_timeout_millis == 400
    sdk.shutdown()


def test_arguments_go_before_variables(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ARGUMENTS.values():
        monkeypatch.setenv(variable, "nonsense that nobody reads")
    processor = made(
        max_queue_size=7,
        schedule_delay_millis=8,
        max_export_batch_size=6,
        export_timeout_millis=9,
        max_queue_bytes=65536,
    )
    assert settings(processor) == (7, 8, 0.008, 6)


TAKEN, REFUSED = "taken", "refused"
OUT_OF_RANGE: list[tuple[dict[str, Any], str]] = [
    ({"max_queue_size": 0}, REFUSED),
    ({"max_queue_size": -1}, REFUSED),
    ({"max_queue_size": 1, "max_export_batch_size": 1}, TAKEN),
    ({"max_queue_size": 1 << 40}, TAKEN),
    ({"max_queue_size": 1 << 70}, REFUSED),
    ({"max_queue_size": 512.5}, REFUSED),
    ({"max_queue_size": "512"}, REFUSED),
    ({"schedule_delay_millis": 0}, REFUSED),
    ({"schedule_delay_millis": -1}, REFUSED),
    ({"schedule_delay_millis": 0.5}, TAKEN),
    ({"schedule_delay_millis": 1 << 40}, TAKEN),
    ({"schedule_delay_millis": "5"}, REFUSED),
    ({"max_export_batch_size": 0}, REFUSED),
    ({"max_export_batch_size": -1}, REFUSED),
    ({"max_export_batch_size": 2048}, TAKEN),
    ({"max_export_batch_size": 2049}, REFUSED),
    ({"max_queue_size": 100, "max_export_batch_size": 101}, REFUSED),
    ({"max_queue_size": 1 << 40, "max_export_batch_size": 1 << 39}, TAKEN),
    ({"max_export_batch_size": "5"}, REFUSED),
    ({"export_timeout_millis": 0}, TAKEN),
    ({"export_timeout_millis": 0.5}, TAKEN),
    ({"export_timeout_millis": 1 << 40}, TAKEN),
    ({"export_timeout_millis": float("inf")}, TAKEN),
]


@pytest.mark.parametrize(("arguments", "fate"), OUT_OF_RANGE, ids=[str(arguments) for arguments, _ in OUT_OF_RANGE])
def test_arguments_are_refused_and_taken_where_the_sdk_does(made: Any, arguments: dict[str, Any], fate: str) -> None:
    for make in (made, lambda **given: SdkProcessor(InMemorySpanExporter(), **given)):
        if fate == REFUSED:
            with pytest.raises((TypeError, ValueError, OverflowError)):
                make(**arguments)
        else:
            processor = make(**arguments)
            processor.on_end(ended_span())
            assert processor.force_flush()
            assert len(processor.span_exporter.get_finished_spans()) == 1
            processor.shutdown()


def test_nothing_is_left_behind_by_a_constructor_that_raises(made: Any) -> None:
    import threading

    before = threading.active_count()
    with pytest.raises(ValueError, match="max_queue_size"):
        made(max_queue_size=0)
    assert threading.active_count() == before


def test_queue_size_alone_may_be_below_the_batch_size(
    made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's class raises ValueError here, and the application does not start."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    processor = made(schedule_delay_millis=600_000)
    assert settings(processor)[0] == 100
    assert not warnings(caplog)
    for _ in range(100):
        processor.on_end(ended_span())
    assert processor.force_flush()
    assert processor.stats()["exported"] == 100
    assert lost(processor.stats()) == {}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-3"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "12.5"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-3"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "all"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "-1"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "never"),
        ("OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES", "1"),
        ("OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES", "64MiB"),
    ],
)
def test_wrong_variable_warns_once_and_counts_as_unset(
    made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, text: str
) -> None:
    unset = resolve_settings(None, None, None, None, None)
    monkeypatch.setenv(variable, text)
    assert resolve_settings(None, None, None, None, None) == unset
    assert settings(made()) == (2048, 5000, 5.0, 512)
    (warning,) = warnings(caplog)
    assert variable in warning
    assert text in warning
    assert not any(record.exc_info for record in caplog.records)


def test_zero_is_no_limit_of_time_and_no_delay(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """As in a configuration file, whose schema says so."""
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "0")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "0")
    found = resolve_settings(None, None, None, None, None)
    assert (found.export_timeout_millis, found.schedule_delay_millis) == (MAX_MILLIS, 1)
    assert not warnings(caplog)


def test_a_queue_variable_below_the_batch_argument(
    made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK's class raises ValueError here; but a variable does not stop an application."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    assert settings(made(max_export_batch_size=20)) == (10, 5000, 5.0, 10)
    (warning,) = warnings(caplog)
    assert "OTEL_BSP_MAX_QUEUE_SIZE='10' is less than the argument max_export_batch_size=20: write that or more" in warning


@pytest.mark.parametrize("text", ["", "  "])
def test_empty_variable_is_an_unset_one(
    made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    for variable in ARGUMENTS.values():
        monkeypatch.setenv(variable, text)
    assert settings(made()) == (2048, 5000, 5.0, 512)
    assert not warnings(caplog)


@pytest.mark.parametrize("protocol", [None, "http/protobuf", "grpc"])
def test_exporter_left_out(made: Any, monkeypatch: pytest.MonkeyPatch, protocol: str | None) -> None:
    if protocol is not None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed")
    processor = nanospan.BatchSpanProcessor()
    expected = "nanospan.export.grpc" if protocol == "grpc" else "nanospan.export.http"
    assert type(processor.span_exporter).__module__ == expected
    processor.shutdown()


def test_protocol_of_traces_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    processor = nanospan.BatchSpanProcessor()
    assert type(processor.span_exporter).__module__ == "nanospan.export.grpc"
    processor.shutdown()
