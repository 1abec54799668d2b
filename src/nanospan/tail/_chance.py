"""Policies that keep a share of the traces: by their randomness, or by what a rate allows."""

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
    """Keeps a share of the traces, chosen by their randomness.

    By the specification's consistent probability sampling: R is the ``rv`` of the trace state, else the low 56 bits of the
    trace id, T the threshold of the ratio at a precision of four digits, and a trace is kept if R >= T. So all processes
    that see a part of a trace agree on it, and agree with ConsistentProbability at the head: what is kept at a ratio is kept
    at every larger one too. Raises the ``th`` of what it keeps to T.

    The Collector decides by a hash of its own instead (unless its feature gate for trace state is on). With `hash_salt` so
    does this policy, trace by trace as a Collector that is configured with the same salt and 100 * `ratio` percent. How many
    traces a kept one then stands for cannot be said in the trace state: ``th`` is erased.

    Args:
        ratio: Share of the traces, 2**-56 to 1. (For none, leave the policy out.)
        hash_salt: The Collector's ``hash_salt``; "" for the one that it uses when none is configured.

    Raises:
        TypeError, ValueError: for anything else.
    """

    ratio: float
    _: KW_ONLY
    hash_salt: str | None = None
    type: ClassVar[str] = "probabilistic"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("ratio", self.ratio, MIN_RATIO, 1)
        if self.hash_salt is not None and not isinstance(self.hash_salt, str):
            raise TypeError(f"hash_salt must be a string or None, not {type(self.hash_salt).__name__}")

    def _add_to(self, plan: Plan, allowance: int) -> None:
        if self.hash_salt is None:
            plan.add("probability", allowance=allowance, ratio=float(self.ratio))
            return
        salt = (self.hash_salt or DEFAULT_HASH_SALT).encode("utf-8", "surrogatepass")
        plan.add("hash", allowance=allowance, threshold=hash_threshold(self.ratio), salt=salt)


def hash_threshold(ratio: float) -> int:
    """The largest hash that is kept: the ratio of 2**64 - 1, the product rounded to 64 significant bits and then down, as
    the Collector computes it."""
    exact = Fraction(ratio) * (2**64 - 1)
    spare = 64 - int(exact).bit_length()
    rounded: int = round(exact * 2**spare)
    return rounded >> spare


@dataclass(frozen=True, repr=False)
class RateLimiting(Policy):
    """Keeps traces as long as their spans stay within a rate.

    A token bucket of spans: a trace takes a token for each of its spans and is kept if there are so many. It pays also when
    another policy keeps it anyway, and a trace of more spans than `burst_capacity` is never kept: both as in the Collector.
    Which traces are kept depends on when they come, so that the share is unknown: ``th`` is erased, unless another policy
    that knows its own keeps the trace too.

    With ``consistent=True`` the rate is met by a threshold instead, as Adaptive does at the head: it follows the load within
    seconds, exceeds the rate for a moment when the load jumps, and raises the ``th`` of what it keeps, so that counts stay
    true. There is no bucket then.

    Args:
        spans_per_second: 1e-6 to 1e12.
        burst_capacity: Size of the bucket, in spans, 1 or more; None for twice the rate, and at least 1.
        consistent: Meet the rate by a threshold.

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
    """Keeps traces as long as their bytes stay within a rate.

    As RateLimiting, with a token for each byte of the encoded spans. (The Collector counts their resources and scopes as
    well.) A trace larger than `burst_capacity` is never kept. Erases ``th``.

    Args:
        bytes_per_second: 1e-6 to 1e12.
        burst_capacity: Size of the bucket in bytes, 1 or more; None for twice the rate, and at least 1.

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
