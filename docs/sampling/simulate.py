"""Draws what the samplers that follow the load do under a step, a ramp, spikes and a day, and prints the figures.

    python docs/sampling/simulate.py            # the plots beside this file, the figures to standard output
    python docs/sampling/simulate.py --figures  # the figures alone

Needs a C compiler (``cc``, or ``$CC``). The laws are not modelled here: `simulate.c` is compiled with the sources in csrc/
and runs them in virtual time, so the same sources give the same plots on every machine.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent.parent / "csrc"
BIN = 0.05  # seconds, as in simulate.c
POINTS = 200  # of a line in a plot, before it is simplified
TOLERANCE = 0.1  # points of 1/72 inch

Load = list[tuple[float, float]]  # (seconds, roots a second), straight lines between

STEP: Load = [(0, 200), (20, 200), (20, 20_000), (50, 20_000), (50, 200), (80, 200)]
RAMP: Load = [(0, 10), (10, 10), (60, 10_000), (80, 10_000)]
SPIKES: Load = [(0, 500), (20, 500), (20, 10_000), (21, 10_000), (21, 500), (40, 500), (40, 25_000), (40.2, 25_000),
                (40.2, 500), (60, 500), (60, 5_000), (65, 5_000), (65, 500), (90, 500)]  # fmt: skip
DAY: Load = [(s, 1_550 - 1_450 * math.cos(2 * math.pi * s / 600)) for s in range(0, 601, 5)]
LOADS = {"step": STEP, "ramp": RAMP, "spikes": SPIKES, "day (in ten minutes)": DAY}


@dataclass(frozen=True)
class Strategy:
    name: str
    target: float  # spans or traces a second, or a share of the CPU
    spans: int  # of a trace; 1 where traces are limited
    title: str
    file: str
    scale: float = 1  # of the loads


STRATEGIES = (
    Strategy("adaptive", 1000, 10, "Adaptive(1000), 10 spans a trace", "adaptive.svg"),
    Strategy("consistent", 100, 1, "RateLimited(100, consistent=True)", "rate-limited-consistent.svg"),
    Strategy("bucket", 100, 1, "RateLimited(100, burst=100)", "rate-limited-bucket.svg"),
    Strategy("budget", 0.02, 30, "OverheadBudget(0.02), 30 spans and 2 ms of work a trace", "overhead-budget.svg", 0.05),
)

Run = dict[str, list[float]]


def compile_program(folder: Path) -> Path:
    program = folder / "simulate"
    sources = [HERE / "simulate.c", CSRC / "sampling/ns_rate_controller.c", CSRC / "sampling/ns_cpu_budget.c"]
    compiler = os.environ.get("CC", "cc").split()
    # No fused multiply-add: it would round differently from one machine to another.
    flags = ["-std=gnu11", "-O2", "-ffp-contract=off", f"-I{CSRC}", f"-I{CSRC / 'tests'}"]
    subprocess.run([*compiler, *flags, *map(str, sources), "-lm", "-o", str(program)], check=True)
    return program


def run(program: Path, strategy: Strategy, load: Load) -> Run:
    """The columns of simulate.c's output, and rates a second of what the strategy limits: ``offered`` and ``kept``."""
    points = "".join(f"{seconds} {roots * strategy.scale}\n" for seconds, roots in load)
    command = [str(program), strategy.name, str(strategy.target), str(strategy.spans)]
    printed = subprocess.run(command, input=points, capture_output=True, text=True, check=True).stdout
    rows = list(csv.DictReader(io.StringIO(printed)))
    columns = {name: [float(row[name]) for row in rows] for name in rows[0]}
    columns["offered"] = [asked * strategy.spans / BIN for asked in columns["asked"]]
    columns["kept"] = [sampled / BIN for sampled in columns["sampled"]]
    return columns


def over_one_second(values: list[float]) -> list[float]:
    """The mean over the second that ends with each bin."""
    width = round(1 / BIN)
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(len(values))]


def settled(run: Run, start: float, end: float) -> float:
    """Seconds after ``start`` from which on the probability stays within a tenth of what it is before ``end``."""
    inside = [(t, p) for t, p in zip(run["seconds"], run["probability"], strict=True) if start < t <= end]
    final = sum(p for _, p in inside[-100:]) / 100
    outside = [t for t, p in inside if abs(p - final) > 0.1 * final]
    return max(outside, default=start) - start


def most(run: Run, start: float, end: float) -> float:
    """The largest number kept in any second that ends in the interval, in targets."""
    kept = over_one_second(run["kept"])
    targets = over_one_second(run["target"])
    return max(k / g for t, k, g in zip(run["seconds"], kept, targets, strict=True) if start < t <= end and g > 0)


def mean(run: Run, name: str, start: float, end: float) -> float:
    values = [v for t, v in zip(run["seconds"], run[name], strict=True) if start < t <= end]
    return sum(values) / len(values)


def share(run: Run, start: float, end: float) -> float:
    """Of the process's CPU that tracing took."""
    return mean(run, "tracing_cores", start, end) / mean(run, "process_cores", start, end)


def figures(strategy: Strategy, runs: dict[str, Run]) -> list[str]:
    step, ramp, spikes, day = (runs[name] for name in LOADS)
    lines = [f"{strategy.title}"]
    if strategy.name == "budget":
        tracing, process = (over_one_second(step[name]) for name in ("tracing_cores", "process_cores"))
        for when, start, end in (("before", 10, 20), ("first second", 20, 21), ("next 4 s", 21, 25), ("then", 25, 50)):
            lines.append(f"  step x100 up, {when}: {share(step, start, end):.2%} of the CPU")
        for when, start, end in (("5 s", 50, 55), ("then", 60, 80)):
            lines.append(f"  step down, {when}: {share(step, start, end):.2%} of the CPU")
        lines.append(f"  step: most in a second {max(t / p for t, p in zip(tracing, process, strict=True) if p > 0):.2%}")
        lines.append(f"  ramp, 30 s to 60 s: {share(ramp, 30, 60):.2%}, day, 100 s to 500 s: {share(day, 100, 500):.2%}")
        lines.append(f"  spike x10 for 5 s: {share(spikes, 60, 70):.2%} over the 10 s from its start")
        return lines
    target = strategy.target
    if strategy.name != "bucket":
        lines.append(f"  step x100 up: settled after {settled(step, 20, 50):.2f} s, down: {settled(step, 50, 80):.2f} s")
    lines.append(f"  step x100 up: most in a second {most(step, 20, 25):.2f} targets")
    lines.append(f"  10 s to 30 s after the step: {mean(step, 'kept', 30, 50) / target:.3f} targets")
    lines.append(f"  ramp, 30 s to 60 s: {mean(ramp, 'kept', 30, 60) / target:.3f} targets")
    for name, start in (("x20 for 1 s", 20), ("x50 for 0.2 s", 40), ("x10 for 5 s", 60)):
        lines.append(
            f"  spike {name}: most in a second {most(spikes, start, start + 6):.2f} targets, "
            f"{mean(spikes, 'kept', start, start + 10) / target:.2f} over the 10 s from its start"
        )
    lines.append(f"  day, where the load is above the target: {mean(day, 'kept', 100, 500) / target:.3f} targets")
    return lines


def decimated(values: list[float]) -> list[float]:
    """At most POINTS means over as many neighbours each."""
    width = max(1, -(-len(values) // POINTS))
    groups = [[v for v in values[i : i + width] if not math.isnan(v)] for i in range(0, len(values), width)]
    return [sum(group) / len(group) if group else math.nan for group in groups]


Point = tuple[float, float]


def simplified(points: list[Point]) -> list[Point]:
    """Fewer points of the same line: none that is dropped lies further than TOLERANCE from it (Douglas and Peucker)."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    length = math.hypot(x1 - x0, y1 - y0) or 1
    distances = [abs((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / length for x, y in points]
    furthest = max(range(len(points)), key=distances.__getitem__)
    if distances[furthest] <= TOLERANCE:
        return [points[0], points[-1]]
    return simplified(points[: furthest + 1])[:-1] + simplified(points[furthest:])


@dataclass(frozen=True)
class Panel:
    """One plot: seconds from left to right, a logarithmic scale from bottom to top."""

    left: float
    top: float
    width: float
    height: float
    seconds: float
    low: float  # decimal logarithms
    high: float

    @property
    def clip(self) -> str:
        return f"inside{self.left:.0f}-{self.top:.0f}"

    def x(self, seconds: float) -> float:
        return self.left + self.width * seconds / self.seconds

    def y(self, value: float) -> float:
        power = math.log10(value) if value > 0 else -9  # far below the frame, which clips it
        return self.top + self.height * (self.high - power) / (self.high - self.low)

    def marks(self) -> list[float]:
        """Powers of ten; with fewer than two of them in range, also their doubles and fivefolds."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        for steps in ((1,), (1, 2, 5)):
            marks = [m * 10.0**power for power in powers for m in steps if self.low <= math.log10(m) + power <= self.high]
            if len(marks) > 1:
                break
        return marks

    def frame(self, name: str, numbers: bool) -> list[str]:
        bottom, right = self.top + self.height, self.left + self.width
        step = next(s for s in (20, 50, 100, 200, 500) if self.seconds / s <= 6)
        ticks = range(0, int(self.seconds) + 1, step)
        grid = [f"M{self.x(t):.1f} {self.top:.1f}V{bottom:.1f}" for t in ticks]
        grid += [f"M{self.left:.1f} {self.y(mark):.1f}H{right:.1f}" for mark in self.marks()]
        shape = f"M{self.left:.1f} {self.top:.1f}H{right:.1f}V{bottom:.1f}H{self.left:.1f}z"
        lines = [
            f'<clipPath id="{self.clip}"><path d="{shape}"/></clipPath>',
            f'<path class="grid" d="{"".join(grid)}"/>',
            f'<path class="frame" d="{shape}"/>',
        ]
        if name:
            lines.append(text(self.left + self.width / 2, self.top - 6, "middle", name))
        if numbers:
            lines += [text(self.x(t), bottom + 12, "middle", str(t)) for t in ticks]
            lines.append(text(self.left + self.width / 2, bottom + 24, "middle", "seconds"))
        lines += [text(self.left - 4, self.y(mark) + 3, "end", f"{mark:g}") for mark in self.marks()]
        return lines

    def line(self, seconds: list[float], values: list[float], style: str) -> list[str]:
        points = [(self.x(s), self.y(v)) for s, v in zip(seconds, values, strict=True) if not math.isnan(v)]
        written = " ".join(f"{x:.1f},{y:.1f}" for x, y in simplified(points)) if points else ""
        drawn = f'<polyline class="{style}" clip-path="url(#{self.clip})" points="{written}"/>'
        return textwrap.wrap(drawn, 120, break_on_hyphens=False)


def text(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


STYLE = """<style>text { font: 8px sans-serif } rect, path, polyline { fill: none }
.frame { stroke: #000; stroke-width: 0.8 } .grid { stroke: #b0b0b0; stroke-width: 0.3 }
.offered { stroke: #999 } .kept { stroke: #1f77b4 } .target { stroke: #d62728; stroke-dasharray: 3.7 1.6 }
.probability { stroke: #2ca02c }</style>"""


def powers_of(values: list[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """The ends of a logarithmic scale that holds the values with a margin, or those that are given."""
    positive = [math.log10(v) for v in values if v > 0]
    first, last = min(positive) if low is None else low, max(positive) if high is None else high
    margin = 0.05 * (last - first)
    return (first - margin if low is None else first), (last + margin if high is None else last)


def draw(strategy: Strategy, runs: dict[str, Run]) -> None:
    unit = "spans/s" if strategy.spans > 1 else "traces/s"
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="1008pt" height="360pt" viewBox="0 0 1008 360">', STYLE,
        '<rect width="1008" height="360" style="fill: #fff"/>', text(504, 16, "middle", strategy.title),
    ]  # fmt: skip
    for column, (name, run) in enumerate(runs.items()):
        seconds, probability = decimated(run["seconds"]), decimated(run["probability"])
        rates = {label: decimated(run[label]) for label in ("offered", "kept", "target")}
        left, end = 50 + 240 * column, run["seconds"][-1]
        above = Panel(left, 42, 205, 180, end, *powers_of([v for values in rates.values() for v in values], low=1))
        below = Panel(left, 234, 205, 90, end, *powers_of(probability, high=math.log10(1.5)))
        lines += above.frame(name, numbers=False)
        for label, values in rates.items():
            lines += above.line(seconds, values, label)
        lines += below.frame("", numbers=True)
        lines += below.line(seconds, probability, "probability")
    lines.append('<path d="M192 180h56v38h-56z" style="fill: #fff; stroke: #ccc"/>')
    for row, label in enumerate(("offered", "kept", "target")):
        lines.append(f'<path class="{label}" d="M196 {188 + 11 * row}h20"/>')
        lines.append(text(220, 191 + 11 * row, "start", label))
    share_kept = "share kept" if strategy.name == "bucket" else "probability"
    for y, words in ((132, unit), (279, share_kept)):
        lines.append(f'<text transform="translate(14 {y}) rotate(-90)" text-anchor="middle">{words}</text>')
    (HERE / strategy.file).write_text("\n".join([*lines, "</svg>"]) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", action="store_true", help="print the figures, draw nothing")
    only_figures = parser.parse_args().figures
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        for strategy in STRATEGIES:
            runs = {name: run(program, strategy, load) for name, load in LOADS.items()}
            print("\n".join(figures(strategy, runs)))
            if not only_figures:
                draw(strategy, runs)


if __name__ == "__main__":
    main()
