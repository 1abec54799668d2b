"""The settings of tail sampling."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import KW_ONLY, dataclass

from nanospan._common.arguments import check_integer, check_number
from nanospan.tail._base import Policy, check_policies
from nanospan.tail._plan import Plan, policy_names

__all__ = ["TailSampling"]

MAX_SECONDS = 10**9
MAX_TRACES = 2**24
MAX_DECISIONS = 2**24
MIN_BYTES, MAX_BYTES = 1 << 20, 8 << 30

DECISIONS_A_TRACE = 8
MIN_DECISIONS = 131_072
BYTES_A_DECISION = 16


@dataclass(frozen=True)
class TailSampling:
    """Tail sampling in the process: the spans of a trace are held until its decision, and kept or dropped together.

    A trace is decided when its local root (the span without a parent in this process) has ended and none of its spans is
    open; or `decision_wait_after_root_ended` after the root's end, if spans are still open; at the latest `decision_wait`
    after its first span. If memory runs out, the oldest trace is decided early.

    The policies combine as in the OpenTelemetry Collector. A trace that a Drop policy drops is dropped. Any other trace is
    kept if any policy keeps it. All policies are evaluated: a rate limiter takes tokens for a trace that another policy
    keeps.

    Args:
        policies: One or more policies, not only Drop. At most 64 policies, nested ones included, at most 8 levels deep,
            with at most 64 different conditions on attributes.
        decision_wait: Seconds, above 0.
        decision_wait_after_root_ended: Seconds, 0 or more.
        num_traces: Maximum number of undecided traces, 1 to 2**24.
        max_bytes: Memory for all held spans and tables, 1 MiB to 8 GiB. Reserved at once, committed as it is used.
        decision_cache_size: Number of remembered decisions, for spans that end after the decision on their trace, 0 to
            2**24. None for eight times `num_traces` and at least 131,072, within an eighth of `max_bytes` at 16 bytes each.

    Raises:
        TypeError, ValueError: for anything else, and for two policies of the same name.
    """

    policies: Collection[Policy]
    _: KW_ONLY
    decision_wait: float = 30.0
    decision_wait_after_root_ended: float = 1.0
    num_traces: int = 50_000
    max_bytes: int = 64 << 20
    decision_cache_size: int | None = None

    def __post_init__(self) -> None:
        policies = check_policies("policies", self.policies)
        object.__setattr__(self, "policies", policies)
        if all(policy.type == "drop" for policy in policies):
            raise ValueError("policies must not all be Drop: nothing would ever be kept")
        policy_names(policies)
        Plan(policies)
        check_number("decision_wait", self.decision_wait, 0, MAX_SECONDS, above=True)
        check_number("decision_wait_after_root_ended", self.decision_wait_after_root_ended, 0, MAX_SECONDS)
        check_integer("num_traces", self.num_traces, 1, MAX_TRACES)
        check_integer("max_bytes", self.max_bytes, MIN_BYTES, MAX_BYTES)
        if self.decision_cache_size is None:
            affordable = self.max_bytes // 8 // BYTES_A_DECISION
            wanted = max(DECISIONS_A_TRACE * self.num_traces, MIN_DECISIONS)
            object.__setattr__(self, "decision_cache_size", min(wanted, affordable, MAX_DECISIONS))
        check_integer("decision_cache_size", self.decision_cache_size, 0, MAX_DECISIONS)

    @property
    def policy_names(self) -> tuple[str, ...]:
        """The names of the policies in the counts, in order."""
        return policy_names(tuple(self.policies))
