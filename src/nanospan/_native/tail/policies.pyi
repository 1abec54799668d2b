from typing import Protocol, TypedDict

class PolicyCounts(TypedDict):
    sampled: int
    not_sampled: int
    dropped: int
    spans_sampled: int
    spans_dropped: int

class Plan(Protocol):
    """`nanospan.tail._plan.Plan`."""

    conditions: list[object]
    nodes: list[object]
    names: tuple[str, ...]

class CompiledPolicies:
    asks_python: bool
    names: tuple[str, ...]

    def __init__(self, plan: Plan) -> None: ...
    def counts(self) -> dict[str, PolicyCounts]: ...
