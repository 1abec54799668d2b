"""What the tasks of every library do here, and what the programs note in redis: the tests count it.

Environment: BROKER, the URL; TRACED, "0" for no spans; FAULT, what fails inside nanospan; KILLS, "1" for tasks that kill
their process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator
from redis import Redis

redis = Redis.from_url(os.environ["BROKER"])
TRACED = os.environ.get("TRACED", "1") == "1"
MALFORMED = {"traceparent": "00-zz-zz-01", "tracestate": "=,=", "baggage": "%"}
KILLING = range(13, 500, 75)
OWN = {"x-own": "ä", "retries-of": "1"}
"""Headers of the application."""


class RaisingPropagator(TextMapPropagator):
    fields: Any = ("traceparent",)

    def inject(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("injected")

    def extract(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("injected")


class RaisingProvider(trace.TracerProvider):
    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return RaisingTracer()


class RaisingTracer(trace.NoOpTracer):
    def start_span(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("injected")


def options() -> dict[str, Any]:
    """For the function that instruments."""
    fault = os.environ.get("FAULT")
    if fault == "propagator":
        propagate.set_global_textmap(RaisingPropagator())
    return {"tracer_provider": RaisingProvider()} if fault == "tracer" else {}


def payload(number: int) -> dict[str, Any]:
    return {"number": number, "text": "ü\n" * (number % 7), "list": [number, None, 1.5], "traceparent": "not a header"}


def first_time(what: str) -> bool:
    return bool(redis.set(what, "1", nx=True))


def work(number: int, data: object, own: object = None) -> int:
    """Note the run; fail, once or always, or kill the process, as the number says."""
    if own is not None and own != OWN:
        redis.rpush("bad", f"{number}: headers {own!r}")
    if data != payload(number):
        redis.rpush("bad", f"{number}: {data!r}")
    if os.environ.get("KILLS") == "1" and number in KILLING and first_time(f"killed {number}"):
        trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]
        redis.sadd("killed", os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)
    context = trace.get_current_span().get_span_context()
    redis.rpush("ran", f"{number} {context.trace_id:032x} {context.span_id:016x} {os.getpid()}")
    if number % 25 == 7 and first_time(f"failed {number}"):
        raise ValueError(f"{number} fails once")
    if number % 25 == 8:
        raise KeyError(f"{number} fails always")
    redis.sadd("done", number)
    return number


def hand_over(send: Callable[[int, dict[str, Any]], str | None], unknown: Callable[[], object] | None = None) -> None:
    """``<program> <first> <last> [malformed]``: hand over tasks, each of which ``send`` returns the id of."""
    first, last = map(int, sys.argv[1:3])
    headers = dict(OWN)
    if "malformed" in sys.argv:
        headers |= MALFORMED
    with trace.get_tracer("work").start_as_current_span(f"order {first}") as order:
        for number in range(first, last + 1):
            redis.rpush("sent", f"{number} {send(number, headers)}")
            assert trace.get_current_span() is order, "a span is still current"
        if unknown is not None and "unknown" in sys.argv:
            unknown()


def expect_refusal(*calls: Callable[[], object], errors: Iterable[type[BaseException]] = (Exception,)) -> None:
    """Each call must raise, and leave nothing current."""
    before = trace.get_current_span()
    for call in calls:
        try:
            call()
        except tuple(errors):
            assert trace.get_current_span() is before, "a span is still current"
        else:
            raise AssertionError("nothing was raised")
