"""What each way of sampling costs: spans, bandwidth, memory, CPU and storage, calculated from the traffic.

Nothing is measured and nothing is read here. Rates are sums over all processes, memory is that of one process.
With R requests a second, s spans a request, b encoded bytes a span and n processes:

    created   = R s                          spans/s; a span that is not sampled is created too, and costs little
    kept      = the share of the traces that are exported, by the strategy:
        always on                            1
        probability p                        p
        rate limited, L traces/s a process   min(1, n L / R)
        rules of shares q_i, ratios p_i      sum(q_i p_i) + (1 - sum(q_i)) p
        adaptive, T spans/s a process        n T / created, from 10^-6 to 1
        overhead budget f, c cores in use    (n f c 10^9 / created - unsampled_ns) / (sampled_ns - unsampled_ns), from 10^-6
          by each process, at least 0.05     to 1, where sampled_ns = recorded_ns + export_ns
        tail sampling, either head           u + (1 - u) p, where u = min(1, error share + slow share)
    recorded  = created with tail sampling, else created * kept
    exported  = created * kept
    bandwidth = exported * b                 bytes/s, before compression and without the few bytes around each batch
    CPU       = (unsampled_ns (created - recorded) + recorded_ns recorded + export_ns exported
                 + tail_ns recorded with tail sampling) / 10^9        cores
    stored    = bandwidth * 86,400 * days of retention                bytes at any time, once so many days have passed
    a month   = stored / 10^9 * price of a gigabyte and month

Flagged downstream is the share of the traces whose context leaves with the sampled flag, which is what other services go
by: all of them where the head is always on, p where it is AlwaysRecord(probability p), else what is kept.

The tail buffer of one process holds, for traces of d seconds from the start of the local root to its end, and w seconds
more in which spans are still open (csrc/tail/ns_trace_table.h):

    traces    = R / n * min(d + w, decision_wait)       Little's law; at most R / n * decision_wait, if no local root ends
    chunks    = ceil((s (b + 8) + 52) / 508)            of 512 bytes each, for one trace with all of its spans
    held      = traces * 512 chunks                     bytes
    table     = 128 (num_traces + 1) + 4 P(num_traces) + 16 P(min(max(8 num_traces, 131,072), max_bytes / 128))
                                                        bytes for entries, their index and decisions; P(n) is the next
                                                        power of two
    needed    = held + table                            to be compared with max_bytes

Error and slow traces are counted as if no trace were both, so that the share kept is an upper bound. Whatever a strategy
keeps is taken to arrive: the loss by full queues is not part of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nanospan.cli.cost.inputs import Choices, SpanCosts, Workload
from nanospan.tail._settings import BYTES_A_DECISION, DECISIONS_A_TRACE, MIN_DECISIONS

__all__ = ["STRATEGIES", "Estimate", "TailMemory", "estimate"]

STRATEGIES = (
    "always_on",
    "probability",
    "rate_limited",
    "rule_based",
    "adaptive",
    "overhead_budget",
    "tail",
    "always_record_tail",
)
"""The strategies by name, in the order in which they are reported."""

SECONDS_A_DAY = 86_400
GIGABYTE = 1e9
MEBIBYTE = 1 << 20

# The trace table, csrc/tail/ns_trace_table.h.
CHUNK_BYTES = 512
CHUNK_HEADER_BYTES = 4
FIRST_CHUNK_BYTES_MORE = 52
RECORD_HEADER_BYTES = 8
TRACE_ENTRY_BYTES = 128
INDEX_ENTRY_BYTES = 4

# The control law of Adaptive and OverheadBudget.
MIN_PROBABILITY = 1e-6
MIN_PROCESS_CORES = 0.05


@dataclass(frozen=True, slots=True)
class TailMemory:
    """The memory of the tail buffer of one process, and its limits."""

    traces_held: float
    max_traces_held: float
    """If no local root ends before `decision_wait`."""
    bytes_held: float
    bytes_needed: float
    """Including the tables of traces and decisions."""
    num_traces: int
    max_bytes: int

    @property
    def suffices(self) -> bool:
        """Whether `num_traces` and `max_bytes` suffice; otherwise the oldest traces are decided early."""
        return self.traces_held <= self.num_traces and self.bytes_needed <= self.max_bytes


@dataclass(frozen=True, slots=True)
class Estimate:
    """One strategy with one setting. Rates are sums over all processes."""

    strategy: str
    setting: str
    kept_share: float
    """Of the traces, 0 to 1."""
    faults_kept_share: float
    """Of the error and slow traces, 0 to 1."""
    flagged_share: float
    """Share of the traces that other services see as sampled, 0 to 1."""
    created_per_second: float
    recorded_per_second: float
    exported_per_second: float
    bytes_per_second: float
    cpu_cores: float
    cpu_cores_per_process: float
    stored_bytes: float
    price_per_month: float | None
    tail: TailMemory | None = None
    warnings: Sequence[str] = field(default=())


def estimate(
    workload: Workload,
    choices: Choices | None = None,
    costs: SpanCosts | None = None,
    strategies: Sequence[str] = STRATEGIES,
) -> list[Estimate]:
    """An estimate for each of ``strategies``, and for each ratio where the strategy has one, in the order of STRATEGIES.

    ``rule_based`` is left out where there are no rules. Raises ValueError for a name that is not one of STRATEGIES.
    """
    unknown = [name for name in strategies if name not in STRATEGIES]
    if unknown:
        raise ValueError(f"strategies must be of {', '.join(STRATEGIES)}, not {unknown[0]!r}")
    calculation = _Calculation(workload, choices or Choices(), costs or SpanCosts())
    return [one for name in STRATEGIES if name in strategies for one in getattr(calculation, name)()]


class _Calculation:
    """A method for each of STRATEGIES."""

    def __init__(self, workload: Workload, choices: Choices, costs: SpanCosts) -> None:
        self.workload = workload
        self.choices = choices
        self.costs = costs

    def always_on(self) -> Iterator[Estimate]:
        yield self._head("always_on", "", 1.0)

    def probability(self) -> Iterator[Estimate]:
        for ratio in self.choices.ratios:
            yield self._head("probability", f"{ratio:g}", ratio)

    def rate_limited(self) -> Iterator[Estimate]:
        limit = self.choices.traces_per_second
        kept = min(1.0, self.workload.processes * limit / self.workload.requests_per_second)
        yield self._head("rate_limited", f"{limit:g} traces/s", kept)

    def rule_based(self) -> Iterator[Estimate]:
        rules = self.choices.rules
        if not rules:
            return
        rest = max(0.0, 1 - math.fsum(rule.share for rule in rules))
        named = ", ".join(f"{rule.name} {rule.ratio:g}" for rule in rules)
        for ratio in self.choices.ratios:
            kept = math.fsum(rule.share * rule.ratio for rule in rules) + rest * ratio
            yield self._head("rule_based", f"{named}, rest {ratio:g}", min(1.0, kept))

    def adaptive(self) -> Iterator[Estimate]:
        target = self.choices.target_spans_per_second
        kept = _probability(self.workload.processes * target / self.workload.created)
        yield self._head("adaptive", f"{target:g} spans/s", kept)

    def overhead_budget(self) -> Iterator[Estimate]:
        workload, fraction = self.workload, self.choices.cpu_fraction
        sampled, unsampled = self.costs.recorded_ns + self.costs.export_ns, self.costs.unsampled_ns
        budget = fraction * max(MIN_PROCESS_CORES, workload.process_cores)
        affordable = workload.processes * budget * 1e9 / workload.created
        if sampled > unsampled:
            kept = _probability((affordable - unsampled) / (sampled - unsampled))
        else:
            kept = 1.0 if affordable >= sampled else MIN_PROBABILITY
        warnings = []
        if affordable < min(sampled, unsampled):
            needed = workload.created * unsampled / 1e9 / workload.processes
            warnings.append(
                f"a budget of {budget:.3g} cores in each process cannot pay for the spans that are not sampled, "
                f"which take {needed:.3g}"
            )
        yield self._head("overhead_budget", f"{fraction:g} of CPU", kept, warnings)

    def tail(self) -> Iterator[Estimate]:
        for ratio in self.choices.ratios:
            yield self._tail("tail", f"{ratio:g}", ratio, flagged=1.0)

    def always_record_tail(self) -> Iterator[Estimate]:
        for ratio in self.choices.ratios:
            yield self._tail("always_record_tail", f"{ratio:g}", ratio, flagged=ratio)

    def _head(self, name: str, setting: str, kept: float, warnings: Sequence[str] = ()) -> Estimate:
        return self._estimate(name, setting, kept, kept, kept, kept, None, warnings)

    def _tail(self, name: str, setting: str, ratio: float, flagged: float) -> Estimate:
        faults = min(1.0, self.workload.error_share + self.workload.slow_share)
        memory = self._tail_memory()
        return self._estimate(
            name, setting, faults + (1 - faults) * ratio, 1.0, 1.0, flagged, memory, _memory_warnings(memory)
        )

    def _estimate(
        self,
        name: str,
        setting: str,
        kept: float,
        recorded_share: float,
        faults_kept: float,
        flagged: float,
        tail: TailMemory | None,
        warnings: Sequence[str],
    ) -> Estimate:
        workload = self.workload
        recorded = workload.created * recorded_share
        exported = workload.created * kept
        bandwidth = exported * workload.bytes_per_span
        cores = self._cores(recorded, exported, tail is not None)
        if cores > workload.processes:
            warnings = [*warnings, f"tracing alone takes {cores:.3g} cores, more than one for each process"]
        stored = bandwidth * SECONDS_A_DAY * workload.retention_days
        price = workload.price_per_gigabyte_month
        return Estimate(
            strategy=name,
            setting=setting,
            kept_share=kept,
            faults_kept_share=faults_kept,
            flagged_share=flagged,
            created_per_second=workload.created,
            recorded_per_second=recorded,
            exported_per_second=exported,
            bytes_per_second=bandwidth,
            cpu_cores=cores,
            cpu_cores_per_process=cores / workload.processes,
            stored_bytes=stored,
            price_per_month=None if price is None else stored / GIGABYTE * price,
            tail=tail,
            warnings=tuple(warnings),
        )

    def _cores(self, recorded: float, exported: float, tail: bool) -> float:
        costs = self.costs
        nanoseconds = costs.unsampled_ns * (self.workload.created - recorded)
        nanoseconds += costs.recorded_ns * recorded + costs.export_ns * exported
        if tail:
            nanoseconds += costs.tail_ns * recorded
        return nanoseconds / 1e9

    def _tail_memory(self) -> TailMemory:
        workload, choices = self.workload, self.choices
        rate = workload.requests_per_second / workload.processes
        traces = rate * min(workload.trace_seconds + choices.open_after_root, choices.decision_wait)
        encoded = workload.spans_per_request * (workload.bytes_per_span + RECORD_HEADER_BYTES)
        chunks = math.ceil((encoded + FIRST_CHUNK_BYTES_MORE) / (CHUNK_BYTES - CHUNK_HEADER_BYTES))
        wanted = max(DECISIONS_A_TRACE * choices.num_traces, MIN_DECISIONS)
        decisions = min(wanted, choices.max_bytes // 8 // BYTES_A_DECISION)
        table = (choices.num_traces + 1) * TRACE_ENTRY_BYTES + _power_of_two(choices.num_traces) * INDEX_ENTRY_BYTES
        table += _power_of_two(decisions) * BYTES_A_DECISION
        held = traces * chunks * CHUNK_BYTES
        return TailMemory(
            traces_held=traces,
            max_traces_held=rate * choices.decision_wait,
            bytes_held=held,
            bytes_needed=held + table,
            num_traces=choices.num_traces,
            max_bytes=choices.max_bytes,
        )


def _memory_warnings(memory: TailMemory) -> list[str]:
    warnings = []
    if memory.traces_held > memory.num_traces:
        warnings.append(
            f"num_traces={memory.num_traces:,} is less than the {memory.traces_held:,.0f} traces that each process holds: "
            "the oldest are decided on before they are complete"
        )
    if memory.bytes_needed > memory.max_bytes:
        most, needed = memory.max_bytes / MEBIBYTE, memory.bytes_needed / MEBIBYTE
        warnings.append(
            f"max_bytes={most:,.0f} MiB is less than the {needed:,.0f} MiB that each process needs: "
            "the oldest traces are decided on before they are complete"
        )
    return warnings


def _power_of_two(number: int) -> int:
    """The smallest that is at least ``number``."""
    return 1 << max(0, number - 1).bit_length()


def _probability(share: float) -> float:
    return min(1.0, max(MIN_PROBABILITY, share))
