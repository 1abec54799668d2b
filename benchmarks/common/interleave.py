"""Taking turns: whatever else the machine does falls on every contender alike."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns


@dataclass(frozen=True, slots=True)
class Series:
    """The rounds of one contender, in nanoseconds per item."""

    values: list[float]

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"min {self.least / 1e3:8.3f} us  median {self.median / 1e3:8.3f}  max {max(self.values) / 1e3:8.3f}"


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    items: int,
    rounds: int,
    between: Callable[[str], object] = lambda name: None,
) -> dict[str, Series]:
    """Time each contender once a round, in turn; a call handles ``items`` items. ``between`` runs untimed after each."""
    timings: dict[str, list[float]] = {name: [] for name in contenders}
    for name, call in contenders.items():
        call()
        between(name)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in contenders.items():
                began = perf_counter_ns()
                call()
                timings[name].append((perf_counter_ns() - began) / items)
                between(name)
    finally:
        gc.enable()
    return {name: Series(values) for name, values in timings.items()}


def ratios(base: Series, other: Series) -> tuple[float, float]:
    """How many times less than ``base`` the other takes, by minima and by medians."""
    return base.least / other.least, base.median / other.median


def report(title: str, series: Mapping[str, Series], against: str) -> None:
    """Print a block: each contender, and how many times less than ``against`` it takes (minima and medians)."""
    print(f"\n{title}")
    base = series[against]
    for name, one in series.items():
        by_minima, by_medians = ratios(base, one)
        ratio = "" if name == against else f"   {by_minima:6.1f}x less ({by_medians:.1f}x)"
        print(f"  {name:16} {one}{ratio}")
