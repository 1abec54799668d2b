"""Policies that combine other policies."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from nanospan._common.arguments import check_integer, check_number
from nanospan.tail._base import Policy, check_policies
from nanospan.tail._plan import Plan, policy_names

__all__ = ["And", "Composite", "Drop", "Not"]

MAX_SPANS_PER_SECOND = 2**32 - 1


@dataclass(frozen=True, init=False, repr=False)
class _Parts(Policy):
    """A policy whose only arguments are other policies."""

    policies: tuple[Policy, ...]
    _spread: ClassVar[str] = "policies"

    def __init__(self, *policies: Policy, name: str | None = None) -> None:
        object.__setattr__(self, "policies", check_policies("policies", policies))
        object.__setattr__(self, "name", name)
        self.__post_init__()

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add(self.type, self.policies, allowance=allowance)


@dataclass(frozen=True, init=False, repr=False)
class And(_Parts):
    """Keeps a trace if all of its policies keep it.

    The policies are evaluated in order, up to the first that does not keep the trace; a rate limiter after it takes no
    tokens. Raises ``th`` to the largest threshold of the policies; erases it if one of them is unknown.

    Args:
        policies: One or more, none of them a Drop.

    Raises:
        TypeError, ValueError: for anything else.
    """

    type: ClassVar[str] = "and"


@dataclass(frozen=True, init=False, repr=False)
class Drop(_Parts):
    """Drops a trace if all of its policies keep it, regardless of the other policies. Never keeps a trace.

    Drop policies are evaluated before all others, which are not evaluated for a dropped trace. A trace that a Drop does not
    drop by chance (``Drop(StringAttribute(...), Probabilistic(0.9))`` drops 90 %) represents an unknown number of traces:
    its ``th`` is erased.

    Args:
        policies: One or more, none of them a Drop. A Drop is allowed at the top level only, not inside another policy.

    Raises:
        TypeError, ValueError: for anything else.
    """

    type: ClassVar[str] = "drop"


@dataclass(frozen=True, repr=False)
class Not(Policy):
    """Keeps a trace if another policy does not.

    ``th`` is unchanged if the other policy is deterministic, and erased if it samples.

    Args:
        policy: Any policy except Drop.

    Raises:
        TypeError: for anything else.
    """

    policy: Policy
    type: ClassVar[str] = "not"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.policy, Policy) or not self.policy.type:
            raise TypeError(f"policy must be a policy of nanospan.tail, not {type(self.policy).__name__}")

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("not", (self.policy,), allowance=allowance)


@dataclass(frozen=True, repr=False)
class Composite(Policy):
    """Keeps a trace if the first of its policies that matches has spans left in its share of a rate.

    Each policy may keep its percentage of `max_total_spans_per_second` in each second. If the first policy that matches has
    used up its share, the trace is not kept; the policies after it are not evaluated. Policies without a percentage share
    the rest equally. Erases ``th``.

    As in the Collector. (Its older versions gave nothing to policies without a percentage.)

    Args:
        policies: The policies, in order of evaluation.
        max_total_spans_per_second: 1 to 2**32 - 1.
        allocation: Percentage by name of the policy, above 0 and at most 100; at most 100 in total, and less than that if
            some policies have none. Each policy must get at least one span per second.

    Raises:
        TypeError, ValueError: for anything else.
    """

    policies: Collection[Policy]
    max_total_spans_per_second: int
    allocation: Mapping[str, float] | None = None
    type: ClassVar[str] = "composite"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "policies", check_policies("policies", self.policies))
        check_integer("max_total_spans_per_second", self.max_total_spans_per_second, 1, MAX_SPANS_PER_SECOND)
        if self.allocation is not None and not isinstance(self.allocation, Mapping):
            raise TypeError(f"allocation must be a mapping of names to percentages, not {type(self.allocation).__name__}")
        if self.allocation is not None:
            object.__setattr__(self, "allocation", dict(self.allocation))
        self._allowances()

    def __hash__(self) -> int:
        return hash((self.name, self.policies, self.max_total_spans_per_second))

    def _allowances(self) -> list[int]:
        """Maximum spans per second for each policy."""
        names = policy_names(tuple(self.policies))
        percents = dict(self.allocation or {})
        for name, percent in percents.items():
            if name not in names:
                raise ValueError(f"allocation must name policies of {', '.join(map(repr, names))}, not {name!r}")
            check_number(f"allocation[{name!r}]", percent, 0, 100, above=True)
        total = round(math.fsum(percents.values()), 9)  # the sum of 33.3 and 66.7 is not exactly 100
        left, without = 100 - total, [name for name in names if name not in percents]
        if left < 0:
            raise ValueError(f"allocation must be at most 100 percent in all, not {total}")
        if without and left == 0:
            raise ValueError(f"allocation must leave some percent to {', '.join(map(repr, without))}")
        shares = {**percents, **{name: left / len(without) for name in without}}
        allowances = [int(shares[name] * self.max_total_spans_per_second / 100) for name in names]
        for name, allowance in zip(names, allowances, strict=True):
            if allowance < 1:
                raise ValueError(f"allocation must leave {name!r} at least one span a second, not {shares[name]} percent")
        return allowances

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("composite", tuple(self.policies), self._allowances(), allowance=allowance)
