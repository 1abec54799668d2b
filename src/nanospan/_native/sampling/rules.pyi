from collections.abc import Iterable

from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanKind

from nanospan._native.sampling.samplers import NativeSampler
from nanospan._native.sampling.threshold_samplers import NativeOwnSampler

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
