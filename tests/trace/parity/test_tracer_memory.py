"""A process with a tracer for each of many names: a tracer costs no more memory than the SDK's."""

from __future__ import annotations

import gc
import tracemalloc
from sysconfig import get_config_var
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, TraceIdRatioBased

import nanospan

TRACERS = 1000


def bytes_of_a_tracer(provider: Any) -> float:
    for number in range(100):  # what all of them share
        provider.get_tracer(f"first {number}")
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(TRACERS):
            provider.get_tracer(f"scope {number}", "1")
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / TRACERS
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sampler", [DEFAULT_ON, ParentBased(TraceIdRatioBased(0.5))], ids=["default", "ratio"])
def test_a_tracer_costs_no_more_than_the_sdks(sampler: Any) -> None:
    stock = bytes_of_a_tracer(TracerProvider(sampler, shutdown_on_exit=False))
    own = bytes_of_a_tracer(nanospan.TracerProvider(sampler, shutdown_on_exit=False))
    # Without the interpreter lock a tracer keeps a replaced field alive.
    assert own <= (1.2 if get_config_var("Py_GIL_DISABLED") else 1.02) * stock
