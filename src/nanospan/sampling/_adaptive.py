"""Samplers whose threshold follows what the process does."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._common.arguments import number_in, positive, safe_repr
from nanospan._native.sampling.samplers import native_class
from nanospan._native.sampling.threshold_samplers import NativeOverheadBudget, NativeRateControlled

__all__ = ["Adaptive", "OverheadBudget"]

AVERAGING_SECONDS = 2.0
MIN_PROBABILITY = 1e-6
_PROBABILITY = "a number from 2**-56 to 1"


@native_class
class Adaptive(NativeRateControlled, Sampler):
    """Sampler that keeps as many traces as give a number of sampled spans a second in this process.

    With N new traces a second, M spans a second that come in sampled, from remote parents, and s spans a sampled trace,
    a new trace is kept with probability (target - M * s) / (N * s), from ``min_probability`` to 1: what arrives sampled is
    part of the target, but is never refused. The rates are averages that fade; a rush is noticed within a tenth of a second.
    Nothing that the law decides comes back into it, so that it cannot oscillate. The probability in force becomes a
    threshold, as of `ConsistentProbability`, and kept traces say it.

    Use it as the root of a ParentBased, which tells it of the spans of sampled traces. As a sampler of a rule, the sampled
    spans of other rules count against its target. Asked about every span, without a ParentBased, it counts each as a
    trace.

    Args:
        target_spans_per_second: Sampled spans a second of this process, above 0.
        averaging_seconds: How long what was seen counts, above 0.
        min_probability: The least share of traces that is kept even if the target is missed, 2**-56 to 1.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        target_spans_per_second: float,
        *,
        averaging_seconds: float = AVERAGING_SECONDS,
        min_probability: float = MIN_PROBABILITY,
    ) -> None:
        self.target_spans_per_second = positive("target_spans_per_second", target_spans_per_second)
        averaging = positive("averaging_seconds", averaging_seconds)
        least = number_in("min_probability", min_probability, 2.0**-56, 1.0, _PROBABILITY)
        self._bind(self.target_spans_per_second, False, averaging, least)

    def get_description(self) -> str:
        """As ``Adaptive{1000 spans/s}``."""
        return f"Adaptive{{{self.target_spans_per_second:g} spans/s}}"


@native_class
class OverheadBudget(NativeOverheadBudget, Sampler):
    """Sampler that keeps as many traces as a share of the process's CPU pays for.

    What tracing costs is measured: one span in 64 is timed where it starts, gets attributes and ends, and the export threads
    tell their CPU time. What spans that are not sampled cost comes off the budget first; the rest, divided by what a sampled
    span costs, is the target of the law of `Adaptive`. Only nanospan's own tracers and exporters are measured.

    Args:
        cpu_fraction: The share of the CPU time that this process uses, above 0, up to 1. A process that uses less than a
            twentieth of a core counts as using that.
        averaging_seconds: How long what was seen counts, above 0; of costs, fifteen times as long.
        min_probability: The least share of traces that is kept even if the budget is missed, 2**-56 to 1.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        cpu_fraction: float = 0.02,
        *,
        averaging_seconds: float = AVERAGING_SECONDS,
        min_probability: float = MIN_PROBABILITY,
    ) -> None:
        self.cpu_fraction = positive("cpu_fraction", cpu_fraction)
        if self.cpu_fraction > 1:
            raise ValueError(f"cpu_fraction must be a number above 0, up to 1, not {safe_repr(cpu_fraction)}")
        averaging = positive("averaging_seconds", averaging_seconds)
        least = number_in("min_probability", min_probability, 2.0**-56, 1.0, _PROBABILITY)
        self._bind_budget(self.cpu_fraction, averaging, least)

    def get_description(self) -> str:
        """As ``OverheadBudget{0.02}``."""
        return f"OverheadBudget{{{self.cpu_fraction:g}}}"
