"""Samplers that keep a share of the traces or a number per second, and the sampler that records the rest."""

from __future__ import annotations

from typing import Any, Literal

from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._common.arguments import (
    MAX_FLOAT,
    check_bool,
    check_has,
    check_integer,
    check_number,
    check_positive,
    safe_repr,
)
from nanospan._compat import stock
from nanospan._compat.sdk import always_record_root
from nanospan._native.sampling import (
    NativeAlwaysRecord,
    NativeConsistentProbability,
    NativeRateLimited,
    native_class,
    threshold_from_probability,
    threshold_to_text,
)
from nanospan.sampling._copies import Copyable
from nanospan.sampling._sdk import native_sampler

__all__ = ["AlwaysRecord", "ConsistentProbability", "RateLimited"]

MIN_RATIO = 2.0**-56
MAX_PRECISION = 14


@native_class
class ConsistentProbability(Copyable, NativeConsistentProbability, Sampler):
    """Sampler that keeps the given share of traces: the same traces in every service with the same rule.

    A trace is kept if its randomness R, the last 56 bits of its id or the ``rv`` of its trace state, is at least the
    threshold T = (1 - ratio) * 2**56. A trace that a service with a small ratio keeps is kept by every service with a larger
    ratio. A kept trace carries its threshold (``ot=th:...`` in tracestate), from which a receiver computes the number of
    traces that it represents; a dropped trace carries none. Other members of the trace state, and other sub-keys of ``ot``,
    are not changed.

    (Specification: trace/tracestate-probability-sampling.md.)

    Args:
        ratio: Share of traces to keep, 2**-56 to 1. Rounded to ``precision``.
        precision: Significant hex digits of the threshold, 1 to 14 (no rounding); one more for each leading ``f``, up to 12.
            The default keeps trace states short; its rounding error is less than 0.0125 % of the ratio.
        randomness: "trace_id" uses the bits of the id, and warns once per process if a trace lacks the W3C random flag.
            "hash" uses 56 bits of the XXH3 hash of the id for a trace without the flag and without ``rv``; a new trace
            carries them as ``rv``. Use it for ids that are sequential or whose last bits are not random. (The SDK's tracer
            does not report whether the ids of new traces are random: with it all of them are hashed.)

    Raises:
        ValueError: if an argument is out of range. For a ratio of 0 use ALWAYS_OFF.
    """

    def __init__(self, ratio: float, *, precision: int = 4, randomness: Literal["trace_id", "hash"] = "trace_id") -> None:
        if ratio == 0 and not isinstance(ratio, bool):
            raise ValueError("ratio must be a number from 2**-56 to 1; to keep nothing, use nanospan.sampling.ALWAYS_OFF")
        self.ratio = check_number("ratio", ratio, MIN_RATIO, 1.0, accepted="a number from 2**-56 to 1")
        check_integer("precision", precision, 1, MAX_PRECISION, accepted=f"an int from 1 to {MAX_PRECISION}")
        if randomness not in ("trace_id", "hash"):
            raise ValueError(f"randomness must be 'trace_id' or 'hash', not {safe_repr(randomness)}")
        self._given = {"precision": precision, "randomness": randomness}
        self._bind(threshold_from_probability(self.ratio, precision), randomness == "hash")

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return ConsistentProbability, {"ratio": self.ratio, **self._given}

    def get_description(self) -> str:
        """As ``ConsistentProbability{0.01,th:fd70a}``."""
        return f"ConsistentProbability{{{self.ratio},th:{threshold_to_text(self.threshold)}}}"


@native_class
class RateLimited(Copyable, NativeRateLimited, Sampler):
    """Sampler that keeps at most a number of traces per second.

    By default it is a token bucket, which keeps at most ``burst + traces_per_second * t`` traces in any t seconds. The
    number of traces that a kept one represents is unknown, so that it carries no threshold.

    With ``consistent=True`` the measured rate of new traces sets a threshold, as in `ConsistentProbability`, that keeps
    ``traces_per_second`` on average. Kept traces carry it, and counts can be extrapolated. The threshold is set every 0.1
    seconds; a sudden load passes until then. The limit holds for traces whose ids this process generates, at the root of a
    ParentBased. It is no limit for clients that can choose trace ids.

    Args:
        traces_per_second: Traces per second, above 0.
        burst: Size of the token bucket in traces, at least 1; None for ``traces_per_second``, and at least 1.
        consistent: Whether to sample by threshold.

    Raises:
        ValueError: if an argument is out of range, or a burst is given with ``consistent=True``.
    """

    def __init__(self, traces_per_second: float, *, burst: float | None = None, consistent: bool = False) -> None:
        self.traces_per_second = check_positive("traces_per_second", traces_per_second)
        check_bool("consistent", consistent)
        self.by_threshold = consistent
        self._burst = burst
        if consistent:
            if burst is not None:
                raise ValueError("burst must be None with consistent=True: a threshold has no burst")
            self._bind(self.traces_per_second, True, 0.0, 0.0)
            return
        if burst is None:
            burst = max(1.0, self.traces_per_second)
        else:
            burst = check_number("burst", burst, 1, MAX_FLOAT, accepted="None or a finite number of at least 1")
        self._bind_bucket(self.traces_per_second, burst)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return RateLimited, {
            "traces_per_second": self.traces_per_second,
            "burst": self._burst,
            "consistent": self.by_threshold,
        }

    def get_description(self) -> str:
        """As ``RateLimited{100/s}`` or ``RateLimited{100/s,consistent}``."""
        return f"RateLimited{{{self.traces_per_second:g}/s{',consistent' if self.by_threshold else ''}}}"


@native_class
class AlwaysRecord(Copyable, NativeAlwaysRecord, stock.AlwaysRecordSampler):
    """Sampler that records the spans that another sampler drops.

    These spans are not sampled and not exported, but every processor receives them. Tail sampling and span metrics then see
    all spans. Flags and trace state are those of ``root``, so that other services see its decision. Recorded spans keep
    their initial attributes. (The SDK's sampler of this kind loses those of a dropped span.)

    Use it outermost, around a ParentBased, which would not call it for child spans.

    Args:
        root: Any sampler.

    Raises:
        ValueError: if ``root`` is None.
        TypeError: if it is no sampler.
    """

    def __init__(self, root: Sampler) -> None:
        if root is not None:
            check_has("root", root, ("should_sample",), "a Sampler")
        stock.AlwaysRecordSampler.__init__(self, root)
        self._given_root = root
        self._bind(native_sampler(root) or root)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return AlwaysRecord, {"root": always_record_root(self)}
