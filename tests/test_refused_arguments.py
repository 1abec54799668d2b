"""Arguments that constructors refuse: a table of calls with the exception and the argument that begins its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from support.policies import compile_policies

from nanospan import BatchSpanProcessor
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
    *((processor(**{name: value}), ValueError, name) for name in COUNTS + TIMES for value in (0, -1, 1 << 40)),
    *((processor(**{name: value}), TypeError, name) for name in COUNTS + TIMES for value in ("512", True, [1])),
    *((processor(**{name: 100000.5}), TypeError, name) for name in COUNTS),
    *((processor(**{name: float(value)}), ValueError, name) for name in TIMES for value in ("nan", "inf")),
    (processor(max_queue_size=100, max_export_batch_size=101), ValueError, "max_export_batch_size.*100"),
]

CASES = {"tail": TAIL, "rules": RULES, "processor": PROCESSOR}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [pytest.param(*case, id=f"{table}-{number}") for table, cases in CASES.items() for number, case in enumerate(cases)],
)
def test_wrong_arguments_are_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        call()
