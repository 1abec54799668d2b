"""The inputs of the cost model: the traffic, the settings of each strategy, and the costs of a span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from nanospan._common.arguments import MAX_FLOAT, check_integer, check_number
from nanospan.tail import TailSampling

__all__ = ["BYTES_PER_SPAN", "Choices", "SpanCosts", "TrafficRule", "Workload"]

BYTES_PER_SPAN = 340
"""Encoded bytes of a ten-attribute span (benchmarks/memory.py)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The traffic, of all processes together. Each request is served by one of the processes."""

    requests_per_second: float
    spans_per_request: float
    bytes_per_span: float = BYTES_PER_SPAN
    error_share: float = 0.01
    """Of the requests, 0 to 1."""
    slow_share: float = 0.01
    """Of the requests, 0 to 1."""
    trace_seconds: float = 0.5
    """From the start of a request's root span in its process to the end."""
    processes: int = 1
    process_cores: float = 1.0
    """CPU that each process uses, tracing included."""
    retention_days: float = 30.0
    price_per_gigabyte_month: float | None = None
    """Of storage, in any currency; 10^9 bytes are a gigabyte."""

    def __post_init__(self) -> None:
        for name in ("requests_per_second", "spans_per_request", "bytes_per_span", "trace_seconds", "process_cores"):
            _check_positive(name, getattr(self, name))
        _check_positive("retention_days", self.retention_days)
        for name in ("error_share", "slow_share"):
            _check_share(name, getattr(self, name))
        _check_count("processes", self.processes)
        if self.price_per_gigabyte_month is not None:
            _check_not_negative("price_per_gigabyte_month", self.price_per_gigabyte_month)

    @property
    def created(self) -> float:
        """Spans a second."""
        return self.requests_per_second * self.spans_per_request


@dataclass(frozen=True, slots=True)
class TrafficRule:
    """A rule of RuleBased, by what it means for the traffic."""

    name: str
    share: float
    """Of the requests, 0 to 1, that match this rule and none before it."""
    ratio: float
    """Of those, 0 to 1, that its sampler keeps."""

    def __post_init__(self) -> None:
        _check_share("share", self.share)
        _check_share("ratio", self.ratio)


@dataclass(frozen=True, slots=True)
class Choices:
    """What each strategy is set to."""

    ratios: Sequence[float] = (0.01,)
    """Of probability, of the rules' rest and of the baseline of tail sampling: one estimate for each."""
    traces_per_second: float = 100.0
    """Of RateLimited, in each process."""
    target_spans_per_second: float = 1000.0
    """Of Adaptive, in each process."""
    cpu_fraction: float = 0.02
    """Of OverheadBudget: of the CPU that each process uses; above 0."""
    rules: Sequence[TrafficRule] = ()
    decision_wait: float = TailSampling.decision_wait
    """Seconds from the first span of a trace to its decision, at most."""
    open_after_root: float = 0.0
    """Seconds that spans stay open after their local root has ended, at most `decision_wait_after_root_ended`; 0 where there
    is no background work."""
    num_traces: int = TailSampling.num_traces
    max_bytes: int = TailSampling.max_bytes

    def __post_init__(self) -> None:
        if not self.ratios:
            raise ValueError("ratios must not be empty")
        for ratio in self.ratios:
            _check_share("ratios", ratio)
        for name in ("traces_per_second", "target_spans_per_second", "decision_wait"):
            _check_positive(name, getattr(self, name))
        _check_positive("cpu_fraction", self.cpu_fraction)
        _check_share("cpu_fraction", self.cpu_fraction)
        _check_not_negative("open_after_root", self.open_after_root)
        _check_count("num_traces", self.num_traces)
        _check_count("max_bytes", self.max_bytes)
        shares = math.fsum(rule.share for rule in self.rules)
        if shares > 1 + 1e-9:
            raise ValueError(f"rules must have shares of at most 1 together, not {shares:g}")


@dataclass(frozen=True, slots=True)
class SpanCosts:
    """Nanoseconds of CPU a span; the defaults are nanospan's with ten attributes, from the README's section Cost."""

    unsampled_ns: float = 217.0
    """A span that is not recorded, as context manager."""
    recorded_ns: float = 946.0
    """Made, given its attributes, encoded and queued: what the application's thread pays with live export."""
    export_ns: float = 74.0
    """Framed and sent by the worker: the whole pipeline under one busy thread, 1,020 ns, less the above."""
    tail_ns: float = 150.0
    """Held in the tail buffer and decided on, beyond the way straight into the queue: the bound that it is held to."""

    def __post_init__(self) -> None:
        for one in fields(self):
            _check_not_negative(one.name, getattr(self, one.name))


def _check_positive(name: str, value: float) -> None:
    check_number(name, value, 0, MAX_FLOAT, above=True, accepted="a number above 0")


def _check_not_negative(name: str, value: float) -> None:
    check_number(name, value, 0, MAX_FLOAT, accepted="a number from 0")


def _check_share(name: str, value: float) -> None:
    check_number(name, value, 0, 1, accepted="from 0 to 1")


def _check_count(name: str, value: int) -> None:
    check_integer(name, value, 1, math.inf, accepted="an integer from 1")
