from typing import Any, Protocol, Self, TypedDict, type_check_only

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
