"""Tail sampling in the process: keep or drop a complete trace after it has ended.

    from nanospan.processor import BatchSpanProcessor
    from nanospan.tail import Latency, Probabilistic, StatusCode, StringAttribute, TailSampling

    BatchSpanProcessor(tail_sampling=TailSampling([
        StatusCode("ERROR"),
        Latency(threshold_ms=1000),
        StringAttribute("http.route", ["/checkout"]),
        Probabilistic(0.01),
    ]))

The policies have the names, arguments and meaning of the policies of the OpenTelemetry Collector's tail sampling processor;
the documentation of a policy names its deviations. Native code evaluates them, from facts that it reads at the end of each
span.
"""

from nanospan.tail._base import Policy
from nanospan.tail._chance import BytesLimiting, Probabilistic, RateLimiting
from nanospan.tail._combined import And, Composite, Drop, Not
from nanospan.tail._policies import (
    AlwaysSample,
    BooleanAttribute,
    Latency,
    NumericAttribute,
    SpanCount,
    StatusCode,
    StringAttribute,
    TraceFlags,
    TraceState,
)
from nanospan.tail._settings import TailSampling

__all__ = [
    "AlwaysSample",
    "And",
    "BooleanAttribute",
    "BytesLimiting",
    "Composite",
    "Drop",
    "Latency",
    "Not",
    "NumericAttribute",
    "Policy",
    "Probabilistic",
    "RateLimiting",
    "SpanCount",
    "StatusCode",
    "StringAttribute",
    "TailSampling",
    "TraceFlags",
    "TraceState",
]
