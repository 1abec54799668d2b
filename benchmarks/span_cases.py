"""What a span costs in the code that makes it, stock and nanospan in turn in one run, beside what it may cost.

    python benchmarks/span_cases.py [--rounds 100] [--live-rounds 60] [--json FILE]

The ratio that counts is that of minima. Nothing else may run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.contenders import IMPLEMENTATIONS
from common.interleave import Series, interleave, ratios, report
from common.traced_code import TRACED_CODE
from live.live import SPANS as LIVE_SPANS
from live.live import measure_live
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.sdk.version import __version__ as sdk_version

SPANS = 1000


@dataclass(frozen=True, slots=True)
class Case:
    """Traced code under a sampler, and how many times less than stock it is to take."""

    title: str
    code: str
    at_least: float
    sampler: Sampler = DEFAULT_ON


NO_PROCESSOR = (
    Case("start_span().end(), no processor", "start_end", 45),
    Case("with start_as_current_span()", "current", 28),
    Case("the same + ten set_attribute", "current_ten_set", 18),
    Case("the same, ten attributes at start", "current_ten_at_start", 25),
    Case("unsampled as context manager", "current", 16, ParentBased(TraceIdRatioBased(0))),
)
LIVE = (
    Case("start_span().end(), live export", "start_end", 35),
    Case("with ten set_attribute, live export", "current_ten_set", 35),
)


def measure_without_processor(case: Case, rounds: int, spans: int = SPANS) -> dict[str, Series]:
    code = TRACED_CODE[case.code]
    tracers = {
        name: implementation.provider(sampler=case.sampler).get_tracer("benchmark", "1.0")
        for name, implementation in IMPLEMENTATIONS.items()
    }
    calls = {name: (lambda tracer=tracer: code(tracer, spans)) for name, tracer in tracers.items()}
    return interleave(calls, items=spans, rounds=rounds)


def run(rounds: int = 100, live_rounds: int = 60, live_spans: int = LIVE_SPANS) -> list[dict[str, object]]:
    """Measure and print every case; the rows of the table at the end, and of the JSON file."""
    rows = []
    for case in NO_PROCESSOR:
        series = measure_without_processor(case, rounds)
        report(f"{case.title}, per span", series, "stock")
        rows.append(_row(case.title, series, case.at_least))
    for case in LIVE:
        wall, cpu = measure_live(case.code, live_rounds, live_spans)
        report(f"{case.title}, wall time on the application's thread, per span", wall, "stock")
        rows.append(_row(case.title, wall, case.at_least))
        report(f"{case.title}, CPU of the process until delivered, per span", cpu, "stock")
        rows.append(_row(f"{case.title}: process CPU", cpu, None))
    _print_table(rows)
    return rows


def _row(title: str, series: Mapping[str, Series], at_least: float | None) -> dict[str, object]:
    by_minima, by_medians = ratios(series["stock"], series["nanospan"])
    return {
        "case": title,
        **{name: {"min_ns": one.least, "median_ns": one.median, "max_ns": max(one.values)} for name, one in series.items()},
        "times_less": by_minima,
        "times_less_medians": by_medians,
        "at_least": at_least,
    }


def _print_table(rows: list[dict]) -> None:
    print(f"\nCPython {platform.python_version()}, opentelemetry-sdk {sdk_version}; minima (medians), us per span")
    for row in rows:
        stock, nanospan = row["stock"], row["nanospan"]
        ratio = f"{row['times_less']:6.1f}x ({row['times_less_medians']:.1f}x)"
        bound = row["at_least"]
        verdict = "" if bound is None else f"  at least {bound:g}x: {'yes' if row['times_less'] >= bound else 'NO'}"
        print(
            f"  {row['case']:50} {stock['min_ns'] / 1e3:8.2f} ({stock['median_ns'] / 1e3:.2f})"
            f"  {nanospan['min_ns'] / 1e3:8.3f} ({nanospan['median_ns'] / 1e3:.3f})  {ratio:18}{verdict}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--live-rounds", type=int, default=60)
    parser.add_argument("--live-spans", type=int, default=LIVE_SPANS, help="spans a round, at most 16384")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    rows = run(arguments.rounds, arguments.live_rounds, arguments.live_spans)
    if arguments.json:
        record = {"python": platform.python_version(), "opentelemetry_sdk": sdk_version, "rows": rows}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
