"""Samplers that keep parts of traces, or that keep errors from tail sampling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk.trace.sampling import Decision

from nanospan._compat.sdk import always_record_root, parent_based_delegates, static_decision
from nanospan._compat.stock import AlwaysRecordSampler, ParentBased, StaticSampler
from nanospan._doctor.report import Finding, Level
from nanospan.sampling import RuleBased
from nanospan.sampling._recording import drops_traces

__all__ = ["check_sampler", "describe_sampler"]


def describe_sampler(sampler: Any) -> str:
    """The sampler in a line: the root of a ParentBased, else the sampler's own description or class."""
    if isinstance(sampler, ParentBased):
        delegates = parent_based_delegates(sampler)
        return f"{type(sampler).__name__}({describe_sampler(delegates[0]) if delegates else '?'})"
    if isinstance(sampler, AlwaysRecordSampler) and always_record_root(sampler) is not sampler:
        return f"{type(sampler).__name__}({describe_sampler(always_record_root(sampler))})"
    try:
        return str(sampler.get_description())
    except Exception:
        return type(sampler).__qualname__


def check_sampler(sampler: Any, *, before_tail: bool) -> Iterator[Finding]:
    """Findings about the sampler of a provider, of whose processors one samples tails if ``before_tail``."""
    decides = sampler
    while isinstance(decides, AlwaysRecordSampler) and (root := always_record_root(decides)) is not decides:
        decides = root
    shown = describe_sampler(decides)
    if isinstance(decides, StaticSampler):
        if static_decision(decides) is Decision.DROP and decides is sampler:
            yield Finding(Level.ERROR, "sampler", f"{shown} keeps no span", "Use ParentBased(ALWAYS_ON), the default.")
        elif static_decision(decides) is not Decision.DROP and not before_tail:
            yield Finding(
                Level.NOTE,
                "sampler",
                f"{shown} ignores its caller's decision: traces that a caller drops begin here",
                f"Write ParentBased({_name(decides)}) if callers sample.",
            )
    elif not isinstance(decides, ParentBased) and not _looks_at_parents(decides):
        yield Finding(
            Level.WARNING,
            "sampler",
            f"{shown} decides on each span anew, with no regard to the parent: half of a trace may be kept",
            f"Write sampler=ParentBased({_name(decides)}(...)).",
        )
    if before_tail and drops_traces(sampler):
        yield Finding(
            Level.WARNING,
            "sampler",
            f"tail sampling decides only on what the head records, and {describe_sampler(sampler)} drops traces before it, "
            "with their errors",
            f"Write sampler=AlwaysRecord({_name(sampler)}(...)), or ALWAYS_ON.",
        )


def _looks_at_parents(sampler: Any) -> bool:
    """Whether it has rules about the parent, which are as good as a ParentBased."""
    return isinstance(sampler, RuleBased) and any(rule.parent is not None for rule in sampler.rules)


def _name(sampler: Any) -> str:
    if isinstance(sampler, StaticSampler):
        return "ALWAYS_OFF" if static_decision(sampler) is Decision.DROP else "ALWAYS_ON"
    return type(sampler).__name__
