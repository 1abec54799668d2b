"""The tables of ``nanospan demo``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nanospan.cli.cost import FLOOR, NANOSPAN, PIPELINES, SPANS_A_SECOND, STOCK, CostRun, Spread
from nanospan.cli.format import count, duration

__all__ = ["accounting_table", "cost_notes", "cost_table"]

PIPELINE_NAMES = {
    STOCK: "stock processor and exporter",
    NANOSPAN: "nanospan processor and exporter",
    FLOOR: "no processor (the span alone)",
}

REASONS = {
    "queue_full": "queue full",
    "oversize": "span too large",
    "encode_failed": "could not be encoded",
    "evicted": "evicted",
    "export_failed": "export failed",
    "shutdown": "after shutdown",
}


def accounting_table(stats: Mapping[str, Any], received: int) -> Table:
    """The processor's accounting, and whether it adds up and agrees with what the receiver counted."""
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
    table.add_row(
        "adds up", count(accounted), _verdict(accounted == stats["ended"], "every span accounted for")
    )
    agrees = received == stats["exported"]
    table.add_row("received", count(received), _verdict(agrees, "as many as were exported"))
    return table


def cost_table(runs: Sequence[CostRun]) -> Table:
    """CPU and wall time per span of each pipeline: the median of its runs, and the lowest and the highest."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("per ten-attribute span")
    table.add_column("process CPU", justify="right")
    table.add_column("lowest..highest", justify="right", style="dim")
    table.add_column("its thread", justify="right")
    for pipeline in PIPELINES:
        of_pipeline = [run for run in runs if run.pipeline == pipeline]
        if not of_pipeline:
            continue
        cpu = Spread.of([run.cpu_ns for run in of_pipeline])
        wall = Spread.of([run.wall_ns for run in of_pipeline])
        table.add_row(
            PIPELINE_NAMES[pipeline],
            duration(cpu.median),
            f"{duration(cpu.lowest)}..{duration(cpu.highest)}",
            duration(wall.median),
            style="bold" if pipeline == NANOSPAN else "",
        )
    return table


def cost_notes(runs: Sequence[CostRun], spans: int) -> Text:
    """What the figures are, and what follows from them."""
    text = Text()
    by_pipeline = {
        pipeline: [run for run in runs if run.pipeline == pipeline]
        for pipeline in dict.fromkeys(r.pipeline for r in runs)
    }
    if STOCK in by_pipeline:
        pairs = zip(by_pipeline[NANOSPAN], by_pipeline[STOCK], strict=True)
        share = Spread.of([100 * ours.cpu_ns / stock.cpu_ns for ours, stock in pairs])
        text.append(
            f"\nnanospan used {share.median:.0f} % of the stock pipeline's CPU "
            f"({share.lowest:.0f}..{share.highest:.0f} % over the rounds)"
        )
        floor = Spread.of([run.cpu_ns for run in by_pipeline[FLOOR]]).median
        above = [
            Spread.of([run.cpu_ns for run in by_pipeline[name]]).median - floor for name in (NANOSPAN, STOCK)
        ]
        text.append(
            ".\nAbove the stock span itself, which both carry: "
            f"{duration(above[0])} against {duration(above[1])}.\n"
        )
    lost = {name: sum(run.lost for run in of_pipeline) for name, of_pipeline in by_pipeline.items()}
    for pipeline, number in lost.items():
        if number:
            text.append(
                f"The {pipeline} runs lost {number:,} spans, so their cost is understated.\n", style="red"
            )
    rounds = len(next(iter(by_pipeline.values())))
    text.append(
        f"\nMeasured just now on this machine: {rounds} {'round' if rounds == 1 else 'rounds'}, each run a "
        f"fresh process of {spans:,} spans at {SPANS_A_SECOND:,.0f} a second, the pipelines in turn. "
        'Process CPU counts every thread until all is flushed; "its thread" is the wall time on the thread '
        f"that made the span. Medians; take the ratios, not the figures. {_loss_statement(lost)}",
        style="dim",
    )
    return text


def _loss_statement(lost: Mapping[str, int]) -> str:
    return "" if any(lost.values()) else "No run lost a span."


def _verdict(holds: bool, statement: str) -> Text:
    return (
        Text(f"yes: {statement}", style="green")
        if holds
        else Text(f"NO: not so: {statement}", style="bold red")
    )
