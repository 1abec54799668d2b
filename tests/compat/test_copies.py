"""copy, deepcopy and pickle of public objects: what the SDK's class of the same name allows, and of nanospan's own samplers,
rules and policies all three. A copy works, and has counts of its own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import opentelemetry.sdk.trace as sdk
import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import sampling as sdk_sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import nanospan
from nanospan import sampling, tail
from nanospan.propagation import TraceContextTextMapPropagator as NativePropagator

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda original: pickle.loads(pickle.dumps(original)),
}


def provider_of(module: Any) -> Any:
    made = module.TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(sdk.export.SimpleSpanProcessor(InMemorySpanExporter()))
    return made


def ended(module: Any) -> Any:
    span = provider_of(module).get_tracer("scope").start_span("name", attributes={"a": 1})
    span.add_event("event", {"b": 2})
    span.end()
    return span


TWINS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "ids": (RandomIdGenerator, nanospan.RandomIdGenerator),
    "propagator": (TraceContextTextMapPropagator, NativePropagator),
    "provider": (lambda: provider_of(sdk), lambda: provider_of(nanospan)),
    "tracer": (lambda: provider_of(sdk).get_tracer("t"), lambda: provider_of(nanospan).get_tracer("t")),
    "open span": (
        lambda: provider_of(sdk).get_tracer("t").start_span("s"),
        lambda: provider_of(nanospan).get_tracer("t").start_span("s"),
    ),
    "ended span": (lambda: ended(sdk), lambda: ended(nanospan)),
    "readable span": (lambda: ended(sdk)._readable_span(), lambda: ended(nanospan)._readable_span()),
    "span without a recording": (
        lambda: api.NonRecordingSpan(api.SpanContext(1, 2, False)),
        lambda: nanospan.NonRecordingSpan(api.SpanContext(1, 2, False)),
    ),
    "processor": (
        lambda: BatchSpanProcessor(InMemorySpanExporter()),
        lambda: nanospan.BatchSpanProcessor(InMemorySpanExporter()),
    ),
    "composite": (
        lambda: provider_of(sdk)._active_span_processor,
        lambda: provider_of(nanospan)._active_span_processor,
    ),
}


def allows(way: Callable[[Any], Any], make: Callable[[], Any]) -> bool:
    try:
        way(make())
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TWINS)
def test_what_the_sdks_class_allows(name: str, way: str) -> None:
    stock, own = TWINS[name]
    if not allows(WAYS[way], stock):
        return
    original = own()
    copied = WAYS[way](original)
    assert type(copied) is type(original)
    assert vars(copied).keys() == vars(original).keys()


def test_a_copied_processor_has_the_queue_of_the_original() -> None:
    exporter = InMemorySpanExporter()
    original = nanospan.BatchSpanProcessor(exporter)
    copied = copy.copy(original)
    copied.on_end(ended(nanospan)._readable_span())
    assert original.stats()["ended"] == 1
    assert copied.force_flush()
    assert len(exporter.get_finished_spans()) == 1
    original.shutdown()


@pytest.mark.parametrize("which", ["tracer", "provider", "composite"])
def test_a_copy_starts_spans_for_the_same_processors(which: str) -> None:
    exporter = InMemorySpanExporter()
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sdk.export.SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope", "1")
    if which == "tracer":
        tracer = copy.copy(tracer)
    elif which == "provider":
        tracer = copy.copy(provider).get_tracer("scope", "1")
    else:
        tracer.span_processor = copy.copy(tracer.span_processor)
    tracer.start_span("of a copy").end()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.instrumentation_scope.name, span.instrumentation_scope.version) == ("of a copy", "scope", "1")


class Derived(sampling.ParentBased):
    """Other arguments than its base."""

    def __init__(self) -> None:
        super().__init__(sampling.TraceIdRatioBased(0.25))
        self.own = ["state"]


def rules() -> sampling.RuleBased:
    return sampling.RuleBased(
        [
            sampling.Rule(name="GET *", attributes={"a": [1, 2], "b": sampling.ANY}, sampler=sampling.ALWAYS_ON),
            sampling.Rule(kind=api.SpanKind.CLIENT, parent="none", sampler=sampling.RateLimited(3, burst=5)),
        ],
        default=sampling.ConsistentProbability(0.5, precision=2, randomness="hash"),
    )


SAMPLERS: dict[str, Callable[[], Any]] = {
    "ALWAYS_ON": lambda: sampling.ALWAYS_ON,
    "ALWAYS_OFF": lambda: sampling.ALWAYS_OFF,
    "DEFAULT_ON": lambda: sampling.DEFAULT_ON,
    "DEFAULT_OFF": lambda: sampling.DEFAULT_OFF,
    "TraceIdRatioBased": lambda: sampling.TraceIdRatioBased(0.3),
    "ParentBased": lambda: sampling.ParentBased(
        sampling.TraceIdRatioBased(0.3), local_parent_not_sampled=sdk_sampling.ALWAYS_ON
    ),
    "ParentBasedTraceIdRatio": lambda: sampling.ParentBasedTraceIdRatio(0.3),
    "a derived class": Derived,
    "AlwaysRecord": lambda: sampling.AlwaysRecord(sampling.TraceIdRatioBased(0.3)),
    "ConsistentProbability": lambda: sampling.ConsistentProbability(0.3, precision=3, randomness="hash"),
    "RateLimited": lambda: sampling.RateLimited(7, burst=9),
    "RateLimited, consistent": lambda: sampling.RateLimited(7, consistent=True),
    "Adaptive": lambda: sampling.Adaptive(1e9, averaging_seconds=3, min_probability=0.01),
    "OverheadBudget": lambda: sampling.OverheadBudget(0.5, averaging_seconds=3),
    "LinksBased": lambda: sampling.LinksBased(sampling.TraceIdRatioBased(0.3), linked_sampled=sampling.RateLimited(5)),
    "RuleBased": rules,
    "ParentBased(RuleBased)": lambda: sampling.ParentBased(rules()),
}


def decisions(sampler: Any) -> list[Any]:
    asked = (
        (number * 0x9E3779B97F4A7C15 % 2**128, name, kind, attributes)
        for number in range(1, 10)
        for name in ("GET /", "other")
        for kind in (api.SpanKind.CLIENT, api.SpanKind.SERVER)
        for attributes in (None, {"a": 2, "b": "present"})
    )
    results = [sampler.should_sample(None, trace_id, name, kind, attributes) for trace_id, name, kind, attributes in asked]
    return [(result.decision, dict(result.attributes or {}), result.trace_state) for result in results]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_copied_sampler_decides_as_the_original(name: str, way: str) -> None:
    original = SAMPLERS[name]()
    copied = WAYS[way](original)
    assert type(copied) is type(original)
    assert copied.get_description() == original.get_description()
    assert vars(copied).keys() == vars(original).keys()
    if hasattr(original, "stats"):
        assert (copied.stats()["asked"], original.stats()["asked"]) == (0, 0)
    taken = decisions(original)
    if hasattr(original, "stats"):
        assert (copied.stats()["asked"], original.stats()["asked"]) == (0, len(taken))
    if way != "copy" or "RuleBased" not in name:  # a shallow copy has the same delegates, with their buckets
        assert decisions(copied) == taken


def test_every_sampler_is_in_the_table() -> None:
    classes = {getattr(sampling, name) for name in sampling.__all__}
    own = {cls for cls in classes if isinstance(cls, type) and issubclass(cls, sampling.Sampler)} - {sampling.Sampler}
    assert own - {type(make()) for make in SAMPLERS.values()} == set()


@pytest.mark.parametrize("way", WAYS)
def test_a_method_assigned_to_the_original_is_called_on_the_copy(way: str) -> None:
    original = sampling.TraceIdRatioBased(0.0)
    original.should_sample = sampling.ALWAYS_ON.should_sample
    tracer = nanospan.TracerProvider(WAYS[way](original), shutdown_on_exit=False).get_tracer("t")
    assert tracer.start_span("s").is_recording()


POLICIES: tuple[Any, ...] = (
    tail.AlwaysSample(),
    tail.StatusCode("ERROR"),
    tail.Latency(100),
    tail.StringAttribute("a", ["x*"]),
    tail.NumericAttribute("n", min_value=1, max_value=2),
    tail.BooleanAttribute("b", True),
    tail.Probabilistic(0.25),
    tail.RateLimiting(10),
    tail.And(tail.Latency(1), tail.Not(tail.StatusCode("OK"))),
    tail.Drop(tail.Latency(1)),
    sampling.ANY,
    rules().rules[0],
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [*POLICIES, tail.TailSampling(POLICIES[:10])], ids=lambda value: type(value).__name__)
def test_policies_and_rules(value: Any, way: str) -> None:
    copied = WAYS[way](value)
    if not isinstance(value, sampling.Rule):
        assert copied == value
    else:  # equal only with the same sampler
        assert copied.description == value.description
        assert copied.attributes["b"] is sampling.ANY
    if isinstance(value, tail.TailSampling):
        nanospan.BatchSpanProcessor(SilentExporter(), tail_sampling=copied).shutdown()


class SilentExporter:
    def export_encoded(self, batch: Any, timeout: float | None = None) -> Any:
        raise AssertionError

    def after_fork(self) -> None:
        pass

    def shutdown(self) -> None:
        pass
