from collections.abc import Sequence
from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

_Class = TypeVar("_Class", bound=type)

def native_class(cls: _Class) -> _Class: ...

class NativeSampler:
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult: ...

class NativeStaticSampler(NativeSampler):
    def _bind(self, decision: Decision) -> None: ...

class NativeTraceIdRatioBased(NativeSampler):
    def _bind(self, bound: int) -> None: ...

class NativeParentBased(NativeSampler):
    def _bind(
        self,
        root: Sampler | NativeSampler,
        remote_sampled: Sampler | NativeSampler,
        remote_not_sampled: Sampler | NativeSampler,
        local_sampled: Sampler | NativeSampler,
        local_not_sampled: Sampler | NativeSampler,
    ) -> None: ...

def sample_span(
    sampler: Sampler,
    parent_context: Context | None,
    trace_id: int,
    name: str,
    kind: SpanKind | None,
    attributes: Attributes,
    links: Sequence[Link] | None,
    *,
    trace_id_random: bool,
    scope_name: str | None,
) -> SamplingResult: ...
def threshold_to_text(threshold: int) -> str: ...
def threshold_from_probability(probability: float, precision: int = 4) -> int: ...
