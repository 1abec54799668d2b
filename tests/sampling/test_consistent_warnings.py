"""What head samplers warn of, once a process each."""

from __future__ import annotations

import subprocess
import sys

import pytest

WARNINGS = """
import logging, sys
sys.path[:0] = {path!r}
logging.basicConfig(stream=sys.stdout, format="%(name)s|%(message)s")
from support.head_sampling import *
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import TraceState
import nanospan
from nanospan.sampling import *
{code}
"""


def warnings_of(code: str) -> list[str]:
    """The log of another process: these warnings come once in one."""
    program = WARNINGS.format(path=sys.path, code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return [line for line in done.stdout.splitlines() if line.startswith("nanospan")]


class TestWarnings:
    def test_presumed_randomness_is_told_once(self) -> None:
        code = """
for _ in range(3):
    decided(ParentBased(ConsistentProbability(0.5)), 1, context_of(5, random=False))
    decided(ConsistentProbability(0.5, randomness="hash"), 1, context_of(5, random=False, remote=False))
    explicit = TraceState([("ot", "rv:00000000000000")])
    decided(ConsistentProbability(0.5), 1, context_of(5, explicit, random=False, remote=False))
    decided(ConsistentProbability(0.5), 1)
print("nothing yet")
for _ in range(3):
    decided(ConsistentProbability(0.5), 1, context_of(5, random=False, remote=False))
    by_tracers(ParentBased(ConsistentProbability(0.5)), Context(), id_generator=CountingIds())
"""
        (line,) = warnings_of(code)
        assert "presumed to be random" in line and "randomness='hash'" in line

    def test_a_custom_generator_is_noticed(self) -> None:
        code = "by_tracers(ParentBased(ConsistentProbability(0.5)), Context(), id_generator=CountingIds())"
        (line,) = warnings_of(code)
        assert "presumed to be random" in line

    @pytest.mark.parametrize(
        "sampler",
        [
            "ConsistentProbability(0.5)",
            "TraceIdRatioBased(0.5)",
            "RateLimited(1)",
            "RateLimited(1, consistent=True)",
            "Adaptive(1)",
            "OverheadBudget()",
            "RuleBased([], default=ALWAYS_ON)",
            "AlwaysRecord(TraceIdRatioBased(0.5))",
        ],
    )
    def test_a_bare_root_sampler_tears_traces(self, sampler: str) -> None:
        code = f"by_tracers({sampler}, context_of(5, remote=False)); by_tracers({sampler}, Context())\n"
        code += f"by_tracers({sampler}, context_of(5)); by_tracers({sampler}, context_of(6))"
        (line,) = warnings_of(code)
        assert "half a trace" in line and "ParentBased(root=" in line
        assert line.split("|")[1].startswith(sampler.split("(")[0])

    @pytest.mark.parametrize("sampler", ["ConsistentProbability(0.5)", "TraceIdRatioBased(0.5)"])
    @pytest.mark.parametrize("way", ["TracerProvider", "nanospan.TracerProvider", "Proxy"])
    def test_every_tracer_notices(self, way: str, sampler: str) -> None:
        code = f"""
kind = TracerProvider if {way!r} == "TracerProvider" else nanospan.TracerProvider
tracer = kind(sampler={sampler}, shutdown_on_exit=False).get_tracer("test")
nanospan.Tracer.start_span(Proxy(tracer) if {way!r} == "Proxy" else tracer, "span", context_of(5))
"""
        assert len(warnings_of(code)) == 1

    def test_inside_a_parent_based_it_does_not(self) -> None:
        code = """
for sampler in (ConsistentProbability(0.5), TraceIdRatioBased(0.5), RateLimited(1), Adaptive(1), OverheadBudget(),
                RuleBased([], default=ALWAYS_ON)):
    by_tracers(ParentBased(sampler), context_of(5))
    by_tracers(ParentBased(ALWAYS_ON, remote_parent_sampled=sampler), context_of(5))
    by_tracers(AlwaysRecord(ParentBased(sampler)), context_of(5))
by_tracers(RuleBased([Rule(parent="remote", sampler=ALWAYS_ON)], default=ALWAYS_ON), context_of(5))
"""
        assert warnings_of(code) == []
