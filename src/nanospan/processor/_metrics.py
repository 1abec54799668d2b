"""Self-observability of the batch processor: the ``otel.sdk.processor.span.*`` metrics of the semantic conventions.

The switch, names, units and attributes are those of the SDK's processor. Native code counts dropped spans; this module
reports the increments when metrics are collected and after each batch.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any, Protocol

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider

from nanospan._compat.sdk import next_component_number

__all__ = ["ProcessorMetrics", "create_processor_metrics"]

COMPONENT_TYPE = "batching_span_processor"

# error.type of a drop reason, if the SDK's name differs
_ERROR_TYPES = {"shutdown": "already_shutdown"}
# A span counts as processed once the exporter has received it, regardless of the outcome.
_REASONS = ("queue_full", "oversize", "encode_failed", "shutdown", "contract")


class _CountedQueue(Protocol):
    max_spans: int

    @property
    def depth(self) -> int: ...

    def check_fork(self) -> None: ...

    def stats(self) -> dict[str, Any]: ...


class ProcessorMetrics:
    """The instruments of one processor."""

    def __init__(self, meter_provider: MeterProvider | None, queue: _CountedQueue) -> None:
        # Instruments come from the installed conventions: a description that differs from the SDK's would be a
        # registration conflict in an application with both processors.
        from opentelemetry.semconv._incubating.metrics import otel_metrics

        meter = (meter_provider or get_meter_provider()).get_meter("opentelemetry-sdk")
        name = f"{COMPONENT_TYPE}/{next_component_number(COMPONENT_TYPE)}"
        self._attributes = {"otel.component.type": COMPONENT_TYPE, "otel.component.name": name}
        self._queue = queue
        self._lock = threading.Lock()
        self._reported = dict.fromkeys(_REASONS, 0)
        self._processed = otel_metrics.create_otel_sdk_processor_span_processed(meter)
        otel_metrics.create_otel_sdk_processor_span_queue_capacity(meter).add(queue.max_spans, self._attributes)
        meter.create_observable_up_down_counter(
            otel_metrics.OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE,
            callbacks=[self._observe_queue],
            description="The number of spans in the queue of a given instance of an SDK span processor.",
            unit="{span}",
        )

    def add_exported(self, count: int) -> None:
        """Count ``count`` spans that the exporter has received."""
        self._processed.add(count, self._attributes)
        self.report_drops()

    def report_drops(self) -> None:
        """Report the spans that were dropped since the last call."""
        with self._lock:
            dropped = self._queue.stats()["dropped"]
            for reason in _REASONS:
                added = dropped[reason] - self._reported[reason]
                self._reported[reason] = dropped[reason]
                if added > 0:
                    error_type = _ERROR_TYPES.get(reason, reason)
                    self._processed.add(added, {**self._attributes, "error.type": error_type})

    def after_fork(self) -> None:
        """Reset in a forked child, whose counters start at zero."""
        self._lock = threading.Lock()
        self._reported = dict.fromkeys(_REASONS, 0)

    def _observe_queue(self, options: CallbackOptions) -> Iterable[Observation]:
        self._queue.check_fork()
        self.report_drops()
        return [Observation(self._queue.depth, self._attributes)]


def create_processor_metrics(meter_provider: MeterProvider | None, queue: _CountedQueue) -> ProcessorMetrics | None:
    """The metrics of a new processor, or None unless ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` is ``true``."""
    if os.environ.get("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "").strip().lower() != "true":
        return None
    return ProcessorMetrics(meter_provider, queue)
