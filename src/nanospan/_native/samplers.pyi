from collections.abc import Sequence
from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

_Class = TypeVar("_Class", bound=type)

def native_route(cls: _Class) -> _Class: ...

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
        root: Sampler,
        remote_sampled: Sampler,
        remote_not_sampled: Sampler,
        local_sampled: Sampler,
        local_not_sampled: Sampler,
    ) -> None: ...

def fast_paths() -> dict[str, bool]: ...
def decide(
    sampler: NativeSampler,
    trace_id: int,
    *,
    valid: bool = False,
    remote: bool = False,
    sampled: bool = False,
) -> int: ...
def ratio_keeps(trace_id: int, bound: int) -> bool: ...
def threshold_keeps(randomness: int, threshold: int) -> bool: ...
def threshold_from_text(text: str) -> int | None: ...
def randomness_from_text(text: str) -> int | None: ...
def threshold_to_text(threshold: int) -> str: ...
def threshold_from_probability(probability: float, precision: int = 4) -> int: ...
