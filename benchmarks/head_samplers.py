"""What a root decision costs: each native sampler against ALWAYS_ON, taking turns in one run.

    python benchmarks/head_samplers.py                   start_span of a root by nanospan's tracer, then the decision alone
    python benchmarks/head_samplers.py --instructions    instructions of the decision alone, by callgrind: the same on a busy
                                                         machine. Needs valgrind

The samplers are set so that they keep every trace: what a span costs is then the same for all, and the difference is the
decision. The bar is 60 ns beyond ALWAYS_ON, and 40 ns more for a rule that is examined.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from shutil import which
from typing import Any

from common.interleave import Series, interleave
from nanospan_testing import sampled_of
from opentelemetry.context import Context

import nanospan
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    OverheadBudget,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
    Sampler,
    TraceIdRatioBased,
)

ENOUGH = 1e12  # a second: no limit is reached
SPANS = 2000
DECISIONS = 20_000
BASE = "ALWAYS_ON"
ATTRIBUTES = {"http.request.method": "GET", "url.path": "/users/1042", "server.port": 443, "http.route": "/users/{id}"}
_COLLECTED = re.compile(r"Collected : (\d+)")


def rules(count: int, **conditions: Any) -> Callable[[], Sampler]:
    """A sampler of so many rules, none of which matches."""
    return lambda: RuleBased([Rule(sampler=ALWAYS_OFF, **conditions)] * count, default=ALWAYS_ON)


SAMPLERS: dict[str, Callable[[], Sampler]] = {
    BASE: lambda: ALWAYS_ON,
    "TraceIdRatioBased": lambda: TraceIdRatioBased(1),
    "ConsistentProbability": lambda: ConsistentProbability(1),
    "ParentBased(Consistent...)": lambda: ParentBased(ConsistentProbability(1)),
    "AlwaysRecord(Parent...)": lambda: AlwaysRecord(ParentBased(ConsistentProbability(1))),
    "RateLimited": lambda: RateLimited(ENOUGH),
    "RateLimited(consistent)": lambda: RateLimited(ENOUGH, consistent=True),
    "Adaptive": lambda: Adaptive(ENOUGH),
    "RuleBased, no rule": rules(0),
    "RuleBased, 10 names": rules(10, name="GET /health"),
    "RuleBased, 10 patterns": rules(10, name="GET /health*"),
    "RuleBased, 10 attributes": rules(10, attributes={"http.route": "/checkout"}),
}
# Apart: while there is one, every span of the process is counted and one in 64 timed.
BUDGET: dict[str, Callable[[], Sampler]] = {
    BASE + ", metered": lambda: ALWAYS_ON,
    "OverheadBudget": lambda: OverheadBudget(1.0, min_probability=1.0),
}


def starting(sampler: Sampler) -> Callable[[], None]:
    start_span = nanospan.TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("benchmark").start_span
    context = Context()

    def start() -> None:
        for _ in range(SPANS):
            start_span("GET /users/{id}", context, attributes=ATTRIBUTES)

    return start


def deciding(sampler: Sampler) -> Callable[[], object]:
    return lambda: sampled_of(sampler, DECISIONS)


def show(title: str, series: Mapping[str, Series]) -> None:
    """A line for each sampler: its time, and how much more that is than of the first one, by minima and by medians."""
    print(f"\n{title}")
    base = next(iter(series.values()))
    for name, one in series.items():
        beyond = "" if one is base else f"   {one.least - base.least:+7.1f} ns  ({one.median - base.median:+.1f})"
        print(f"  {name:28} min {one.least:8.1f} ns   median {one.median:8.1f}{beyond}")


def measure(samplers: Mapping[str, Callable[[], Sampler]], rounds: int) -> None:
    made = {name: make() for name, make in samplers.items()}
    show("start_span of a root", interleave({name: starting(one) for name, one in made.items()}, SPANS, rounds))
    decisions = {name: deciding(one) for name, one in made.items()}
    show("the decision alone (with the making of a random id)", interleave(decisions, DECISIONS, rounds))


def collected(name: str, decisions: int) -> int:
    """Instructions of a whole process that decides so often."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, "--decide", name, str(decisions)], capture_output=True, text=True, env=environment, check=False
    )
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{name}: {done.stderr.strip()[-800:]}")
    return int(found[1])


def instructions() -> None:
    """The difference of two runs, so that start-up cancels out."""
    count = 100_000
    base = 0.0
    for name in [*SAMPLERS, "OverheadBudget"]:
        each = (collected(name, 2 * count) - collected(name, count)) / count
        base = base or each
        print(f"  {name:28} {each:7.1f} instructions a decision   {each - base:+7.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--decide", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.decide:
        name, count = arguments.decide
        sampler = (SAMPLERS | BUDGET)[name]()
        sampled_of(sampler, 1000)
        sampled_of(sampler, int(count))
        os._exit(0)
    if arguments.instructions:
        if which("valgrind") is None:
            sys.exit("valgrind is not installed")
        instructions()
        return
    measure(SAMPLERS, arguments.rounds)
    measure(BUDGET, arguments.rounds)


if __name__ == "__main__":
    main()
