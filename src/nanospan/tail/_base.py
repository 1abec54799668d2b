"""The base class of the policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from nanospan._common.arguments import check_text
from nanospan.tail._plan import Plan

__all__ = ["Policy", "check_policies"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Policy:
    """Base class of the policies; do not instantiate it.

    A policy is an immutable, comparable value, and may be used in several places. Its mutable state (tokens, counts) belongs
    to the processor.
    """

    name: str | None = None
    """Name of the policy in the counts; None derives it from the type."""

    type: ClassVar[str] = ""
    """The Collector's name for this type of policy."""

    def __post_init__(self) -> None:
        if self.name is not None:
            check_text("name", self.name)

    _spread: ClassVar[str] = ""
    """The field that the constructor takes as positional arguments (*args)."""

    def __repr__(self) -> str:
        shown: list[str] = []
        named: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == self._spread:
                shown.extend(map(repr, value))
            elif value != field.default:
                (named if field.kw_only else shown).append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown + named)})"

    def _add_to(self, plan: Plan, allowance: int) -> None:
        raise NotImplementedError


def check_policies(argument: str, policies: Iterable[Any]) -> tuple[Policy, ...]:
    if isinstance(policies, (str, Policy)) or not isinstance(policies, Iterable):
        raise TypeError(f"{argument} must be a collection of policies, not {type(policies).__name__}")
    checked = tuple(policies)
    if not checked:
        raise ValueError(f"{argument} must not be empty")
    for index, policy in enumerate(checked):
        if not isinstance(policy, Policy) or not policy.type:
            given = f"the class {policy.__name__}" if isinstance(policy, type) else type(policy).__name__
            raise TypeError(f"{argument}[{index}] must be a policy of nanospan.tail, not {given}")
    return checked
