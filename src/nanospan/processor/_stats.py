"""The types of `BatchSpanProcessor.stats`."""

# No `from __future__ import annotations`: TypedDict compiles annotations that are text, one by one, when it is imported.

from typing import Literal, TypedDict

__all__ = ["DropReason", "PolicyStats", "ProcessorDetail", "ProcessorStats", "TailStats"]

DropReason = Literal["queue_full", "oversize", "encode_failed", "evicted", "export_failed", "shutdown", "contract"]


class PolicyStats(TypedDict):
    """Traces and spans by what one policy decided."""

    sampled: int
    not_sampled: int
    dropped: int
    spans_sampled: int
    spans_dropped: int


class TailStats(TypedDict):
    """Traces and spans of tail sampling by outcome, and each policy's part."""

    traces_held: int
    bytes_held: int
    bytes_in_use: int
    traces_kept: int
    traces_sampled_out: int
    traces_evicted: int
    traces_queue_full: int
    spans_kept: int
    late_spans_kept: int
    late_spans_dropped: int
    late_spans_forgotten: int
    traces_decided_early: int
    traces_decided_by_time: int
    thresholds_not_written: int
    policies: dict[str, PolicyStats]


class ProcessorDetail(TypedDict, total=False):
    """Counts beside the accounting. Empty for an exporter that gets the spans as objects."""

    values_repaired: int
    """Attributes and fields, as the next."""
    values_lost: int
    queue_bytes: int
    """Not with tail sampling."""
    tail: TailStats
    """With tail sampling only."""
    contract: dict[str, int]
    """With rules of `nanospan.contract` only: findings, spans changed, secrets, values masked whole."""


class ProcessorStats(TypedDict):
    """Spans by what became of them; ``ended`` is the sum of all others."""

    ended: int
    queued: int
    held: int
    exported: int
    dropped: dict[DropReason, int]
    rejected: int
    sampled_out: int
    detail: ProcessorDetail
