"""Samplers whose threshold follows the load or the cost of the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._common.arguments import check_number, check_positive
from nanospan._native.sampling import NativeOverheadBudget, NativeRateControlled, native_class
from nanospan.sampling._copies import Copyable

if TYPE_CHECKING:
    from nanospan._native.sampling import ControllerStats

__all__ = ["Adaptive", "OverheadBudget"]

AVERAGING_SECONDS = 2.0
MIN_PROBABILITY = 1e-6


def _check_min_probability(value: float) -> float:
    return check_number("min_probability", value, 2.0**-56, 1.0, accepted="a number from 2**-56 to 1")


@native_class
class Adaptive(Copyable, NativeRateControlled, Sampler):
    """Sampler that keeps a target number of sampled spans per second in this process.

    With N new traces per second, M spans per second with a sampled remote parent, and s spans per sampled trace, a new trace
    is kept with probability (target - M * s) / (N * s), clamped to ``min_probability`` to 1. Traces that arrive sampled
    count towards the target and are never dropped. The rates are exponential averages; a sudden load is noticed within 0.1
    seconds. The control law does not use its own decisions as input, so that it cannot oscillate. The probability becomes a
    threshold, as in `ConsistentProbability`, which kept traces carry.

    Use it as the root of a ParentBased, which reports the spans of sampled traces to it. As the sampler of a rule, the
    sampled spans of other rules count towards its target. Without a ParentBased it counts each span as a trace.

    Args:
        target_spans_per_second: Sampled spans per second of this process, above 0.
        averaging_seconds: Time constant of the averages, above 0.
        min_probability: Smallest share of traces to keep, even if the target is exceeded, 2**-56 to 1.

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
        self.target_spans_per_second = check_positive("target_spans_per_second", target_spans_per_second)
        averaging = check_positive("averaging_seconds", averaging_seconds)
        least = _check_min_probability(min_probability)
        self._given = {"averaging_seconds": averaging, "min_probability": least}
        self._bind(self.target_spans_per_second, False, averaging, least)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return Adaptive, {"target_spans_per_second": self.target_spans_per_second, **self._given}

    def get_description(self) -> str:
        """As ``Adaptive{1000 spans/s}``."""
        return f"Adaptive{{{self.target_spans_per_second:g} spans/s}}"

    def stats(self) -> ControllerStats:
        """Counts of this process, and what the control law has measured and decided."""
        return cast("ControllerStats", super().stats())


@native_class
class OverheadBudget(Copyable, NativeOverheadBudget, Sampler):
    """Sampler that keeps the cost of tracing within a share of the process's CPU time.

    The cost is measured: one span in 64 is timed at its start, attributes and end, and the export threads report their CPU
    time. The cost of unsampled spans is subtracted from the budget; the rest, divided by the cost of a sampled span, is the
    target of the control law of `Adaptive`. Only nanospan's own tracers and exporters are measured.

    Args:
        cpu_fraction: Share of the CPU time that this process uses, above 0 and at most 1. A process that uses less than 0.05
            cores counts as using 0.05.
        averaging_seconds: Time constant of the averages, above 0; fifteen times as long for costs.
        min_probability: Smallest share of traces to keep, even if the budget is exceeded, 2**-56 to 1.

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
        self.cpu_fraction = check_number("cpu_fraction", cpu_fraction, 0, 1, above=True)
        averaging = check_positive("averaging_seconds", averaging_seconds)
        least = _check_min_probability(min_probability)
        self._given = {"averaging_seconds": averaging, "min_probability": least}
        self._bind_budget(self.cpu_fraction, averaging, least)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return OverheadBudget, {"cpu_fraction": self.cpu_fraction, **self._given}

    def get_description(self) -> str:
        """As ``OverheadBudget{0.02}``."""
        return f"OverheadBudget{{{self.cpu_fraction:g}}}"
