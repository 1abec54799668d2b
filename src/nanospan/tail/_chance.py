"""Policies that keep a share of the traces: by randomness, or by a rate."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import ClassVar

from nanospan._common.arguments import check_bool, check_number
from nanospan.tail._base import Policy
from nanospan.tail._plan import Plan

__all__ = ["BytesLimiting", "Probabilistic", "RateLimiting"]

MIN_RATIO = 2.0**-56
MIN_RATE, MAX_RATE = 1e-6, 1e12
MAX_BURST = 1e15

DEFAULT_HASH_SALT = "default-hash-seed"  # the Collector's, where none is configured


@dataclass(frozen=True, repr=False)
class Probabilistic(Policy):
    """Keeps a share of the traces, by their randomness.

    It implements the specification's consistent probability sampling. R is the ``rv`` of the trace state, else the low 56
    bits of the trace id; T is the threshold of the ratio, with four digits of precision; a trace is kept if R >= T. All
    processes that see a part of a trace make the same decision, which also agrees with ConsistentProbability: a trace kept
    at one ratio is kept at every larger ratio. Raises the ``th`` of kept traces to T.

    The Collector uses its own hash instead (unless its feature gate for trace state is on). With `hash_salt` this policy
    makes the same decisions as a Collector with that salt and 100 * `ratio` percent. The trace state cannot express the
    number of traces that a kept one then represents: ``th`` is erased.

    Args:
        ratio: Share of the traces, 2**-56 to 1. (To keep none, omit the policy.)
        hash_salt: The Collector's ``hash_salt``; "" for its default.

    Raises:
        TypeError, ValueError: for anything else.
    """

    ratio: float
    _: KW_ONLY
    hash_salt: str | None = None
    type: ClassVar[str] = "probabilistic"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("ratio", self.ratio, MIN_RATIO, 1, accepted="a number from 2**-56 to 1")
        if self.hash_salt is not None and not isinstance(self.hash_salt, str):
            raise TypeError(f"hash_salt must be a string or None, not {type(self.hash_salt).__name__}")

    def _add_to(self, plan: Plan, allowance: int) -> None:
        if self.hash_salt is None:
            plan.add("probability", allowance=allowance, ratio=float(self.ratio))
            return
        salt = (self.hash_salt or DEFAULT_HASH_SALT).encode("utf-8", "surrogatepass")
        plan.add("hash", allowance=allowance, threshold=hash_threshold(self.ratio), salt=salt)


def hash_threshold(ratio: float) -> int:
    """The largest hash that is kept, as the Collector computes it.

    That is ratio * (2**64 - 1), rounded to 64 significant bits and then down to an integer.
    """
    exact = Fraction(ratio) * (2**64 - 1)
    fraction_bits = 64 - int(exact).bit_length()
    rounded: int = round(exact * 2**fraction_bits)
    return rounded >> fraction_bits


@dataclass(frozen=True, repr=False)
class RateLimiting(Policy):
    """Keeps traces while their spans stay within a rate.

    A token bucket: a trace is kept if the bucket has a token for each of its spans. As in the Collector, a trace also takes
    its tokens if another policy keeps it, and a trace of more than `burst_capacity` spans is never kept. The share of kept
    traces depends on their arrival times and is unknown: ``th`` is erased, unless another policy with a known share keeps
    the trace too.

    With ``consistent=True`` a threshold meets the rate instead, as in Adaptive: it follows the load within seconds, exceeds
    the rate briefly after a sudden increase, and raises the ``th`` of kept traces, so that counts can be extrapolated. It
    has no token bucket.

    Args:
        spans_per_second: 1e-6 to 1e12.
        burst_capacity: Size of the token bucket in spans, 1 or more; None for twice the rate, and at least 1.
        consistent: Whether to sample by threshold.

    Raises:
        TypeError, ValueError: for anything else, and for a `burst_capacity` with ``consistent=True``.
    """

    spans_per_second: float
    burst_capacity: float | None = None
    _: KW_ONLY
    consistent: bool = False
    type: ClassVar[str] = "rate_limiting"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("spans_per_second", self.spans_per_second, MIN_RATE, MAX_RATE)
        check_bool("consistent", self.consistent)
        if self.burst_capacity is not None:
            if self.consistent:
                raise ValueError("burst_capacity must be None with consistent=True, which has no bucket")
            check_number("burst_capacity", self.burst_capacity, 1, MAX_BURST)

    def _add_to(self, plan: Plan, allowance: int) -> None:
        kind = "spans_target" if self.consistent else "spans_rate"
        burst = _burst(self.spans_per_second, self.burst_capacity)
        plan.add(kind, allowance=allowance, rate=float(self.spans_per_second), burst=burst)


@dataclass(frozen=True, repr=False)
class BytesLimiting(Policy):
    """Keeps traces while their bytes stay within a rate.

    Like RateLimiting, with a token for each byte of the encoded spans. (The Collector also counts their resources and
    scopes.) A trace larger than `burst_capacity` is never kept. Erases ``th``.

    Args:
        bytes_per_second: 1e-6 to 1e12.
        burst_capacity: Size of the token bucket in bytes, 1 or more; None for twice the rate, and at least 1.

    Raises:
        TypeError, ValueError: for anything else.
    """

    bytes_per_second: float
    burst_capacity: float | None = None
    type: ClassVar[str] = "bytes_limiting"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("bytes_per_second", self.bytes_per_second, MIN_RATE, MAX_RATE)
        if self.burst_capacity is not None:
            check_number("burst_capacity", self.burst_capacity, 1, MAX_BURST)

    def _add_to(self, plan: Plan, allowance: int) -> None:
        burst = _burst(self.bytes_per_second, self.burst_capacity)
        plan.add("bytes_rate", allowance=allowance, rate=float(self.bytes_per_second), burst=burst)


def _burst(rate: float, capacity: float | None) -> float:
    return max(1.0, 2.0 * rate) if capacity is None else float(capacity)
