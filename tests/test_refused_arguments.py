"""Arguments that constructors refuse: a table of calls with the exception and the argument that begins its message."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from support.policies import compile_policies

from nanospan import BatchSpanProcessor, TracerProvider, sampling
from nanospan.export.http import OTLPSpanExporter
from nanospan.messaging import Messaging, job_span
from nanospan.sampling import ALWAYS_ON, Rule, RuleBased
from nanospan.tail import (
    AlwaysSample,
    And,
    BooleanAttribute,
    BytesLimiting,
    Composite,
    Drop,
    Latency,
    Not,
    NumericAttribute,
    Policy,
    Probabilistic,
    RateLimiting,
    SpanCount,
    StatusCode,
    StringAttribute,
    TailSampling,
    TraceFlags,
    TraceState,
)

pytestmark = pytest.mark.usefixtures("clean_environment")

YES = AlwaysSample()
Case = tuple[Callable[[], Any], type[Exception], str]

TAIL: list[Case] = [
    (lambda: StatusCode(), ValueError, "codes"),
    (lambda: StatusCode("error"), ValueError, "codes"),
    (lambda: StatusCode(["ERROR"]), ValueError, "codes"),
    (lambda: Latency(-1), ValueError, "threshold_ms"),
    (lambda: Latency(1.5), TypeError, "threshold_ms"),
    (lambda: Latency(True), TypeError, "threshold_ms"),
    (lambda: Latency(5, 5), ValueError, "upper_threshold_ms"),
    (lambda: StringAttribute("", ["v"]), ValueError, "key"),
    (lambda: StringAttribute(5, ["v"]), TypeError, "key"),
    (lambda: StringAttribute("\ud800", ["v"]), ValueError, "key"),
    (lambda: StringAttribute("k", "v"), TypeError, "values"),
    (lambda: StringAttribute("k", []), ValueError, "values"),
    (lambda: StringAttribute("k", ["v", ""]), ValueError, r"values\[1\]"),
    (lambda: StringAttribute("k", [5]), TypeError, r"values\[0\]"),
    (lambda: StringAttribute("k", ["a", "("], enabled_regex_matching=True), ValueError, r"values\[1\]"),
    (lambda: StringAttribute("k", ["v"], enabled_regex_matching=1), TypeError, "enabled_regex_matching"),
    (lambda: StringAttribute("k", ["v"], cache_max_size=0), ValueError, "cache_max_size"),
    (lambda: StringAttribute("k", ["v"], invert_match=None), TypeError, "invert_match"),
    (lambda: NumericAttribute("k"), ValueError, "min_value or max_value"),
    (lambda: NumericAttribute("k", 1.0), TypeError, "min_value"),
    (lambda: NumericAttribute("k", 2, 1), ValueError, "max_value"),
    (lambda: NumericAttribute("k", 0, 2**63), ValueError, "max_value"),
    (lambda: BooleanAttribute("k", "true"), TypeError, "value"),
    (lambda: Probabilistic(0), ValueError, "ratio"),
    (lambda: Probabilistic(1.1), ValueError, "ratio"),
    (lambda: Probabilistic(float("nan")), ValueError, "ratio"),
    (lambda: Probabilistic("0.1"), TypeError, "ratio"),
    (lambda: Probabilistic(0.1, hash_salt=5), TypeError, "hash_salt"),
    (lambda: RateLimiting(0), ValueError, "spans_per_second"),
    (lambda: RateLimiting(5, 0), ValueError, "burst_capacity"),
    (lambda: RateLimiting(5, 5, consistent=True), ValueError, "burst_capacity"),
    (lambda: BytesLimiting(-5), ValueError, "bytes_per_second"),
    (lambda: BytesLimiting(5, "5"), TypeError, "burst_capacity"),
    (lambda: SpanCount(-1), ValueError, "min_spans"),
    (lambda: SpanCount(5, 4), ValueError, "max_spans"),
    (lambda: TraceState("k", []), ValueError, "values"),
    (lambda: AlwaysSample(name=""), ValueError, "name"),
    (lambda: And(name=5), ValueError, "policies"),
    (lambda: And(AlwaysSample(), name=5), TypeError, "name"),
    (lambda: And("always_sample"), TypeError, r"policies\[0\]"),
    (lambda: Drop(), ValueError, "policies"),
    (lambda: Not("always_sample"), TypeError, "policy"),
    (lambda: Composite([], 5), ValueError, "policies"),
    (lambda: Composite([AlwaysSample()], 0), ValueError, "max_total_spans_per_second"),
    (lambda: Composite([AlwaysSample()], 5, [50]), TypeError, "allocation"),
    (lambda: Composite([AlwaysSample()], 5, {"other": 50}), ValueError, "allocation"),
    (lambda: Composite([AlwaysSample()], 5, {"always_sample": 0}), ValueError, "allocation"),
    (lambda: Composite([AlwaysSample()], 5, {"always_sample": 101}), ValueError, "allocation"),
    (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 60, "trace_flags": 41}), ValueError, "allocation"),
    (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 100}), ValueError, "allocation"),
    (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 90}), ValueError, "allocation"),
    (lambda: Composite([AlwaysSample(name="a"), TraceFlags(name="a")], 5), ValueError, "policies"),
    (lambda: TailSampling([]), ValueError, "policies"),
    (lambda: TailSampling(AlwaysSample()), TypeError, "policies"),
    (lambda: TailSampling(["always_sample"]), TypeError, r"policies\[0\]"),
    (lambda: TailSampling([Policy()]), TypeError, r"policies\[0\]"),
    (lambda: TailSampling([Latency(1, name="a"), Latency(2, name="a")]), ValueError, "policies"),
    (lambda: TailSampling([Drop(YES)]), ValueError, "policies"),
    (lambda: TailSampling([YES, And(Drop(YES))]), ValueError, "policies"),
    (lambda: TailSampling([YES], decision_wait=0), ValueError, "decision_wait"),
    (lambda: TailSampling([YES], decision_wait="30"), TypeError, "decision_wait"),
    (lambda: TailSampling([YES], decision_wait=float("inf")), ValueError, "decision_wait"),
    (lambda: TailSampling([YES], decision_wait_after_root_ended=-1), ValueError, "decision_wait_after_root_ended"),
    (lambda: TailSampling([YES], num_traces=0), ValueError, "num_traces"),
    (lambda: TailSampling([YES], num_traces=2**24 + 1), ValueError, "num_traces"),
    (lambda: TailSampling([YES], max_bytes=2**20 - 1), ValueError, "max_bytes"),
    (lambda: TailSampling([YES], max_bytes=64e6), TypeError, "max_bytes"),
    (lambda: TailSampling([YES], decision_cache_size=-1), ValueError, "decision_cache_size"),
    (lambda: compile_policies([]), ValueError, "policies"),
]


def rule(**arguments: Any) -> Callable[[], Any]:
    return lambda: Rule(**({"sampler": ALWAYS_ON} | arguments))


RULES: list[Case] = [
    (rule(name=5), TypeError, "name must be a str or None"),
    (rule(scope=b"s"), TypeError, "scope must be a str or None"),
    (rule(kind="client"), TypeError, "kind must be a SpanKind"),
    (rule(kind=[SpanKind.CLIENT, 3]), TypeError, "kind must be a SpanKind"),
    (rule(kind=[]), ValueError, "kind must not be an empty"),
    (rule(parent="root"), ValueError, "parent must be 'none' or 'local' or 'remote'"),
    (rule(parent=1), TypeError, "parent must be"),
    (rule(attributes=["a"]), TypeError, "attributes must be a mapping"),
    (rule(attributes={1: "x"}), TypeError, "attributes must have str keys"),
    (rule(attributes={"k": None}), TypeError, r"attributes\['k'\] must be a str, bool, int or float"),
    (rule(attributes={"k": b"x"}), TypeError, r"attributes\['k'\]"),
    (rule(attributes={"k": {"x": 1}}), TypeError, r"attributes\['k'\]"),
    (rule(attributes={"k": ["x", None]}), TypeError, r"attributes\['k'\]"),
    (rule(attributes={"k": []}), ValueError, r"attributes\['k'\] must not be an empty"),
    (rule(sampler=None), TypeError, "sampler must be a Sampler"),
    (rule(external="yes"), TypeError, "external must be a bool or None"),
    (lambda: RuleBased([], default=None), TypeError, "default must be a Sampler"),  # type: ignore[arg-type]
    (lambda: RuleBased([ALWAYS_ON], default=ALWAYS_ON), TypeError, "rules must be Rule objects"),  # type: ignore[list-item]
    (lambda: RuleBased([]), TypeError, ""),  # type: ignore[call-arg]
    (lambda: Rule("name", sampler=ALWAYS_ON), TypeError, ""),  # type: ignore[misc]
]


def processor(**arguments: Any) -> Callable[[], Any]:
    return lambda: BatchSpanProcessor(InMemorySpanExporter(), **arguments)


COUNTS = ["max_queue_size", "max_export_batch_size", "max_queue_bytes"]
TIMES = ["schedule_delay_millis", "export_timeout_millis"]
PROCESSOR: list[Case] = [
    *((processor(**{name: value}), ValueError, name) for name in COUNTS + TIMES for value in (-1, -(1 << 70))),
    *((processor(**{name: value}), ValueError, name) for name in COUNTS for value in (0, 1 << 70)),
    (processor(schedule_delay_millis=0), ValueError, "schedule_delay_millis"),
    *((processor(**{name: value}), TypeError, name) for name in COUNTS + TIMES for value in ("512", True, [1])),
    *((processor(**{name: 100000.5}), TypeError, name) for name in COUNTS),
    *((processor(**{name: float(value)}), ValueError, name) for name in TIMES for value in ("nan", "-inf")),
    (processor(max_queue_size=100, max_export_batch_size=101), ValueError, "max_export_batch_size.*100"),
]

PROCESSOR += [
    (lambda: BatchSpanProcessor("http://localhost:4318"), TypeError, "span_exporter must be a SpanExporter"),
    (lambda: BatchSpanProcessor(InMemorySpanExporter), TypeError, "span_exporter must be a SpanExporter"),
    (processor(meter_provider="global"), TypeError, "meter_provider must be a MeterProvider"),
    (processor(tail_sampling=True), TypeError, "tail_sampling must be a nanospan.tail.TailSampling"),
]


def provider(**arguments: Any) -> Callable[[], Any]:
    return lambda: TracerProvider(shutdown_on_exit=False, **arguments)


PROVIDER: list[Case] = [
    (provider(sampler="always_on"), TypeError, "sampler must be a Sampler, such as nanospan.sampling.ALWAYS_ON"),
    (provider(sampler=""), TypeError, "sampler must be a Sampler"),
    (provider(sampler=RuleBased), TypeError, "sampler must be a Sampler.* not the class RuleBased"),
    (provider(sampler=0.5), TypeError, "sampler must be a Sampler"),
    (provider(resource={"service.name": "shop"}), TypeError, "resource must be a Resource"),
    (provider(active_span_processor=InMemorySpanExporter()), TypeError, "active_span_processor must be a Synchronous"),
    (provider(id_generator=random.getrandbits), TypeError, "id_generator must be an IdGenerator"),
    (provider(span_limits=128), TypeError, "span_limits must be SpanLimits"),
    (provider(meter_provider="global"), TypeError, "meter_provider must be a MeterProvider"),
    (lambda: TracerProvider(shutdown_on_exit="no"), TypeError, "shutdown_on_exit must be True or False"),
]
SAMPLERS: list[Case] = [
    (lambda: sampling.StaticSampler("drop"), TypeError, "decision must be a Decision"),
    (lambda: sampling.TraceIdRatioBased("0.5"), TypeError, "rate must be a number from 0.0 to 1.0"),
    (lambda: sampling.TraceIdRatioBased(float("nan")), ValueError, "rate must be a number from 0.0 to 1.0"),
    (lambda: sampling.ParentBasedTraceIdRatio(1.5), ValueError, "rate must be a number from 0.0 to 1.0"),
    (lambda: sampling.ParentBased("always_on"), TypeError, "root must be a Sampler"),
    (lambda: sampling.ParentBased(ALWAYS_ON, local_parent_sampled=None), TypeError, "local_parent_sampled must be a"),
    (lambda: sampling.AlwaysRecord("always_on"), TypeError, "root must be a Sampler"),
    (lambda: sampling.LinksBased("always_on"), TypeError, "root must be a Sampler"),
    (lambda: sampling.LinksBased(ALWAYS_ON, linked_not_sampled=None), TypeError, "linked_not_sampled must be a Sampler"),
    (lambda: sampling.ConsistentProbability("0.1"), TypeError, "ratio"),
    (lambda: sampling.ConsistentProbability(0.1, randomness="dice"), ValueError, "randomness"),
    (lambda: sampling.RateLimited("10"), TypeError, "traces_per_second"),
    (lambda: sampling.RateLimited(10, consistent="yes"), TypeError, "consistent must be True or False"),
    (lambda: sampling.Adaptive(0), ValueError, "target_spans_per_second"),
    (lambda: sampling.OverheadBudget("2%"), TypeError, "cpu_fraction"),
]
HTTP: list[Case] = [
    (lambda: OTLPSpanExporter(5), ValueError, "endpoint must be a str"),
    (
        lambda: OTLPSpanExporter("collector:4318"),
        ValueError,
        "endpoint must be a URL such as http://localhost:4318/v1/traces",
    ),
    (lambda: OTLPSpanExporter("https://c", certificate_file=5), TypeError, "certificate_file must be a path"),
    (lambda: OTLPSpanExporter("https://c", client_key_file="/none"), ValueError, "client_key_file"),
    (lambda: OTLPSpanExporter(headers=["a=b"]), TypeError, "headers must be a mapping"),
    (lambda: OTLPSpanExporter(headers={"a": 1}), TypeError, "headers must map str to str"),
    (lambda: OTLPSpanExporter(timeout=-1), ValueError, "timeout must be a number of seconds"),
    (lambda: OTLPSpanExporter(timeout="10"), TypeError, "timeout must be a number"),
    (lambda: OTLPSpanExporter(compression="zstd"), ValueError, "compression must be"),
    (lambda: OTLPSpanExporter(max_request_size=0.5), TypeError, "max_request_size must be an integer"),
]

MESSAGING: list[Case] = [
    (lambda: Messaging(5), TypeError, "system must be a string"),
    (lambda: Messaging(""), ValueError, "system must not be empty"),
    (lambda: Messaging("kafka", carrier="kafka"), TypeError, "carrier must be a carrier such as nanospan.messaging.KAFKA"),
    (lambda: Messaging("kafka", tracer_provider="global"), TypeError, "tracer_provider must be a TracerProvider"),
    (lambda: Messaging("kafka", meter_provider="global"), TypeError, "meter_provider must be a MeterProvider"),
    (lambda: Messaging("kafka", server_address=b"broker"), TypeError, "server_address must be a string"),
    (lambda: Messaging("kafka", server_port="9092"), TypeError, "server_port must be an integer"),
    (lambda: Messaging("kafka", server_port=65536), ValueError, "server_port must be an integer from 0 to 65535"),
    (lambda: Messaging("kafka", consumer_group=""), ValueError, "consumer_group must not be empty"),
    (lambda: Messaging("kafka", relation="child"), ValueError, "relation must be 'link' or 'parent' or 'both'"),
    (lambda: Messaging("kafka", incoming=True), ValueError, "incoming must be 'continue' or 'restart' or 'ignore'"),
    (lambda: Messaging("kafka", max_links=-1), ValueError, "max_links must be"),
    (lambda: Messaging("kafka").send("t", creation="none"), ValueError, "creation must be 'send' or 'create' or 'given'"),
    (lambda: Messaging("kafka").send("t", message="id"), TypeError, "unexpected keyword argument 'message'"),
    (lambda: Messaging("kafka").process("t", [], headers_of=[[]]), TypeError, "headers and headers_of must not both"),
    (lambda: job_span(""), ValueError, "name must not be empty"),
]

CASES = {
    "messaging": MESSAGING,
    "tail": TAIL,
    "rules": RULES,
    "processor": PROCESSOR,
    "provider": PROVIDER,
    "samplers": SAMPLERS,
    "http": HTTP,
}


def test_the_grpc_exporter_refuses_wrong_arguments() -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    from nanospan.export.grpc import OTLPSpanExporter

    for arguments, error, message in [
        ({"endpoint": 5}, TypeError, "endpoint must be a str"),
        ({"endpoint": "c:port"}, ValueError, "endpoint must be"),
        ({"insecure": "false"}, TypeError, "insecure must be True or False"),
        ({"credentials": "certificate.pem"}, TypeError, "credentials must be grpc.ChannelCredentials"),
        ({"headers": 5}, TypeError, "headers must be a mapping"),
        ({"timeout": -1}, ValueError, "timeout must be a number of seconds"),
        ({"channel_options": 5}, TypeError, "channel_options must be pairs"),
        ({"retryable_error_codes": "UNAVAILABLE"}, TypeError, "retryable_error_codes must be grpc.StatusCode members"),
        ({"retryable_error_codes": 14}, TypeError, "retryable_error_codes must be grpc.StatusCode members"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            OTLPSpanExporter(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [pytest.param(*case, id=f"{table}-{number}") for table, cases in CASES.items() for number, case in enumerate(cases)],
)
def test_wrong_arguments_are_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        call()
