"""One run of the cost measurement, started by `nanospan.cli.demo.pipeline_cost` in a process of its own.

Creates ten-attribute spans at a constant rate through one pipeline and prints one line of JSON. The process CPU time is read
from the first span until all are flushed, so that it includes all threads of the pipeline. The wall time is that of the
bursts, on the thread that creates the spans.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer

from nanospan.cli.demo.pipeline_cost import NANOSPAN, PAUSES, PIPELINES, PROCESSOR_ONLY, STOCK

BURST = 50
WARM_UP_SPANS = 200
FLUSH_MILLIS = 60_000

ATTRIBUTES: dict[str, str | int | float | bool] = {
    "http.request.method": "GET",
    "http.route": "/users/{id}",
    "http.response.status_code": 200,
    "url.path": "/users/1042",
    "server.address": "api.example.com",
    "server.port": 443,
    "app.cache.hit": False,
    "app.score": 0.75,
    "app.tenant": "t-104",
    "app.region": "eu-1",
}


def make_processor(pipeline: str, endpoint: str) -> SpanProcessor | None:
    """The processor of a pipeline, None if it has none; ModuleNotFoundError when it is not installed."""
    if pipeline == STOCK:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
    if pipeline in (PROCESSOR_ONLY, NANOSPAN):
        import nanospan
        from nanospan.export.http import OTLPSpanExporter as NanospanExporter

        return nanospan.BatchSpanProcessor(NanospanExporter(endpoint=endpoint))
    return None


def make_provider(pipeline: str, endpoint: str) -> TracerProvider | None:
    """The provider of a pipeline with its processor; None for the pauses alone."""
    if pipeline == PAUSES:
        return None
    kind = TracerProvider
    if pipeline == NANOSPAN:
        import nanospan

        kind = nanospan.TracerProvider
    provider = kind(sampler=ALWAYS_ON, resource=Resource({"service.name": "cost"}), shutdown_on_exit=False)
    processor = make_processor(pipeline, endpoint)
    if processor is not None:
        provider.add_span_processor(processor)
    return provider


def create_spans(tracer: Tracer | None, number: int) -> None:
    if tracer is None:
        return
    for _ in range(number):
        with tracer.start_as_current_span("request") as span:
            for key, value in ATTRIBUTES.items():
                span.set_attribute(key, value)


def run(pipeline: str, endpoint: str, spans: int, rate: float) -> dict[str, int | float]:
    """Nanoseconds of process CPU and of wall time in all, and the spans made, each without the warm-up."""
    provider = make_provider(pipeline, endpoint)
    tracer = None if provider is None else provider.get_tracer("nanospan.cost")
    create_spans(tracer, WARM_UP_SPANS)
    if provider is not None:
        provider.force_flush(FLUSH_MILLIS)

    wall = 0
    made = 0
    cpu_started = time.process_time_ns()
    started = time.perf_counter_ns()
    while made < spans:
        burst = min(BURST, spans - made)
        burst_started = time.perf_counter_ns()
        create_spans(tracer, burst)
        wall += time.perf_counter_ns() - burst_started
        made += burst
        ahead = made / rate - (time.perf_counter_ns() - started) / 1e9
        if ahead > 0:
            time.sleep(ahead)
    if provider is not None:
        provider.force_flush(FLUSH_MILLIS)
    cpu = time.process_time_ns() - cpu_started
    if provider is not None:
        provider.shutdown()
    return {"cpu_ns": cpu, "wall_ns": wall, "spans": made, "warm_up": WARM_UP_SPANS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nanospan.cli.demo.pipeline_cost_worker")
    parser.add_argument("--pipeline", choices=PIPELINES, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--spans", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    arguments = parser.parse_args()
    try:
        result = run(arguments.pipeline, arguments.endpoint, arguments.spans, arguments.rate)
    except ModuleNotFoundError as error:
        sys.exit(f"{arguments.pipeline}: {error}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
