from collections.abc import Iterable
from typing import TypedDict

from typing_extensions import Buffer

from nanospan.tail import Policy

class PolicyCounts(TypedDict):
    sampled: int
    not_sampled: int
    dropped: int
    spans_sampled: int
    spans_dropped: int

class Facts(TypedDict):
    trace_id: int
    start: int
    end: int
    matches: int
    flags: int
    has_parent: bool
    is_local_root: bool
    status: int
    trace_state: str | None

class CompiledPolicies:
    asks_python: bool
    names: tuple[str, ...]

    def __init__(self, policies: Iterable[Policy]) -> None: ...
    def counts(self) -> dict[str, PolicyCounts]: ...
    def facts(self, span: Buffer) -> Facts | None: ...
    def resource_matches(self, field: Buffer) -> int: ...
    def decide(
        self,
        *,
        trace_id: int = 0,
        start: int = 0,
        end: int = 0,
        matches: int = 0,
        bytes: int = 0,
        spans: int = 1,
        statuses: int = 1,
        flags: int = 0,
        threshold: int | None = None,
        randomness: int | None = None,
        now: int = 0,
    ) -> tuple[bool, int, int]: ...
