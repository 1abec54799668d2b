"""Tail policies compiled as a queue compiles them, whose parts a test can ask one by one."""

from __future__ import annotations

from collections.abc import Iterable

from nanospan_testing import Policies

from nanospan.tail import Policy
from nanospan.tail._plan import Plan

__all__ = ["compile_policies"]


def compile_policies(policies: Iterable[Policy]) -> Policies:
    return Policies(Plan(policies))
