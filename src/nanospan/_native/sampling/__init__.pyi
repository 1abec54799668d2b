from collections.abc import Iterable, Sequence
from typing import Any, TypedDict, TypeVar, type_check_only

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

_Class = TypeVar("_Class", bound=type)
_Sampler = TypeVar("_Sampler", bound=NativeSampler)

def meter_is_read() -> bool: ...
def add_worker_time(cpu_nanoseconds: int) -> None: ...
def set_meter_surroundings(unsampled: int, sampled: int, call: int) -> None: ...
def meter_reading() -> dict[str, Any]: ...
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

@type_check_only
class SamplerStats(TypedDict):
    asked: int
    sampled: int

@type_check_only
class ControllerStats(SamplerStats):
    probability: float | None
    target_per_second: float
    offered_per_second: float
    spans_per_trace: float
    span_lag_seconds: float
    entries_per_second: float
    entries: int
    spans: int

@type_check_only
class RateLimitedStats(SamplerStats, total=False):
    """Only ``asked`` and ``sampled`` for a token bucket."""

    probability: float | None
    target_per_second: float
    offered_per_second: float
    spans_per_trace: float
    span_lag_seconds: float
    entries_per_second: float
    entries: int
    spans: int

@type_check_only
class BudgetStats(ControllerStats):
    allowed_spans_per_second: float
    process_cores: float
    unsampled_cores: float
    seconds_per_span: float

class NativeOwnSampler(NativeSampler):
    def stats(self) -> SamplerStats: ...

class NativeThresholdSampler(NativeOwnSampler): ...

class NativeConsistentProbability(NativeThresholdSampler):
    def _bind(self, threshold: int, hashes: bool) -> None: ...
    @property
    def threshold(self) -> int: ...
    @property
    def probability(self) -> float: ...

class NativeRateControlled(NativeThresholdSampler):
    def _bind(self, target: float, counts_traces: bool, tau: float, min_probability: float) -> None: ...
    @property
    def threshold(self) -> int | None: ...
    @property
    def probability(self) -> float | None: ...

class NativeRateLimited(NativeRateControlled):
    def stats(self) -> RateLimitedStats: ...
    def _bind_bucket(self, rate: float, burst: float) -> None: ...

class NativeOverheadBudget(NativeRateControlled):
    def _bind_budget(self, fraction: float, tau: float, min_probability: float) -> None: ...
    def stats(self) -> BudgetStats: ...

class NativeAlwaysRecord(NativeOwnSampler):
    def _bind(self, root: Sampler | NativeSampler) -> None: ...

PARENT_PLACES: dict[str, int]

class TextMatch:
    def __init__(self, text: str, is_pattern: bool) -> None: ...

class AttributeMatch:
    def __init__(
        self, key: str, *, any_value: bool = False, like: TextMatch | None = None, values: tuple[object, ...] = ()
    ) -> None: ...

class NativeOutcome:
    def __init__(self, sampler: Sampler | NativeSampler) -> None: ...
    def counts(self) -> dict[str, int]: ...

class NativeRule(NativeOutcome):
    def __init__(
        self,
        sampler: Sampler | NativeSampler,
        *,
        name: TextMatch | None = None,
        scope: TextMatch | None = None,
        attributes: tuple[AttributeMatch, ...] = (),
        kinds: Iterable[SpanKind] = (),
        parents: Iterable[str] = (),
    ) -> None: ...

class NativeRuleBased(NativeOwnSampler):
    def _bind(self, rules: tuple[NativeRule, ...], default: Sampler | NativeSampler) -> None: ...
    def outcome_counts(self) -> list[dict[str, int]]: ...

class NativeLinksBased(NativeOwnSampler):
    def _bind(
        self,
        root: Sampler | NativeSampler,
        linked_sampled: Sampler | NativeSampler,
        linked_not_sampled: Sampler | NativeSampler,
    ) -> None: ...
