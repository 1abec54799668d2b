"""The types of nanospan's public API, as a type checker sees them. Checked by test_public_types.py, never run.

A ``type: ignore`` marks a call that must be refused: mypy --strict reports one that is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_type

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult

import nanospan
from nanospan import export, sampling, tail
from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter
from nanospan.export.http import Compression
from nanospan.export.http import OTLPSpanExporter as HttpExporter
from nanospan.processor import BatchSpanProcessor, ProcessorStats
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.receiver import TraceSummary

# --- provider, tracer, span -------------------------------------------------------------------------------------------

provider = nanospan.TracerProvider(sampler=sampling.ALWAYS_ON, id_generator=nanospan.RandomIdGenerator())
an_sdk_provider: sdk.TracerProvider = provider
nanospan.TracerProvider(sampler="always_on")  # type: ignore[arg-type]

tracer = provider.get_tracer("module", "1.0", attributes={"key": "value"})
assert_type(tracer, trace.Tracer)
assert_type(tracer.start_span("span"), trace.Span)
with tracer.start_as_current_span("span") as of_the_api:
    assert_type(of_the_api, trace.Span)


def native_tracer(native: nanospan.Tracer) -> None:
    an_sdk_tracer: sdk.Tracer = native
    assert_type(native.start_span("span", kind=trace.SpanKind.SERVER, attributes={"key": [1, 2]}), trace.Span)
    with native.start_as_current_span("span", end_on_exit=False) as span:
        assert_type(span, trace.Span)
    native.start_span(5)  # type: ignore[arg-type]

    @native.start_as_current_span("decorated")
    def decorated(number: int, *, text: str = "") -> list[str]:
        return [text] * number

    assert_type(decorated(1, text="a"), list[str])
    decorated("1")  # type: ignore[arg-type]

    @native.start_as_current_span("decorated")
    async def awaited(number: int) -> float:
        return float(number)

    async def caller() -> None:
        assert_type(await awaited(1), float)

    del an_sdk_tracer, caller


def native_span(span: nanospan.Span, not_recording: nanospan.NonRecordingSpan) -> None:
    an_sdk_span: sdk.Span = span
    assert_type(span.get_span_context(), trace.SpanContext)
    assert_type(span.is_recording(), bool)
    span.set_attribute("key", 1.5)
    span.set_status(trace.StatusCode.ERROR, "reason")
    with span as entered:
        assert_type(entered, nanospan.Span)
    assert_type(not_recording.get_span_context(), trace.SpanContext)
    of_the_api: trace.Span = not_recording
    del an_sdk_span, of_the_api


def encoded(spans: Sequence[ReadableSpan]) -> None:
    assert_type(nanospan.encode_spans(spans), bytes)


# --- processor --------------------------------------------------------------------------------------------------------

processor = BatchSpanProcessor(HttpExporter(), max_queue_size=4096, schedule_delay_millis=0.5, max_queue_bytes=1 << 20)
an_sdk_processor: SpanProcessor = processor
assert_type(nanospan.BatchSpanProcessor(), BatchSpanProcessor)
assert_type(processor.stats(), ProcessorStats)
assert_type(sum(processor.stats()["dropped"].values()), int)
processor.stats()["dropped"]["queue_ful"]  # type: ignore[index]
processor.stats()["endet"]  # type: ignore[typeddict-item]
assert_type(processor.span_exporter, SpanExporter)
assert_type(processor.force_flush(1000), bool)
provider.add_span_processor(processor)
BatchSpanProcessor(max_queue_size="4096")  # type: ignore[arg-type]
BatchSpanProcessor(HttpExporter(), 1, 2, 3, 4, 5)  # type: ignore[call-arg]
BatchSpanProcessor(tail_sampling=[tail.AlwaysSample()])  # type: ignore[arg-type]

# --- tail sampling ----------------------------------------------------------------------------------------------------

policies: list[tail.Policy] = [
    tail.StatusCode("ERROR", trace.StatusCode.UNSET, name="errors"),
    tail.StatusCode("ERR"),  # type: ignore[arg-type]
    tail.Latency(threshold_ms=1000, upper_threshold_ms=5000),
    tail.StringAttribute("http.route", ["/checkout"], enabled_regex_matching=True),
    tail.NumericAttribute("count", min_value=1),
    tail.And(tail.TraceFlags(), tail.Not(tail.SpanCount(2))),
    tail.Composite([tail.AlwaysSample()], 100, {"always_sample": 50}),
    tail.Probabilistic(0.01, hash_salt="salt"),
    tail.RateLimiting(100, consistent=True),
]
held = tail.TailSampling(policies, decision_wait=10, num_traces=1000)
assert_type(held.policy_names, tuple[str, ...])
assert_type(held.decision_wait, float)
assert_type(held.decision_cache_size, int | None)
BatchSpanProcessor(tail_sampling=held)
tail.TailSampling(["always_sample"])  # type: ignore[list-item]
tail.TailSampling(policies, 10)  # type: ignore[call-arg]
tail.Latency("1000")  # type: ignore[arg-type]
tail.Drop("always_sample")  # type: ignore[arg-type]
held.num_traces = 5  # type: ignore[misc]

# --- head sampling ----------------------------------------------------------------------------------------------------

probability = sampling.ConsistentProbability(0.01, precision=4, randomness="hash")
assert_type(probability.ratio, float)
assert_type(probability.threshold, int)
assert_type(probability.probability, float)
assert_type(probability.stats()["asked"], int)
assert_type(probability.should_sample(Context(), 1, "span"), SamplingResult)
sampling.ConsistentProbability(0.01, randomness="rv")  # type: ignore[arg-type]

adaptive = sampling.Adaptive(1000, averaging_seconds=1.5)
assert_type(adaptive.threshold, int | None)
assert_type(adaptive.probability, float | None)
assert_type(adaptive.stats()["spans_per_trace"], float)
assert_type(sampling.OverheadBudget(0.02).stats()["seconds_per_span"], float)
assert_type(sampling.RateLimited(100, burst=5).stats()["sampled"], int)
assert_type(sampling.AlwaysRecord(adaptive).stats()["asked"], int)

rule = sampling.Rule(
    name="GET /*",
    kind=[trace.SpanKind.SERVER],
    attributes={"http.route": ["/pay"], "tenant": sampling.ANY, "retries": 3},
    parent=["none", "local"],
    sampler=probability,
)
rules = sampling.RuleBased([rule], default=sampling.ALWAYS_OFF)
assert_type(rule.description, str)
assert_type(rules.rules, tuple[sampling.Rule, ...])
assert_type(rules.stats()["rules"][0]["matched"], int)
sampling.Rule(parent="near", sampler=probability)  # type: ignore[arg-type]
sampling.RuleBased([probability], default=probability)  # type: ignore[list-item]
sampling.RuleBased([rule])  # type: ignore[call-arg]

samplers: list[Sampler] = [probability, adaptive, rules, sampling.ParentBased(rules), sampling.DEFAULT_ON]
sampling.ParentBased("always_on")  # type: ignore[arg-type]

# --- exporters --------------------------------------------------------------------------------------------------------


def exporters(spans: Sequence[ReadableSpan], meters: MeterProvider, batch: export.EncodedBatch) -> None:
    http = HttpExporter("http://localhost:4318/v1/traces", headers={"key": "value"}, compression=Compression.Gzip)
    grpc = GrpcExporter("localhost:4317", insecure=True, headers=[("key", "value")], meter_provider=meters)
    all_of_them: list[SpanExporter] = [http, grpc]
    of_bytes: list[export.EncodedSpanExporter] = [http, grpc]
    assert_type(http.export(spans), SpanExportResult)
    assert_type(grpc.export_encoded(batch, timeout=1.5), export.ExportOutcome)
    assert_type(grpc.export_encoded(batch).exported, int)
    assert_type(batch.split(), tuple[export.EncodedBatch, export.EncodedBatch])
    HttpExporter(headers=["key"])  # type: ignore[arg-type]
    HttpExporter(timeout="10")  # type: ignore[arg-type]
    GrpcExporter(endpoint=4317)  # type: ignore[arg-type]
    del all_of_them, of_bytes


# --- ids, propagation, receiver ---------------------------------------------------------------------------------------

ids: IdGenerator = nanospan.RandomIdGenerator()
assert_type(nanospan.RandomIdGenerator().generate_trace_id(), int)
assert_type(nanospan.RandomIdGenerator().is_trace_id_random(), bool)

propagator: TextMapPropagator = TraceContextTextMapPropagator()
headers: dict[str, str] = {}
assert_type(TraceContextTextMapPropagator().extract(headers), Context)
TraceContextTextMapPropagator().inject(headers, Context())
assert_type(TraceContextTextMapPropagator().fields, set[str])

services: Callable[[TraceSummary], tuple[str, ...]] = lambda summary: summary.services  # noqa: E731
