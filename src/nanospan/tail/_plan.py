"""Policies as the native code evaluates them: a list of conditions and a list of nodes.

See csrc/tail/ns_facts.h for conditions and csrc/tail/ns_policy.h for nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

__all__ = ["Condition", "Node", "Plan", "policy_names"]

MAX_NODES = 64
MAX_CONDITIONS = 64
MAX_DEPTH = 8


class Plannable(Protocol):
    """The interface of a policy for this module."""

    type: ClassVar[str]

    @property
    def name(self) -> str | None: ...

    def _add_to(self, plan: Plan, allowance: int) -> None: ...


@dataclass(frozen=True)
class Condition:
    """A predicate on a span or its resource."""

    kind: str
    """``text_is``, ``text_like``, ``number_in``, ``bool_is`` or ``state_is``."""
    key: str
    values: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    flag: bool = False
    cache_size: int = 0
    """For ``text_like``: maximum number of cached results."""
    make_matcher: Callable[[Condition], Callable[[str], bool]] | None = None
    """For ``text_like``: makes the function that decides on a text."""


@dataclass
class Node:
    """A policy in the tree. The meaning of the numbers depends on `kind`."""

    kind: str
    """The name of an ``NS_POLICY_*``, in lower case and without the prefix."""
    extent: int = 1
    allowance: int = 0
    bits: int = 0
    least: int = 0
    most: int = 0
    threshold: int = 0
    ratio: float = 0.0
    """For ``probability``, instead of the threshold."""
    salt: bytes = b""
    rate: float = 0.0
    burst: float = 0.0


class Plan:
    """The conditions and nodes of a list of policies.

    Raises ValueError for more nodes, more conditions or deeper nesting than the native code allows, and for a nested Drop
    policy.
    """

    def __init__(self, policies: Iterable[Plannable]) -> None:
        policies = tuple(policies)
        self.names = policy_names(policies)
        self.conditions: list[Condition] = []
        self.nodes: list[Node] = []
        self._depth = 0
        for policy in policies:
            policy._add_to(self, 0)

    def bit_of(self, condition: Condition) -> int:
        """The bit mask of this condition; equal conditions share a bit."""
        if condition not in self.conditions:
            if len(self.conditions) == MAX_CONDITIONS:
                raise ValueError(f"policies must not ask for more than {MAX_CONDITIONS} different attribute values")
            self.conditions.append(condition)
        return 1 << self.conditions.index(condition)

    def add(
        self, kind: str, parts: Sequence[Plannable] = (), allowances: Sequence[int] | None = None, **numbers: Any
    ) -> None:
        """Add a node and its parts below it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"policies must not be nested more than {MAX_DEPTH} deep")
        if kind == "drop" and self._depth > 1:
            raise ValueError("policies must have Drop at the top level only, not inside another policy")
        if len(self.nodes) == MAX_NODES:
            raise ValueError(f"policies must be at most {MAX_NODES} in all, those inside others included")
        node = Node(kind, **numbers)
        self.nodes.append(node)
        before = len(self.nodes)
        for part, allowance in zip(parts, allowances or [0] * len(parts), strict=True):
            part._add_to(self, allowance)
        node.extent += len(self.nodes) - before
        self._depth -= 1


def policy_names(policies: Sequence[Plannable], argument: str = "policies") -> tuple[str, ...]:
    """The name of each policy: its own, or its type, with a number if that name is in use.

    Raises ValueError if two policies were given the same name.
    """
    given: set[str] = set()
    for policy in policies:
        if policy.name in given:
            raise ValueError(f"{argument} must have different names, and two are named {policy.name!r}")
        if policy.name is not None:
            given.add(policy.name)
    names: list[str] = []
    for policy in policies:
        name, number = policy.name or policy.type, 1
        while policy.name is None and name in given:
            number += 1
            name = f"{policy.type}-{number}"
        given.add(name)
        names.append(name)
    return tuple(names)
