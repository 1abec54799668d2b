"""Cases of the kind of the SDK's own trace benchmarks, and the operations they leave out. None may be slower than stock.

    python benchmarks/upstream_cases.py [--rounds 30] [CASE ...]

A CASE may be a part of a name. Exit status 1 if a case is slower. Used by test_upstream_cases.py as well, case by case.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from common.contenders import IMPLEMENTATIONS, TEN_ATTRIBUTES, Implementation
from common.interleave import interleave, ratios, report
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import DEFAULT_ON
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, Tracer

from nanospan.receiver import ReceiverProcess

CALLS = 200
"""Of the case, in one round of one implementation."""
CONTENTION_SPANS = 4000
CONTENTION_THREADS = (1, 2, 4, 8)
CONTENTION_QUEUE = 8192
FLUSH_MILLIS = 60_000
NOISE = 0.03
"""Two runs of the same code differ by as much: below it a case counts as equal, and is named so."""

_ATTRIBUTES = {count: {f"attribute.{number}": f"value {number}" for number in range(count)} for count in (0, 1, 10, 50, 128)}
_LINKS = [Link(SpanContext(number, number, False, TraceFlags(1)), {"number": number}) for number in range(1, 6)]
_OK, _ERROR = Status(StatusCode.OK), Status(StatusCode.ERROR, "it failed")

Prepare = Callable[[Tracer], Callable[[], object]]
"""Takes a tracer and gives what is called again and again."""


def _raised() -> ValueError:
    try:
        raise ValueError("it failed")
    except ValueError as error:
        return error


def start_with(count: int, tracer: Tracer) -> Callable[[], object]:
    attributes = _ATTRIBUTES[count]
    return lambda: tracer.start_span("span", attributes=attributes).end()


def start_span_with_event(tracer: Tracer) -> Callable[[], object]:
    def call() -> None:
        span = tracer.start_span("span", attributes={"long.attribute": -10000000001000000000})
        span.add_event("event")
        span.end()

    return call


def start_as_current_span_with_event(tracer: Tracer) -> Callable[[], object]:
    def call() -> None:
        with tracer.start_as_current_span("span", attributes={"long.attribute": -10000000001000000000}) as span:
            span.add_event("event")

    return call


def read_attributes(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span", attributes=TEN_ATTRIBUTES)
    return lambda: span.attributes


def copy_attributes(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span", attributes=TEN_ATTRIBUTES)
    return lambda: dict(span.attributes)


def read_one_attribute(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span", attributes=TEN_ATTRIBUTES)
    return lambda: span.attributes["app.tenant"]


def set_attribute(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")
    return lambda: span.set_attribute("http.route", "/users/{id}")


def set_ten_attributes(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")
    return lambda: span.set_attributes(TEN_ATTRIBUTES)


def set_sequence_attribute(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")
    values = [str(number) for number in range(10)]
    return lambda: span.set_attribute("tags", values)


def add_ten_events(attributes: dict | None, tracer: Tracer) -> Callable[[], object]:
    def call() -> None:
        span = tracer.start_span("span")
        for _ in range(10):
            span.add_event("event", attributes)
        span.end()

    return call


def add_event_to_full_span(tracer: Tracer) -> Callable[[], object]:
    """Every call evicts the oldest event."""
    span = tracer.start_span("span")
    for _ in range(200):
        span.add_event("event")
    return lambda: span.add_event("event")


def links_at_start(tracer: Tracer) -> Callable[[], object]:
    return lambda: tracer.start_span("span", links=_LINKS).end()


def add_five_links(tracer: Tracer) -> Callable[[], object]:
    contexts = [link.context for link in _LINKS]

    def call() -> None:
        span = tracer.start_span("span")
        for context in contexts:
            span.add_link(context, {"number": 1})
        span.end()

    return call


def nested(depth: int, tracer: Tracer) -> Callable[[], object]:
    def descend(left: int) -> None:
        with tracer.start_as_current_span("span"):
            if left > 1:
                descend(left - 1)

    return lambda: descend(depth)


def explicit_parent(tracer: Tracer) -> Callable[[], object]:
    context = trace.set_span_in_context(tracer.start_span("parent"))
    return lambda: tracer.start_span("span", context).end()


def record_exception(tracer: Tracer) -> Callable[[], object]:
    error = _raised()

    def call() -> None:
        span = tracer.start_span("span")
        span.record_exception(error)
        span.end()

    return call


def exception_through_span(tracer: Tracer) -> Callable[[], object]:
    def call() -> None:
        try:
            with tracer.start_as_current_span("span"):
                raise ValueError("it failed")
        except ValueError:
            pass

    return call


def set_status_error(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")
    return lambda: span.set_status(_ERROR)


def set_status_ok(tracer: Tracer) -> Callable[[], object]:
    def call() -> None:
        span = tracer.start_span("span")
        span.set_status(_OK)
        span.end()

    return call


def update_name(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")
    return lambda: span.update_name("another")


def is_recording(tracer: Tracer) -> Callable[[], object]:
    return tracer.start_span("span").is_recording


def get_span_context(tracer: Tracer) -> Callable[[], object]:
    return tracer.start_span("span").get_span_context


def use_span(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span")

    def call() -> None:
        with trace.use_span(span):
            pass

    return call


def as_decorator(tracer: Tracer) -> Callable[[], object]:
    @tracer.start_as_current_span("span")
    def traced() -> None:
        pass

    return traced


def to_json(tracer: Tracer) -> Callable[[], object]:
    span = tracer.start_span("span", attributes=TEN_ATTRIBUTES, links=_LINKS)
    span.add_event("event", {"a": 1})
    span.end()
    return span.to_json


CASES: dict[str, Prepare] = {
    "start_span with attribute and event": start_span_with_event,
    "start_as_current_span with attribute and event": start_as_current_span_with_event,
    **{f"start with {count} attributes": partial(start_with, count) for count in _ATTRIBUTES},
    "read attributes": read_attributes,
    "read one of ten attributes": read_one_attribute,
    "copy ten attributes": copy_attributes,
    "set_attribute": set_attribute,
    "set_attributes, ten": set_ten_attributes,
    "set_attribute, ten strings": set_sequence_attribute,
    "ten add_event": partial(add_ten_events, None),
    "ten add_event with three attributes": partial(add_ten_events, {"a": 1, "b": "two", "c": 3.0}),
    "add_event to a full span": add_event_to_full_span,
    "five links at start": links_at_start,
    "five add_link": add_five_links,
    "ten nested spans": partial(nested, 10),
    "start with explicit parent": explicit_parent,
    "record_exception": record_exception,
    "exception through a span": exception_through_span,
    "set_status error": set_status_error,
    "set_status ok": set_status_ok,
    "update_name": update_name,
    "is_recording": is_recording,
    "get_span_context": get_span_context,
    "use_span": use_span,
    "as decorator": as_decorator,
    "to_json": to_json,
}


def tracer_of(implementation: Implementation) -> Tracer:
    """Without a processor: what is measured is the span."""
    return implementation.provider(sampler=DEFAULT_ON).get_tracer("benchmark", "1.0")


class Contention:
    """Threads that make spans at once, beside the worker of a batch processor with live export. A context manager."""

    def __init__(self, implementation: Implementation, threads: int, endpoint: str) -> None:
        processor = implementation.processor(endpoint, max_queue_size=CONTENTION_QUEUE)
        self._provider = implementation.provider(processor, sampler=DEFAULT_ON)
        self._tracer = self._provider.get_tracer("benchmark", "1.0")
        self._pool = ThreadPoolExecutor(threads)
        self._shares = [CONTENTION_SPANS // threads] * threads

    def make_spans(self) -> None:
        list(self._pool.map(self._make, self._shares))

    def _make(self, count: int) -> None:
        tracer = self._tracer
        for _ in range(count):
            with tracer.start_as_current_span("span", attributes=TEN_ATTRIBUTES):
                pass

    def flush(self) -> None:
        if not self._provider.force_flush(FLUSH_MILLIS):
            raise RuntimeError("the spans could not be delivered")

    def __enter__(self) -> Contention:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pool.shutdown()
        self._provider.shutdown()


def run(rounds: int = 30, wanted: tuple[str, ...] = ()) -> list[str]:
    """Print every case whose name contains one of ``wanted`` (all without any); returns those that are slower."""
    slower, equal = [], []

    def take(title: str, series: dict) -> None:
        report(title, series, "stock")
        by_minima, _ = ratios(series["stock"], series["nanospan"])
        if by_minima < 1 - NOISE:
            print("  SLOWER than stock")
            slower.append(title)
        elif by_minima <= 1 + NOISE:
            print("  equal within noise")
            equal.append(title)

    def is_wanted(title: str) -> bool:
        return not wanted or any(part in title for part in wanted)

    for title, prepare in CASES.items():
        if is_wanted(title):
            calls = {name: _repeat(prepare(tracer_of(one))) for name, one in IMPLEMENTATIONS.items()}
            take(title, interleave(calls, items=CALLS, rounds=rounds))
    contentions = {f"{threads} threads beside a batch processor": threads for threads in CONTENTION_THREADS}
    for title, threads in contentions.items():
        if is_wanted(title):
            take(title, _measure_contention(threads, max(2, rounds // 2)))
    print(f"\nequal within {NOISE:.0%}: {', '.join(equal) or 'none'}")
    print(f"slower than stock: {', '.join(slower) or 'none'}")
    return slower


def _repeat(call: Callable[[], object]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(CALLS):
            call()

    return repeated


def _measure_contention(threads: int, rounds: int) -> dict:
    stock, nanospan = IMPLEMENTATIONS["stock"], IMPLEMENTATIONS["nanospan"]
    with (
        ReceiverProcess(grpc_port=None) as receiver,
        Contention(stock, threads, receiver.endpoint_http) as one,
        Contention(nanospan, threads, receiver.endpoint_http) as other,
    ):
        contentions = {"stock": one, "nanospan": other}
        series = interleave(
            {name: contention.make_spans for name, contention in contentions.items()},
            items=CONTENTION_SPANS,
            rounds=rounds,
            between=lambda name: contentions[name].flush(),
        )
        sent = len(contentions) * (rounds + 1) * CONTENTION_SPANS
        receiver.wait_for_spans(sent, 10.0)
        arrived = receiver.stats()["spans"]
        assert arrived == sent, f"{arrived} spans arrived of {sent}"
    return series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    sys.exit(1 if run(arguments.rounds, tuple(arguments.cases)) else 0)


if __name__ == "__main__":
    main()
