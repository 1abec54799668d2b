"""`BatchSpanProcessor`: the SDK's class of that name, with a native queue and exporters that take bytes."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

from nanospan._native.queue.span_queue import NativeBatchProcessor
from nanospan.export._settings.environment import resolve_protocol
from nanospan.processor._export_adapter import export_adapter_for
from nanospan.processor._metrics import create_processor_metrics
from nanospan.processor._settings import resolve_settings
from nanospan.processor._worker import ExportWorker
from nanospan.tail import TailSampling

__all__ = ["BatchSpanProcessor"]


class BatchSpanProcessor(NativeBatchProcessor, SpanProcessor):
    """Queues ended spans and exports them in batches, at a small fraction of the SDK's cost.

    Takes the place of ``opentelemetry.sdk.trace.export.BatchSpanProcessor``: same arguments, environment variables and
    defaults, three exceptions apart. The exporter may be left out. With ``max_export_batch_size`` unset, 512 spans wake
    the worker and a request carries all that is queued, up to 4 MiB and 8192 spans; set, by argument or variable, it is
    a hard cap. When the queue is full the newest span is dropped, as the specification asks (the SDK's class evicts the
    oldest).

    Args:
        span_exporter: Where the spans go. None for nanospan's OTLP exporter, made from ``OTEL_EXPORTER_OTLP_*``. Exporters
            of nanospan, and exact instances of the official OTLP ones, are given bytes; any other, and subclasses of
            those, get the original ReadableSpan objects.
        max_queue_size: Spans that may be queued; any integer from 1, exact. ``OTEL_BSP_MAX_QUEUE_SIZE``, 2048.
        schedule_delay_millis: The longest a span waits for its batch. ``OTEL_BSP_SCHEDULE_DELAY``, 5000.
        max_export_batch_size: The most spans in a request. ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE``, unset.
        export_timeout_millis: The longest one export may take with its retries; the exporter's own timeout holds too.
            ``OTEL_BSP_EXPORT_TIMEOUT``, 30000.
        max_queue_bytes: Bytes that encoded spans may take in the queue, 64 KiB to 8 GiB. A single span takes at most a
            quarter; what does not fit of its attributes, events and links is left out.
            ``OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES``, 64 MiB.
        tail_sampling: Holds the spans of each trace back until the trace has ended here, and then keeps it whole or drops it
            whole; see `nanospan.tail`. Its ``max_bytes`` then takes the place of ``max_queue_size`` and
            ``max_queue_bytes``. The sampler must record what is to be decided on: ALWAYS_ON, or AlwaysRecord.
        meter_provider: For the ``otel.sdk.processor.span.*`` metrics, which
            ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`` switches on. The global one by default.

    Raises:
        TypeError, ValueError: for an argument out of range, by name. Wrong variables are clamped, with one warning.
        ImportError: if ``OTEL_EXPORTER_OTLP_PROTOCOL`` asks for gRPC and grpcio is not installed.
    """

    def __init__(
        self,
        span_exporter: SpanExporter | None = None,
        max_queue_size: int | None = None,
        schedule_delay_millis: float | None = None,
        max_export_batch_size: int | None = None,
        export_timeout_millis: float | None = None,
        *,
        max_queue_bytes: int | None = None,
        tail_sampling: TailSampling | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if tail_sampling is not None and not isinstance(tail_sampling, TailSampling):
            raise TypeError(f"tail_sampling must be a nanospan.tail.TailSampling, not {type(tail_sampling).__name__}")
        settings = resolve_settings(
            max_queue_size, schedule_delay_millis, max_export_batch_size, export_timeout_millis, max_queue_bytes
        )
        exporter = _default_exporter(meter_provider) if span_exporter is None else span_exporter
        adapter = export_adapter_for(exporter, settings, tail_sampling)
        metrics = create_processor_metrics(meter_provider, adapter.queue)
        self._attach_queue(adapter.queue)
        self._batch_processor = ExportWorker(exporter, adapter, settings, metrics)

    @property
    def span_exporter(self) -> SpanExporter:
        """The exporter that was given, or made."""
        return self._batch_processor._exporter

    def shutdown(self) -> None:
        """Export what is queued, for at most 30 seconds, and shut the exporter down. Later calls do nothing; spans that
        end later are counted as dropped by shutdown."""
        self._batch_processor.shutdown()

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Export every span that ended before the call.

        Waits at most ``timeout_millis``, or the export timeout when None. Traces that tail sampling still holds stay held.
        Returns True if all of them were exported in that time; False if time ran out, an export failed, or the processor is
        shut down.
        """
        if timeout_millis is None:
            timeout_millis = self._batch_processor._export_timeout_millis
        return self._batch_processor.flush(timeout_millis / 1e3)

    def stats(self) -> dict[str, Any]:
        """Where every span that ended went.

        The keys are ``ended``, ``queued`` (in the queue or in a batch under way), ``held``, ``exported`` (acknowledged),
        ``dropped`` (a dict by reason), ``rejected`` (refused in a partial success), ``sampled_out`` and ``detail``. At any
        moment ``ended == queued + held + exported + sum(dropped.values()) + rejected + sampled_out``.
        """
        queue = self._batch_processor._queue
        queue.check_fork()
        return queue.stats()


def _default_exporter(meter_provider: MeterProvider | None) -> SpanExporter:
    """nanospan's OTLP exporter, for the protocol that the environment names."""
    if resolve_protocol() == "grpc":
        from nanospan.export.grpc import OTLPSpanExporter
    else:
        from nanospan.export.http import OTLPSpanExporter
    return OTLPSpanExporter(meter_provider=meter_provider)
