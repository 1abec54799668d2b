"""The tables and the JSON of ``nanospan cost``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from nanospan.cli.cost.inputs import BYTES_PER_SPAN, Choices, SpanCosts, Workload
from nanospan.cli.cost.model import Estimate, TailMemory
from nanospan.cli.format import byte_size, count

__all__ = ["COSTS_SOURCE", "as_json", "kept_tables", "notes", "price_tables"]

COSTS_SOURCE = "nanospan's README, section Cost: ten attributes, CPython 3.11, AMD EPYC"

LABEL_CELLS, MAX_LABEL_CELLS = 28, 30

NAMES = {
    "always_on": "AlwaysOn",
    "probability": "ConsistentProbability",
    "rate_limited": "RateLimited",
    "rule_based": "RuleBased",
    "adaptive": "Adaptive",
    "overhead_budget": "OverheadBudget",
    "tail": "tail {}, AlwaysOn head",
    "always_record_tail": "tail {}, AlwaysRecord head",
}


def kept_tables(estimates: Sequence[Estimate], width: int) -> Iterator[Table]:
    """What is recorded, kept and flagged: a row for each estimate."""
    columns = {
        "recorded\nspans/s": [count(one.recorded_per_second) for one in estimates],
        "exported\nspans/s": [count(one.exported_per_second) for one in estimates],
        "traces\nkept": [share(one.kept_share) for one in estimates],
        "errors,\nslow kept": [share(one.faults_kept_share) for one in estimates],
        "flagged\nonward": [share(one.flagged_share) for one in estimates],
    }
    return _tables(estimates, columns, width)


def price_tables(estimates: Sequence[Estimate], width: int) -> Iterator[Table]:
    """The resources: a row for each estimate, with columns for prices and tail buffers if there are any."""
    columns: dict[str, Sequence[Text | str]] = {
        "sent": [f"{decimal_size(one.bytes_per_second)}/s" for one in estimates],
        "CPU\ncores": [cores(one.cpu_cores) for one in estimates],
    }
    if any(one.tail is not None for one in estimates):
        columns["buffer,\na process"] = [_buffer(one.tail) for one in estimates]
    columns["stored"] = [decimal_size(one.stored_bytes) for one in estimates]
    if any(one.price_per_month is not None for one in estimates):
        columns["a month"] = ["" if one.price_per_month is None else f"{one.price_per_month:,.2f}" for one in estimates]
    return _tables(estimates, columns, width)


def notes(workload: Workload, choices: Choices, costs: SpanCosts, estimates: Sequence[Estimate]) -> Text:
    """The meaning of the figures, and warnings about the settings."""
    text = Text()
    for warning, of in _by_warning(estimates).items():
        text.append(f"\n{', '.join(of)}: {warning}\n", style="red")
    buffers = [one.tail for one in estimates if one.tail is not None]
    text.append(
        f"\n{count(workload.requests_per_second)} requests/s of {workload.spans_per_request:g} spans, "
        f"{count(workload.created)} spans/s of {workload.bytes_per_span:g} encoded bytes, over {workload.processes:,} "
        f"{'process' if workload.processes == 1 else 'processes'}. Sent is before compression; stored is "
        f"{workload.retention_days:g} days of it. "
        f"CPU is of all processes together: {costs.unsampled_ns:g} ns a span that is not recorded, "
        f"{costs.recorded_ns:g} to record and encode one, {costs.export_ns:g} to send it, {costs.tail_ns:g} to hold it "
        f"({'given' if costs != SpanCosts() else COSTS_SOURCE}). ",
        style="dim",
    )
    if costs == SpanCosts() and workload.bytes_per_span != BYTES_PER_SPAN:
        text.append(
            f"--bytes changes what is sent and stored, not the CPU: that is of spans of {BYTES_PER_SPAN} bytes unless "
            "--recorded-ns and --export-ns say otherwise. ",
            style="dim",
        )
    if buffers:
        held, most = count(buffers[0].traces_held), count(buffers[0].max_traces_held)
        seconds = min(workload.trace_seconds + choices.open_after_root, choices.decision_wait)
        text.append(
            f"The tail buffer holds {held} traces in each process for {seconds:g} s, and would hold {most} if no local root "
            f"ended before decision_wait, {choices.decision_wait:g} s. ",
            style="dim",
        )
    text.append("Calculated, not measured.", style="dim")
    return text


def as_json(workload: Workload, choices: Choices, costs: SpanCosts, estimates: Sequence[Estimate]) -> dict[str, Any]:
    """The estimates as JSON values: numbers, shares from 0 to 1, bytes and seconds."""
    return {
        "workload": dataclasses.asdict(workload),
        "choices": dataclasses.asdict(choices),
        "span_costs": dataclasses.asdict(costs),
        "span_costs_source": COSTS_SOURCE if costs == SpanCosts() else "given",
        "estimates": [
            dataclasses.asdict(one) | {"tail": None if one.tail is None else _tail_json(one.tail)} for one in estimates
        ],
    }


def decimal_size(size: float) -> str:
    """``512 B``, ``1.23 kB``, ``750 MB``, ``19.4 TB``: powers of 1000, as networks and storage are sold."""
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    index = 0
    while size >= 999.5 and index < len(units) - 1:
        size /= 1000
        index += 1
    return f"{size:,.0f} {units[0]}" if index == 0 else f"{_three_digits(size)} {units[index]}"


def share(part: float) -> str:
    """``100 %``, ``2.98 %``, ``0.01 %``; ``<0.01 %`` for smaller shares above 0."""
    percent = 100 * part
    if 0 < percent < 0.005:
        return "<0.01 %"
    if 99.95 <= percent < 100:
        return ">99.9 %"
    return f"{percent:.3g} %"


def cores(number: float) -> str:
    """Three digits; ``<0.001`` for smaller numbers above 0."""
    return "<0.001" if 0 < number < 0.0005 else f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


def _tables(estimates: Sequence[Estimate], columns: Mapping[str, Sequence[Text | str]], width: int) -> Iterator[Table]:
    """One table, or several below each other where ``width`` has no room for all columns: no figure is cut."""
    for group in _groups(columns, width - MAX_LABEL_CELLS - 1):
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("strategy", overflow="fold", max_width=MAX_LABEL_CELLS, min_width=LABEL_CELLS)
        for heading in group:
            table.add_column(heading, justify="right", no_wrap=True, min_width=_cells(heading, columns[heading]))
        for row, one in enumerate(estimates):
            table.add_row(_label(one), *(columns[heading][row] for heading in group))
        yield table


def _groups(columns: Mapping[str, Sequence[Text | str]], room: int) -> list[list[str]]:
    """The headings in groups of at most ``room`` cells; a column that is wider stands alone."""
    groups: list[list[str]] = [[]]
    used = 0
    for heading, texts in columns.items():
        cells = _cells(heading, texts) + 1
        if groups[-1] and used + cells > room:
            groups.append([])
            used = 0
        groups[-1].append(heading)
        used += cells
    return groups


def _cells(heading: str, texts: Iterable[Text | str]) -> int:
    return max(map(len, [*heading.split("\n"), *map(str, texts)]))


def _by_warning(estimates: Sequence[Estimate]) -> dict[str, list[str]]:
    """The strategies of each warning, each once."""
    strategies: dict[str, list[str]] = {}
    for one in estimates:
        for warning in one.warnings:
            of = strategies.setdefault(warning, [])
            if one.strategy not in of:
                of.append(one.strategy)
    return strategies


def _label(one: Estimate) -> Text:
    before, place, after = NAMES[one.strategy].partition("{}")
    return Text(before if place else f"{before} ").append(one.setting, style="dim").append(after)


def _buffer(tail: TailMemory | None) -> Text | str:
    if tail is None:
        return ""
    return Text(byte_size(tail.bytes_needed), style="" if tail.suffices else "red")


def _tail_json(tail: TailMemory) -> dict[str, Any]:
    return dataclasses.asdict(tail) | {"suffices": tail.suffices}


def _three_digits(number: float) -> str:
    if number < 9.995:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 99.95 else f"{number:,.0f}"
