"""Logfire's batch processor, which sets the delay of the SDK's processor inside it while that is running."""

from __future__ import annotations

from implementation import TracerProvider, report, substitute

substitute()

from logfire._internal.exporters.dynamic_batch import DynamicBatchSpanProcessor  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402

exporter = OTLPSpanExporter()
processor = DynamicBatchSpanProcessor(exporter)
before = processor.schedule_delay_millis
provider = TracerProvider()
provider.add_span_processor(processor)
tracer = provider.get_tracer("batch")
for number in range(12):
    tracer.start_span(f"span {number}").end()
flushed = provider.force_flush()
provider.shutdown()
report(
    provider,
    before=before,
    after=processor.schedule_delay_millis,
    flushed=flushed,
    same_exporter=processor.span_exporter is exporter,
    kind=type(processor.processor).__module__,
)
