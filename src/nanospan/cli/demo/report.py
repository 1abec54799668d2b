"""The tables of ``nanospan demo``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nanospan.cli.demo.pipeline_cost import (
    NANOSPAN,
    PAUSES,
    PIPELINES,
    PROCESSOR_ONLY,
    SPANS_A_SECOND,
    STOCK,
    STOCK_SPAN,
    CostRun,
    Spread,
)
from nanospan.cli.format import count, duration

__all__ = ["accounting_table", "cost_notes", "cost_table", "heading"]

PARTS = {
    STOCK: ("stock", "stock"),
    PROCESSOR_ONLY: ("stock", "nanospan"),
    NANOSPAN: ("nanospan", "nanospan"),
    STOCK_SPAN: ("stock", "none"),
    PAUSES: ("none", "none"),
}
"""The provider and the processor (with its exporter) of each pipeline."""

REASONS = {
    "queue_full": "queue full",
    "oversize": "span too large",
    "encode_failed": "could not be encoded",
    "evicted": "evicted",
    "export_failed": "export failed",
    "shutdown": "after shutdown",
    "contract": "withheld by a rule",
}


def heading(text: str) -> Padding:
    return Padding(Rule(Text(text, style="bold"), align="left", style="dim"), (1, 0, 1, 0))


def accounting_table(stats: Mapping[str, Any], received: int) -> Table:
    """The processor's counts, and whether they add up and agree with the receiver's."""
    dropped = sum(stats["dropped"].values())
    accounted = stats["exported"] + stats["queued"] + stats["held"] + dropped
    accounted += stats["rejected"] + stats["sampled_out"]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=24)
    table.add_column(justify="right", min_width=12)
    table.add_column()
    table.add_row("ended", count(stats["ended"]), Text("spans the processor was handed", style="dim"))
    table.add_row("  exported", count(stats["exported"]), Text("acknowledged by the receiver", style="dim"))
    table.add_row("  queued", count(stats["queued"]), Text("still on the way", style="dim"))
    for reason, number in stats["dropped"].items():
        if number:
            table.add_row(f"  dropped: {REASONS.get(reason, reason)}", count(number), style="red")
    if not dropped:
        table.add_row("  dropped", "0", Text("for any reason", style="dim"))
    table.add_row("  rejected", count(stats["rejected"]), Text("refused by the receiver", style="dim"))
    for key, meaning in (("held", "waiting for a decision"), ("sampled_out", "left out by sampling")):
        if stats[key]:
            table.add_row(f"  {key.replace('_', ' ')}", count(stats[key]), Text(meaning, style="dim"))
    table.add_row("adds up", count(accounted), _verdict(accounted == stats["ended"], "every span accounted for"))
    agrees = received == stats["exported"]
    table.add_row("received", count(received), _verdict(agrees, "as many as were exported"))
    return table


def cost_table(runs: Sequence[CostRun]) -> Table:
    """CPU and wall time per span of each pipeline: the median of its runs, and the lowest and the highest."""
    by_pipeline = _by_pipeline(runs)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("provider")
    table.add_column("processor")
    table.add_column("process CPU", justify="right")
    table.add_column("lowest..highest", justify="right", style="dim")
    if STOCK in by_pipeline:
        table.add_column("of stock", justify="right")
    table.add_column("its thread", justify="right")
    for pipeline in PIPELINES:
        if pipeline not in by_pipeline:
            continue
        cpu = Spread.of([run.cpu_ns for run in by_pipeline[pipeline]])
        wall = Spread.of([run.wall_ns for run in by_pipeline[pipeline]])
        cells = [*PARTS[pipeline], duration(cpu.median), f"{duration(cpu.lowest)}..{duration(cpu.highest)}"]
        if STOCK in by_pipeline:
            cells.append(_percent(_share_of_stock(by_pipeline, pipeline).median))
        table.add_row(*cells, duration(wall.median), style="bold" if pipeline == NANOSPAN else "")
    return table


def cost_notes(runs: Sequence[CostRun], spans: int) -> Text:
    """The meaning of the figures, and a conclusion."""
    text = Text("\n")
    by_pipeline = _by_pipeline(runs)
    if STOCK in by_pipeline:
        ours, behind_stock, span_alone = (
            _share_of_stock(by_pipeline, pipeline) for pipeline in (NANOSPAN, PROCESSOR_ONLY, STOCK_SPAN)
        )
        text.append(
            f"nanospan used {_percent(ours.median)} of the stock pipeline's CPU "
            f"({_percent(ours.lowest)} to {_percent(ours.highest)} over the rounds); its processor behind the stock "
            f"provider {_percent(behind_stock.median)}, where {_percent(span_alone.median)} is the stock span itself.\n"
        )
    lost = {name: sum(run.lost for run in of_pipeline) for name, of_pipeline in by_pipeline.items()}
    for pipeline, number in lost.items():
        if number:
            text.append(f"The {pipeline} runs lost {number:,} spans, so their cost is understated.\n", style="red")
    rounds = len(next(iter(by_pipeline.values())))
    text.append(
        f"\nMeasured just now on this machine: {rounds} {'round' if rounds == 1 else 'rounds'}, each run a "
        f"fresh process of {spans:,} spans at {SPANS_A_SECOND:,.0f} a second, the pipelines in turn. "
        'Process CPU counts every thread until all is flushed; "its thread" is the wall time on the thread '
        "that made the span. The last row makes no spans: the pauses between bursts, which every row holds. "
        f"Medians; take the ratios, not the figures. {_loss_statement(lost)}",
        style="dim",
    )
    return text


def _by_pipeline(runs: Sequence[CostRun]) -> dict[str, list[CostRun]]:
    names = dict.fromkeys(run.pipeline for run in runs)
    return {name: [run for run in runs if run.pipeline == name] for name in names}


def _share_of_stock(by_pipeline: Mapping[str, Sequence[CostRun]], pipeline: str) -> Spread:
    """Percentage of the stock pipeline's CPU, each run relative to the stock run of its round."""
    pairs = zip(by_pipeline[pipeline], by_pipeline[STOCK], strict=True)
    return Spread.of([100 * run.cpu_ns / stock.cpu_ns for run, stock in pairs])


def _percent(share: float) -> str:
    return f"{share:.1f} %" if share < 9.95 else f"{share:.0f} %"


def _loss_statement(lost: Mapping[str, int]) -> str:
    return "" if any(lost.values()) else "No run lost a span."


def _verdict(holds: bool, statement: str) -> Text:
    return Text(f"yes: {statement}", style="green") if holds else Text(f"NO: not so: {statement}", style="bold red")
