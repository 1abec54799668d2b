"""`BatchSpanProcessor`: the SDK's class of that name, with a native queue and exporters that take bytes."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace.export import SpanExporter

from nanospan._common.arguments import check_has, safe_repr
from nanospan._common.environment import variable_text
from nanospan._compat import stock
from nanospan._native.queue import NativeBatchProcessor
from nanospan.processor._export_adapter import export_adapter_for
from nanospan.processor._metrics import create_processor_metrics
from nanospan.processor._settings import resolve_settings
from nanospan.processor._stats import ProcessorStats
from nanospan.processor._worker import ExportWorker

if TYPE_CHECKING:
    from nanospan._native.contract import Contract
    from nanospan.contract import ContractReport, Rule
    from nanospan.tail import TailSampling

__all__ = ["BatchSpanProcessor"]


# ABCMeta, as the metaclass of the other classes with a twin in the SDK: it lets `isinstance` know the twin's objects, which
# `nanospan.install` asks for.
class BatchSpanProcessor(NativeBatchProcessor, stock.BatchSpanProcessor, metaclass=ABCMeta):
    """Queues ended spans natively and exports them in batches.

    Replaces ``opentelemetry.sdk.trace.export.BatchSpanProcessor``, with the same arguments, environment variables and
    defaults, except: the exporter is optional. If ``max_export_batch_size`` is not set, 512 spans wake the worker, and a
    request carries all queued spans, up to 4 MiB and 8192 spans; if it is set, it is a hard cap. If the queue is full, the
    newest span is dropped, as the specification requires (the SDK's class evicts the oldest).

    Args:
        span_exporter: The exporter; None for nanospan's OTLP exporter, configured by ``OTEL_EXPORTER_OTLP_*``. Exporters of
            nanospan, and exact instances of the official OTLP ones, receive encoded bytes; any other exporter receives the
            original ReadableSpan objects.
        max_queue_size: Maximum number of queued spans, at least 1. ``OTEL_BSP_MAX_QUEUE_SIZE``, 2048.
        schedule_delay_millis: Maximum time a span waits for its batch, in ms. ``OTEL_BSP_SCHEDULE_DELAY``, 5000.
        max_export_batch_size: Maximum spans in a request. ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE``, unset.
        export_timeout_millis: Maximum time of one export with its retries, in ms, 0 for no limit; the exporter's own
            timeout applies too. ``OTEL_BSP_EXPORT_TIMEOUT``, 30000.
        max_queue_bytes: Maximum bytes of encoded spans in the queue, 64 KiB to 8 GiB. A span takes at most a quarter of it;
            attributes, events and links that do not fit are dropped. ``OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES``, 64 MiB.
        tail_sampling: Holds the spans of each trace until the trace has ended, and then keeps or drops all of them; see
            `nanospan.tail`. Its ``max_bytes`` replaces ``max_queue_size`` and ``max_queue_bytes``. The sampler must record
            all spans to decide on: ALWAYS_ON, or AlwaysRecord.
        contract: Rules of `nanospan.contract`, asked of each span while it becomes bytes: `Conventions`, `Redaction`. They
            hold for what this processor sends. ``OTEL_PYTHON_NANOSPAN_SEMCONV``, ``OTEL_PYTHON_NANOSPAN_REDACT``; none.
        meter_provider: For the ``otel.sdk.processor.span.*`` metrics, which
            ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true`` enables; the global one by default.

    Raises:
        TypeError, ValueError: for an invalid argument, by name. An invalid variable counts as unset, with one warning.
        ImportError: if ``OTEL_EXPORTER_OTLP_PROTOCOL`` is gRPC and grpcio is not installed.
    """

    _contract: Contract | None = None
    _batch_processor: ExportWorker  # type: ignore[assignment]  # the SDK's class has its own there

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
        contract: Iterable[Rule] | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if tail_sampling is not None and not _is_tail_sampling(tail_sampling):
            raise TypeError(f"tail_sampling must be a nanospan.tail.TailSampling, not {type(tail_sampling).__name__}")
        if span_exporter is not None:
            export = "export_encoded" if hasattr(span_exporter, "export_encoded") else "export"
            check_has("span_exporter", span_exporter, (export, "shutdown"), "a SpanExporter or None")
        if meter_provider is not None:
            check_has("meter_provider", meter_provider, ("get_meter",), "a MeterProvider")
        settings = resolve_settings(
            max_queue_size, schedule_delay_millis, max_export_batch_size, export_timeout_millis, max_queue_bytes
        )
        compiled = _contract_of(contract)
        exporter = default_exporter(meter_provider) if span_exporter is None else span_exporter
        adapter = export_adapter_for(exporter, settings, tail_sampling)
        metrics = create_processor_metrics(meter_provider, adapter.queue)
        self._contract = compiled
        if self._contract is not None:
            adapter.queue.agree(self._contract)
        self._attach_queue(adapter.queue)
        self._samples_tails = tail_sampling is not None  # the provider asks, with its sampler at hand
        self._batch_processor = ExportWorker(exporter, adapter, settings, metrics)

    def __copy__(self) -> BatchSpanProcessor:
        """Another processor over the same queue and thread, as with the SDK's class."""
        copied = type(self).__new__(type(self))
        for name, value in vars(self).items():
            setattr(copied, name, value)
        copied._attach_queue(self._batch_processor._queue)
        return copied

    def __repr__(self) -> str:
        stats = self.stats()
        counts = f"{stats['ended']} ended, {stats['queued']} queued, {sum(stats['dropped'].values())} dropped"
        return f"<nanospan.BatchSpanProcessor exporter={safe_repr(self.span_exporter)}: {counts}>"

    def _leave_at_exit(self) -> None:
        """Called by a provider that does not shut down at the end of the interpreter: nothing is sent there then."""
        self._batch_processor.leave_at_exit()

    @property
    def span_exporter(self) -> SpanExporter:
        """The exporter: the argument or the default one."""
        return self._batch_processor._exporter

    def shutdown(self) -> None:
        """Export queued spans, for at most 30 seconds, and shut the exporter down.

        Later calls do nothing. Spans that end later are counted as dropped by shutdown.
        """
        self._batch_processor.shutdown()

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        """Export every span that ended before the call.

        Waits at most ``timeout_millis`` ms; None for the export timeout. Undecided traces of tail sampling are not exported.
        Returns True if all spans were exported in time; False on a timeout, a failed export, or after shutdown.
        """
        millis = self._batch_processor._export_timeout_millis if timeout_millis is None else timeout_millis
        return self._batch_processor.flush(millis / 1e3)

    def stats(self) -> ProcessorStats:
        """Counts of what happened to the ended spans.

        The keys are ``ended``, ``queued`` (in the queue or in a batch that is being sent), ``held`` (by tail sampling),
        ``exported`` (acknowledged), ``dropped`` (a dict by reason), ``rejected`` (in a partial success), ``sampled_out`` and
        ``detail``. At any moment ``ended == queued + held + exported + sum(dropped.values()) + rejected + sampled_out``.
        """
        queue = self._batch_processor._queue
        queue.check_fork()
        stats = cast(ProcessorStats, queue.stats())
        if self._contract is not None:
            stats["detail"]["contract"] = self._contract.counts()
        return stats

    def contract_report(self) -> ContractReport | None:
        """What the rules of ``contract`` found so far, and in the spans of which scope; None without rules."""
        if self._contract is None:
            return None
        from nanospan.contract import report_of

        self._batch_processor._queue.check_fork()
        return report_of(self._contract)


def _is_tail_sampling(given: object) -> bool:
    from nanospan.tail import TailSampling  # not for every program: it is a tenth of the import

    return isinstance(given, TailSampling)


def _contract_of(rules: Iterable[Rule] | None) -> Contract | None:
    if rules is None and not (variable_text("OTEL_PYTHON_NANOSPAN_SEMCONV") or variable_text("OTEL_PYTHON_NANOSPAN_REDACT")):
        return None
    from nanospan.contract import _compile  # not for every program

    return _compile.compiled_contract(_compile.rules_of_environment() if rules is None else rules)


def default_exporter(meter_provider: MeterProvider | None) -> SpanExporter:
    """nanospan's OTLP exporter for the protocol in the environment."""
    from nanospan.export._settings.environment import resolve_protocol

    if resolve_protocol() == "grpc":
        from nanospan.export import grpc

        return grpc.OTLPSpanExporter(meter_provider=meter_provider)
    from nanospan.export import http

    return http.OTLPSpanExporter(meter_provider=meter_provider)
