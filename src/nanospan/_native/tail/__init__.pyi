from typing import Any, Protocol, Self, TypedDict, type_check_only

from nanospan._native.encoding import EncodedBatch
from nanospan._native.queue import SpanQueue

@type_check_only
class PolicyCounts(TypedDict):
    sampled: int
    not_sampled: int
    dropped: int
    spans_sampled: int
    spans_dropped: int

@type_check_only
class Plan(Protocol):
    """`nanospan.tail._plan.Plan`."""

    @property
    def conditions(self) -> list[Any]: ...
    @property
    def nodes(self) -> list[Any]: ...
    @property
    def names(self) -> tuple[str, ...]: ...

class CompiledPolicies:
    asks_python: bool
    names: tuple[str, ...]

    def __new__(cls, plan: Plan) -> Self: ...
    def counts(self) -> dict[str, PolicyCounts]: ...

def min_bytes(max_traces: int, remembered: int) -> int: ...

class TailQueue(SpanQueue):
    def __new__(cls, settings: object, plan: Plan, wake_spans: int) -> Self: ...
    def next_batch(self, timeout: float, max_spans: int, max_bytes: int) -> EncodedBatch | None: ...
    def stop(self) -> None: ...
    def detail(self) -> dict[str, Any]: ...
