"""Self-observability of the exporters: the ``otel.sdk.exporter.*`` metrics of the semantic conventions.

Names, units, attributes and the switch are those of the SDK's exporters, with one deviation: as the conventions require, a
failure always has ``error.type``, also if the receiver returned a status, and spans rejected in a partial success are
counted with ``error.type`` "rejected".
"""

from __future__ import annotations

import collections
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.metrics import Counter, Histogram, MeterProvider, UpDownCounter, get_meter_provider

__all__ = ["GRPC_COMPONENT", "HTTP_COMPONENT", "REJECTED", "ExporterMetrics", "create_exporter_metrics"]

HTTP_COMPONENT = "otlp_http_span_exporter"
GRPC_COMPONENT = "otlp_grpc_span_exporter"
REJECTED = "rejected"

_SWITCH = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
_ERROR_TYPE = "error.type"

_instances: collections.Counter[str] = collections.Counter()

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class ExporterMetrics:
    """The three instruments of one exporter and the attributes that name it."""

    attributes: Attributes
    inflight: UpDownCounter
    exported: Counter
    duration: Histogram

    def begin(self, count: int) -> float:
        """Record that the export of ``count`` spans has begun. Returns the start time for `end`."""
        self.inflight.add(count, dict(self.attributes))
        return time.perf_counter()

    def end(
        self,
        began: float,
        count: int,
        exported: int,
        failures: Mapping[str, int],
        cause: str | None,
        status: Attributes,
    ) -> None:
        """Record that the export of ``count`` spans has ended.

        ``failures`` maps error types to numbers of spans. ``cause`` is the error type of the operation, None for a success;
        ``status`` is the transport's status code. Both are attributes of the duration.
        """
        elapsed = time.perf_counter() - began
        standard = dict(self.attributes)
        self.inflight.add(-count, standard)
        if exported:
            self.exported.add(exported, standard)
        for error_type, spans in failures.items():
            self.exported.add(spans, {**standard, _ERROR_TYPE: error_type})
        if cause is not None:
            standard.update({_ERROR_TYPE: cause, **status})
        self.duration.record(elapsed, standard)


def create_exporter_metrics(
    component_type: str, address: str | None, port: int | None, meter_provider: MeterProvider | None
) -> ExporterMetrics | None:
    """The metrics of a new exporter, or None unless ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` is ``true``.

    ``address`` and ``port`` are the receiver's; without ``meter_provider`` the global one is used.
    """
    if os.environ.get(_SWITCH, "").strip().lower() != "true":
        return None
    number = _instances[component_type]
    _instances[component_type] += 1
    attributes: dict[str, str | int] = {
        "otel.component.type": component_type,
        "otel.component.name": f"{component_type}/{number}",
    }
    if address:
        attributes["server.address"] = address
    if port is not None:
        attributes["server.port"] = port
    # Instruments come from the installed conventions: a description that differs from the SDK's would be a registration
    # conflict in an application with both exporters.
    from opentelemetry.semconv._incubating.metrics import otel_metrics

    meter = (meter_provider or get_meter_provider()).get_meter("opentelemetry-sdk")
    return ExporterMetrics(
        attributes,
        otel_metrics.create_otel_sdk_exporter_span_inflight(meter),
        otel_metrics.create_otel_sdk_exporter_span_exported(meter),
        otel_metrics.create_otel_sdk_exporter_operation_duration(meter),
    )
