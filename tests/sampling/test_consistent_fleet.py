"""Processes with different ratios, one of them without nanospan: whatever the smaller keeps, the larger keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.selection.examples import examples

TRACES = examples(20_000)
PROGRAM = """
import random, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator

class SharedIds(IdGenerator):
    def __init__(self):
        self.random = random.Random(5)
    def generate_trace_id(self):
        return self.random.getrandbits(128) or 1
    def generate_span_id(self):
        return 1
    def is_trace_id_random(self):
        return True

make, ratio, count = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
if make == "stock":
    from opentelemetry.sdk.trace._sampling_experimental import composable_traceid_ratio_based, composite_sampler
    provider = TracerProvider(sampler=composite_sampler(composable_traceid_ratio_based(ratio)), id_generator=SharedIds())
    assert "nanospan" not in sys.modules
else:
    import nanospan
    from nanospan.sampling import ConsistentProbability, ParentBased
    provider = nanospan.TracerProvider(sampler=ParentBased(ConsistentProbability(ratio)), id_generator=SharedIds())
tracer = provider.get_tracer("test")
for _ in range(count):
    context = tracer.start_span("span").get_span_context()
    if context.trace_flags.sampled:
        print(f"{context.trace_id:032x}", context.trace_state["ot"])
"""


def kept_by(make: str, ratio: float) -> dict[str, str]:
    """The trace ids that a process keeps, and what it says about them."""
    command = [sys.executable, "-c", PROGRAM, make, str(ratio), str(TRACES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.parametrize("ratios", [(0.02, 0.1, 0.5), (0.3, 1 / 3, 0.34)])
def test_the_smaller_keeps_nothing_that_the_larger_does_not(ratios: tuple[float, float, float]) -> None:
    smallest, middle, largest = (
        kept_by("nanospan", ratios[0]),
        kept_by("stock", ratios[1]),
        kept_by("nanospan", ratios[2]),
    )
    assert 0 < len(smallest) < len(middle) < len(largest) < TRACES
    assert smallest.keys() <= middle.keys() <= largest.keys()
    for kept in (smallest, middle, largest):
        (told,) = set(kept.values())
        threshold = int(told.removeprefix("th:").ljust(14, "0"), 16)
        assert all(int(trace_id[-14:], 16) >= threshold for trace_id in kept)
