"""Exemplars of the SDK's metrics, and log records of both handlers and of the format, within a span and outside of one."""

from __future__ import annotations

import logging

from implementation import BatchSpanProcessor, TracerProvider, report
from opentelemetry import trace
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.logging.handler import LoggingHandler as NewHandler
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider, TraceBasedExemplarFilter
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor())
trace.set_tracer_provider(provider)

reader = InMemoryMetricReader()
meters = MeterProvider([reader], exemplar_filter=TraceBasedExemplarFilter())
histogram = meters.get_meter("correlation").create_histogram("seconds")

exporter = InMemoryLogRecordExporter()
loggers = LoggerProvider()
loggers.add_log_record_processor(SimpleLogRecordProcessor(exporter))
LoggingInstrumentor().instrument(inject_trace_context=True)
formatted = []


class Keep(logging.Handler):
    def emit(self, record):
        formatted.append([record.otelTraceID, record.otelSpanID, record.otelTraceSampled])


logger = logging.getLogger("correlation")
logger.propagate = False
logger.setLevel("INFO")
for handler in (LoggingHandler(logger_provider=loggers), NewHandler(logger_provider=loggers), Keep()):
    logger.addHandler(handler)

with trace.get_tracer("correlation").start_as_current_span("span") as span:
    histogram.record(1.5)
    logger.info("within")
histogram.record(100)
logger.info("outside")

(metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
(point,) = metric.data.data_points
records = [data.log_record for data in exporter.get_finished_logs()]
provider.shutdown()
context = span.get_span_context()
report(
    provider,
    span=[f"{context.trace_id:032x}", f"{context.span_id:016x}"],
    exemplars=[[f"{one.trace_id:032x}", f"{one.span_id:016x}", one.value] for one in point.exemplars],
    records=[
        [one.body, f"{one.trace_id or 0:032x}", f"{one.span_id or 0:016x}", int(one.trace_flags or 0)] for one in records
    ],
    formatted=formatted,
)
