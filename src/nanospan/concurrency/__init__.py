"""Context that survives threads, pools, processes, queues and tasks that outlive their request.

Everything here is explicit and changes nothing by itself, except `instrument_threads`. What travels is the OpenTelemetry
Context: the current span and the baggage, not the other context variables. docs/context has a page for each boundary.
"""

from __future__ import annotations

from nanospan.concurrency._calls import (
    Carry,
    ContextProcessPoolExecutor,
    ContextThreadPoolExecutor,
    map,
    run_in_executor,
    submit,
    wrap,
)
from nanospan.concurrency._detached import detached, spawn_detached
from nanospan.concurrency._detection import ContextLost, Detection, DetectionStats, Signal, detect
from nanospan.concurrency._environment import context_from_environ, environ_for_child
from nanospan.concurrency._instrumentation import Instrumentation, ThreadingInstrumentor, instrument_threads
from nanospan.concurrency._queues import AsyncCarryingQueue, CarryingQueue, Taken, carrying
from nanospan.concurrency._stats import Stats, stats

__all__ = [
    "AsyncCarryingQueue",
    "Carry",
    "CarryingQueue",
    "ContextLost",
    "ContextProcessPoolExecutor",
    "ContextThreadPoolExecutor",
    "Detection",
    "DetectionStats",
    "Instrumentation",
    "Signal",
    "Stats",
    "Taken",
    "ThreadingInstrumentor",
    "carrying",
    "context_from_environ",
    "detached",
    "detect",
    "environ_for_child",
    "instrument_threads",
    "map",
    "run_in_executor",
    "spawn_detached",
    "stats",
    "submit",
    "wrap",
]
