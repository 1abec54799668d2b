"""Policies made of other policies."""

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
    """A policy that is made from its parts alone."""

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
    """Keeps a trace if all of its parts would.

    The parts are asked in order; a limiter behind a part that says no does not pay. Raises ``th`` to the largest of its
    parts' thresholds; erases it if one of them is unknown.

    Args:
        policies: One or more, no Drop among them.

    Raises:
        TypeError, ValueError: for anything else.
    """

    type: ClassVar[str] = "and"


@dataclass(frozen=True, init=False, repr=False)
class Drop(_Parts):
    """Drops a trace if all of its parts would keep it, whatever the other policies say. Keeps nothing by itself.

    Drop policies are asked before all others, which are then not asked about what was dropped. A trace that a Drop spares by
    chance (``Drop(StringAttribute(...), Probabilistic(0.9))`` drops nine in ten) stands for an unknown number of traces: its
    ``th`` is erased.

    Args:
        policies: One or more, no Drop among them. A Drop stands at the top level, not inside another policy.

    Raises:
        TypeError, ValueError: for anything else.
    """

    type: ClassVar[str] = "drop"


@dataclass(frozen=True, repr=False)
class Not(Policy):
    """Keeps a trace if another policy would not.

    Leaves ``th`` as it came if the other goes by facts, and erases it if the other goes by chance.

    Args:
        policy: Any but a Drop.

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
    """Keeps a trace by the first of its parts that would, as long as that part's share of a rate lasts.

    Each part may keep so many spans in a second as its percentage of `max_total_spans_per_second` allows; counts begin anew
    with every second. Once the first part that says yes has used up its share the trace is not kept: the parts behind it are
    not asked. Parts without a percentage share equally what the others leave. Erases ``th``.

    As in the Collector. (Its older versions gave parts without a percentage nothing.)

    Args:
        policies: The parts, in the order in which they are asked.
        max_total_spans_per_second: 1 to 2**32 - 1.
        allocation: From the name of a part to its percentage, above 0 and at most 100; 100 in all at most, and less than
            that if there are parts without. No part may be left with less than one span a second.

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
        """The most spans that each part may keep in a second."""
        names = policy_names(tuple(self.policies))
        percents = dict(self.allocation or {})
        for name, percent in percents.items():
            if name not in names:
                raise ValueError(f"allocation must name policies of {', '.join(map(repr, names))}, not {name!r}")
            check_number(f"allocation[{name!r}]", percent, 0, 100, above=True)
        total = round(math.fsum(percents.values()), 9)  # 33.3 and 66.7 are not quite 100
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
