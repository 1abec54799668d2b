"""Deterministic policies: by status, duration, attributes, size and flags of a trace."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from opentelemetry import trace

from nanospan._common.arguments import INT64_MAX, INT64_MIN, check_bool, check_integer, check_key, check_texts, safe_repr
from nanospan.tail._base import Policy
from nanospan.tail._patterns import compile_patterns, make_matcher
from nanospan.tail._plan import Condition, Plan

__all__ = [
    "AlwaysSample",
    "BooleanAttribute",
    "Latency",
    "NumericAttribute",
    "SpanCount",
    "StatusCode",
    "StringAttribute",
    "TraceFlags",
    "TraceState",
]

MAX_MS = 10**12
MAX_SPANS = 2**31 - 1
MAX_CACHE = 2**20
Texts = list[str] | tuple[str, ...] | Set[str]
"""Not any collection of texts: a text is one too, and never what is meant."""

STATUSES = ("UNSET", "OK", "ERROR")  # by the number that OTLP gives them


@dataclass(frozen=True, repr=False)
class AlwaysSample(Policy):
    """Keeps every trace. ``th`` is unchanged."""

    type: ClassVar[str] = "always_sample"

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("always", allowance=allowance)


@dataclass(frozen=True, init=False, repr=False)
class StatusCode(Policy):
    """Keeps a trace if any of its spans has one of these status codes. ``th`` is unchanged.

    Args:
        codes: "ERROR", "OK" or "UNSET", or members of ``opentelemetry.trace.StatusCode``.

    Raises:
        ValueError: for no code, or one that does not exist.

    A module that imports this name after OpenTelemetry's has that enumeration's members here too: `StatusCode.ERROR`.
    """

    UNSET: ClassVar = trace.StatusCode.UNSET
    OK: ClassVar = trace.StatusCode.OK
    ERROR: ClassVar = trace.StatusCode.ERROR

    codes: tuple[str, ...]
    type: ClassVar[str] = "status_code"
    _spread: ClassVar[str] = "codes"

    def __init__(self, *codes: Literal["ERROR", "OK", "UNSET"] | trace.StatusCode, name: str | None = None) -> None:
        texts = [code.name if isinstance(code, trace.StatusCode) else code for code in codes]
        if not texts or any(text not in STATUSES for text in texts):
            raise ValueError(f"codes must be one or more of {', '.join(map(repr, STATUSES))}, not {safe_repr(codes)}")
        object.__setattr__(self, "codes", tuple(status for status in STATUSES if status in texts))
        object.__setattr__(self, "name", name)
        self.__post_init__()

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("status", allowance=allowance, bits=sum(1 << STATUSES.index(code) for code in self.codes))


@dataclass(frozen=True, repr=False)
class Latency(Policy):
    """Keeps a trace that lasted longer than a threshold. ``th`` is unchanged.

    The duration is the time from the earliest start to the latest end of the trace's spans in this process, in milliseconds,
    rounded down. It must be above `threshold_ms` and, if there is an upper threshold, at most `upper_threshold_ms`: the
    bounds of the Collector since 0.157. (Before, its lower bound was inclusive if there was no upper bound.)

    Deviates from the Collector if there is an upper threshold. The Collector computes the duration again for each span, and
    keeps the trace if any of these is within the bounds, such as a long trace with a short first span. Here the duration of
    the complete trace counts.

    Args:
        threshold_ms: Milliseconds, 0 or more.
        upper_threshold_ms: Milliseconds, more than `threshold_ms`; 0 for no upper bound.

    Raises:
        TypeError, ValueError: for anything else.
    """

    threshold_ms: int
    upper_threshold_ms: int = 0
    type: ClassVar[str] = "latency"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("threshold_ms", self.threshold_ms, 0, MAX_MS)
        check_integer("upper_threshold_ms", self.upper_threshold_ms, 0, MAX_MS)
        if self.upper_threshold_ms and self.upper_threshold_ms <= self.threshold_ms:
            raise ValueError(
                f"upper_threshold_ms must be 0 or more than threshold_ms ({self.threshold_ms}), "
                f"not {self.upper_threshold_ms}"
            )

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("latency", allowance=allowance, least=self.threshold_ms, most=self.upper_threshold_ms)


class _AttributePolicy(Policy):
    """A policy on one attribute of each span and its resource."""

    invert_match: bool

    def _condition(self) -> Condition:
        raise NotImplementedError

    def _add_to(self, plan: Plan, allowance: int) -> None:
        kind = "no_match" if self.invert_match else "match"
        plan.add(kind, allowance=allowance, bits=plan.bit_of(self._condition()))


@dataclass(frozen=True, repr=False)
class StringAttribute(_AttributePolicy):
    """Keeps a trace if any of its spans, or its resource, has one of these values in a text attribute. ``th`` is
    unchanged.

    Only text attributes match; a list of texts or an empty text does not. With `enabled_regex_matching` the values are
    patterns of Python's `re`, searched anywhere in the text ("unanchored", as in the Collector, whose RE2 patterns have no
    look-around and no back-references). The results for the last `cache_max_size` texts, of up to 1,024 characters each,
    are cached. A pattern with catastrophic backtracking stalls the thread that ends the span.

    `invert_match` keeps the traces in which neither a span nor the resource has such a value, including
    traces without the attribute. Other policies may still keep the other traces (as in the Collector since 0.144, where an
    inverted match no longer overrules them). To drop traces regardless of other policies, use Drop.

    Args:
        key: Name of the attribute.
        values: Texts to match; at least one, none of them empty.
        enabled_regex_matching: Whether the values are patterns.
        cache_max_size: Maximum number of cached results, 1 to 2**20; for patterns only.
        invert_match: Keep the traces that do not match.

    Raises:
        TypeError, ValueError: for anything else, and for a pattern that does not compile.
    """

    key: str
    values: Texts
    _: KW_ONLY
    enabled_regex_matching: bool = False
    cache_max_size: int = 128
    invert_match: bool = False
    type: ClassVar[str] = "string_attribute"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_key(self.key)
        object.__setattr__(self, "values", check_texts("values", self.values))
        check_bool("enabled_regex_matching", self.enabled_regex_matching)
        check_integer("cache_max_size", self.cache_max_size, 1, MAX_CACHE)
        check_bool("invert_match", self.invert_match)
        if self.enabled_regex_matching:
            compile_patterns("values", tuple(self.values))

    def _condition(self) -> Condition:
        values = tuple(self.values)
        if self.enabled_regex_matching:
            return Condition("text_like", self.key, values, cache_size=self.cache_max_size, make_matcher=make_matcher)
        return Condition("text_is", self.key, values)


@dataclass(frozen=True, repr=False)
class NumericAttribute(_AttributePolicy):
    """Keeps a trace if any of its spans, or its resource, has an integer attribute within these bounds, both included.
    ``th`` is unchanged.

    Deviates from the Collector, which treats a bound of 0 as no bound and an attribute of another type as 0. Here None
    means no bound, and only integers match (a float or a bool never does).

    Args:
        key: Name of the attribute.
        min_value: Smallest value that matches; None for no bound.
        max_value: Largest value that matches; None for no bound. One of the two is required.
        invert_match: As for StringAttribute.

    Raises:
        TypeError, ValueError: for anything else.
    """

    key: str
    min_value: int | None = None
    max_value: int | None = None
    _: KW_ONLY
    invert_match: bool = False
    type: ClassVar[str] = "numeric_attribute"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_key(self.key)
        if self.min_value is None and self.max_value is None:
            raise ValueError("min_value or max_value must be given")
        if self.min_value is not None:
            check_integer("min_value", self.min_value, INT64_MIN, INT64_MAX)
        if self.max_value is not None:
            check_integer("max_value", self.max_value, INT64_MIN, INT64_MAX)
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise ValueError(f"max_value must be at least min_value ({self.min_value}), not {self.max_value}")
        check_bool("invert_match", self.invert_match)

    def _condition(self) -> Condition:
        minimum = INT64_MIN if self.min_value is None else self.min_value
        maximum = INT64_MAX if self.max_value is None else self.max_value
        return Condition("number_in", self.key, least=minimum, most=maximum)


@dataclass(frozen=True, repr=False)
class BooleanAttribute(_AttributePolicy):
    """Keeps a trace if any of its spans, or its resource, has this value in a bool attribute. ``th`` is unchanged.

    Only bools match. (The Collector treats an attribute of another type as False.)

    Args:
        key: Name of the attribute.
        value: True or False.
        invert_match: As for StringAttribute.

    Raises:
        TypeError, ValueError: for anything else.
    """

    key: str
    value: bool
    _: KW_ONLY
    invert_match: bool = False
    type: ClassVar[str] = "boolean_attribute"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_key(self.key)
        check_bool("value", self.value)
        check_bool("invert_match", self.invert_match)

    def _condition(self) -> Condition:
        return Condition("bool_is", self.key, flag=self.value)


@dataclass(frozen=True, repr=False)
class SpanCount(Policy):
    """Keeps a trace by its number of spans in this process. ``th`` is unchanged.

    Args:
        min_spans: Minimum number of spans, 0 or more.
        max_spans: Maximum number of spans, at least `min_spans`; 0 for no bound. Both bounds are inclusive.

    Raises:
        TypeError, ValueError: for anything else.
    """

    min_spans: int
    max_spans: int = 0
    type: ClassVar[str] = "span_count"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("min_spans", self.min_spans, 0, MAX_SPANS)
        check_integer("max_spans", self.max_spans, 0, MAX_SPANS)
        if self.max_spans and self.max_spans < self.min_spans:
            raise ValueError(f"max_spans must be 0 or at least min_spans ({self.min_spans}), not {self.max_spans}")

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("span_count", allowance=allowance, least=self.min_spans, most=self.max_spans)


@dataclass(frozen=True, repr=False)
class TraceState(Policy):
    """Keeps a trace if the trace state of any of its spans has this member with one of these values. ``th`` is
    unchanged.

    Args:
        key: Key of the member, such as "vendor" or "tenant@vendor".
        values: Values to match exactly; at least one, none of them empty. (The Collector ignores a value that has
            more than 255 characters together with the key.)

    Raises:
        TypeError, ValueError: for anything else.
    """

    key: str
    values: Texts
    type: ClassVar[str] = "trace_state"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_key(self.key)
        object.__setattr__(self, "values", check_texts("values", self.values))

    def _add_to(self, plan: Plan, allowance: int) -> None:
        condition = Condition("state_is", self.key, tuple(self.values))
        plan.add("match", allowance=allowance, bits=plan.bit_of(condition))


@dataclass(frozen=True, repr=False)
class TraceFlags(Policy):
    """Keeps a trace if any of its spans has the sampled flag, the head sampler's decision. ``th`` is unchanged.

    For a head sampler that records more spans than it samples (AlwaysRecord).
    """

    type: ClassVar[str] = "trace_flags"

    def _add_to(self, plan: Plan, allowance: int) -> None:
        plan.add("trace_flags", allowance=allowance)
