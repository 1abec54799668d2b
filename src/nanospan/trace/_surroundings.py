"""What the cost meter cannot time of a span: the calls around its timings, the ``with`` statement, the span's release."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from time import thread_time_ns
from typing import Any

from opentelemetry.context import Context

from nanospan._native.sampling import meter_is_read, meter_reading, set_meter_surroundings
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON

__all__ = ["measure_surroundings"]

ROUNDS = 5
SPANS = 1024
MAX_NS = 5000
"""More than this around a timing was a disturbance."""

_measured = False


def measure_surroundings(make_provider: Callable[..., Any]) -> None:
    """Measure once a process, if a sampler reads the meter: some 10 ms. ``make_provider`` takes ``sampler``.

    CPU time of the thread, so that other threads and processes do not count; the median of five rounds. A fork inherits it.
    """
    global _measured
    if _measured or not meter_is_read():
        return
    _measured = True  # first: the providers made here come back to this function
    unsampled = make_provider(sampler=ALWAYS_OFF).get_tracer("nanospan.cost")
    sampled = make_provider(sampler=ALWAYS_ON).get_tracer("nanospan.cost")
    dropped = unsampled.start_span("cost", Context())
    nothing = min(_nanoseconds(_empty, None) for _ in range(ROUNDS))
    set_meter_surroundings(
        _around(unsampled, "unsampled", nothing),
        _around(sampled, "sampled", nothing),
        _within(min(_nanoseconds(_call, dropped) for _ in range(ROUNDS)) - nothing),
    )


def _around(tracer: Any, kind: str, nothing: float) -> int:
    """The CPU time of a span beyond what the meter records of it."""
    least = []
    for _ in range(ROUNDS):
        before = meter_reading()
        whole = _nanoseconds(_spans, tracer) - nothing
        after = meter_reading()
        timed = after["timed"][kind] - before["timed"][kind]
        recorded = (after["nanoseconds"][kind] - before["nanoseconds"][kind]) / timed if timed else 0.0
        least.append(whole - recorded)
    return _within(sorted(least)[ROUNDS // 2])


def _within(nanoseconds: float) -> int:
    return round(nanoseconds) if 0 < nanoseconds < MAX_NS else 0


def _nanoseconds(work: Callable[[Any], None], argument: Any) -> float:
    began = thread_time_ns()
    work(argument)
    return (thread_time_ns() - began) / SPANS


def _empty(_: Any) -> None:
    for _ in repeat(None, SPANS):
        pass


def _spans(tracer: Any) -> None:
    context = Context()
    for _ in repeat(None, SPANS):
        with tracer.start_as_current_span("cost", context):
            pass


def _call(span: Any) -> None:
    for _ in repeat(None, SPANS):
        span.set_attribute("key", 1)
