"""Samplers that keep a share of the traces, or so many a second, and one that records the rest."""

from __future__ import annotations

from typing import Literal

from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._common.arguments import number_in, positive, safe_repr
from nanospan._native.sampling.samplers import native_class, threshold_from_probability, threshold_to_text
from nanospan._native.sampling.threshold_samplers import NativeAlwaysRecord, NativeConsistentProbability, NativeRateLimited
from nanospan.sampling._sdk import native_sampler

__all__ = ["AlwaysRecord", "ConsistentProbability", "RateLimited"]

MIN_RATIO = 2.0**-56
MAX_PRECISION = 14


@native_class
class ConsistentProbability(NativeConsistentProbability, Sampler):
    """Sampler that keeps the given share of traces, the same traces in every service that uses the same rule.

    A trace is kept if its randomness R, the last 56 bits of its id or the ``rv`` of its trace state, is at least the
    threshold T = (1 - ratio) * 2**56: what a service with a small ratio keeps, every service with a larger one keeps too.
    The kept trace says its threshold (``ot=th:...`` in tracestate), so that a receiver knows how many traces it stands for.
    One that is not kept says none. Other members of the trace state, and other sub-keys of ``ot``, stay as they are.

    (Specification: trace/tracestate-probability-sampling.md.)

    Args:
        ratio: The share that is kept, 2**-56 to 1. Rounded to ``precision``.
        precision: Significant hex digits of the threshold, 1 to 14 (no rounding); one more is spent for each leading ``f``,
            up to 12. The default keeps trace states short and is off by less than 0.0125 % of the ratio.
        randomness: "trace_id" takes the id's own bits, and warns once a process if the trace does not say that they are
            random (W3C random flag). "hash" makes them so where the trace does not say it and has no ``rv``: R is then 56
            bits of the XXH3 hash of the id, and a trace that starts here carries it as ``rv``. For ids that count, or whose
            last bits are derived from something. (The SDK's tracer does not tell whether the ids of new traces are random:
            behind it all of them are hashed.)

    Raises:
        ValueError: if an argument is out of range. A ratio of 0 is no probability: use ALWAYS_OFF.
    """

    def __init__(self, ratio: float, *, precision: int = 4, randomness: Literal["trace_id", "hash"] = "trace_id") -> None:
        if ratio == 0 and not isinstance(ratio, bool):
            raise ValueError("ratio must be a number from 2**-56 to 1; to keep nothing, use nanospan.sampling.ALWAYS_OFF")
        self.ratio = number_in("ratio", ratio, MIN_RATIO, 1.0, "a number from 2**-56 to 1")
        if isinstance(precision, bool) or not isinstance(precision, int):
            raise TypeError(f"precision must be an int from 1 to {MAX_PRECISION}, not {safe_repr(precision)}")
        if not 1 <= precision <= MAX_PRECISION:
            raise ValueError(f"precision must be an int from 1 to {MAX_PRECISION}, not {safe_repr(precision)}")
        if randomness not in ("trace_id", "hash"):
            raise ValueError(f"randomness must be 'trace_id' or 'hash', not {safe_repr(randomness)}")
        self._bind(threshold_from_probability(self.ratio, precision), randomness == "hash")

    def get_description(self) -> str:
        """As ``ConsistentProbability{0.01,th:fd70a}``."""
        return f"ConsistentProbability{{{self.ratio},th:{threshold_to_text(self.threshold)}}}"


@native_class
class RateLimited(NativeRateLimited, Sampler):
    """Sampler that keeps at most so many traces a second, whatever the traffic.

    By default a token bucket, which keeps the first traces that come and in any stretch of t seconds at most ``burst +
    traces_per_second * t``. How many traces a kept one stands for is then unknown, so that it says no threshold.

    With ``consistent=True`` the measured rate of new traces is turned into a threshold, as of `ConsistentProbability`, that
    lets so many through on average: kept traces say it, and counts can be extrapolated. A sudden rush is noticed within
    the tenth of a second in which the threshold is set, and until then let through. It holds for traces whose ids are made
    here, at the root of a ParentBased; against whoever may choose the ids of traces it is no limit.

    Args:
        traces_per_second: Traces a second, above 0.
        burst: Traces that may be kept at once after a pause, at least 1; a second's worth, and at least 1, if None. Only of
            the token bucket.
        consistent: Whether to keep by threshold.

    Raises:
        ValueError: if an argument is out of range, or a burst is given with ``consistent=True``.
    """

    def __init__(self, traces_per_second: float, *, burst: float | None = None, consistent: bool = False) -> None:
        self.traces_per_second = positive("traces_per_second", traces_per_second)
        self.by_threshold = bool(consistent)
        if consistent:
            if burst is not None:
                raise ValueError("burst must be None with consistent=True: a threshold has no burst")
            self._bind(self.traces_per_second, True, 0.0, 0.0)
            return
        if burst is None:
            burst = max(1.0, self.traces_per_second)
        elif positive("burst", burst) < 1:
            raise ValueError(f"burst must be None or a finite number from 1 on, not {safe_repr(burst)}")
        self._bind_bucket(self.traces_per_second, float(burst))

    def get_description(self) -> str:
        """As ``RateLimited{100/s}`` or ``RateLimited{100/s,consistent}``."""
        return f"RateLimited{{{self.traces_per_second:g}/s{',consistent' if self.by_threshold else ''}}}"


@native_class
class AlwaysRecord(NativeAlwaysRecord, sdk.AlwaysRecordSampler):
    """Sampler that decides as another one, except that a span which that one drops is recorded: not sampled, not exported,
    but seen by every processor. Tail sampling, and whatever counts spans, can look at all of them.

    Flags and trace state are those of ``root``, so that other services see its decision. Recorded spans start with the
    attributes that they were given. (The SDK's sampler of this kind loses those of a span that was dropped.)

    Put it outermost, around a ParentBased: inside one, it is not asked about children.

    Args:
        root: Any sampler.

    Raises:
        ValueError: if ``root`` is None.
    """

    def __init__(self, root: Sampler) -> None:
        sdk.AlwaysRecordSampler.__init__(self, root)
        self._bind(native_sampler(root) or root)
