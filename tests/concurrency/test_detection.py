"""Each sign of a lost Context is counted, told once with its place, and raised in strict mode; healthy use shows none."""

from __future__ import annotations

import contextvars
import gc
import logging
import os
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import Link, SpanKind, Tracer

from nanospan import TracerProvider, concurrency, messaging
from nanospan._native.trace import Detector
from nanospan.propagation import TraceContextTextMapPropagator

TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.fixture
def tracer() -> Tracer:
    return TracerProvider(shutdown_on_exit=False).get_tracer("scope")


def root_in_a_pool(tracer: Tracer, kind: SpanKind = SpanKind.INTERNAL) -> None:
    with ThreadPoolExecutor(1) as pool, tracer.start_as_current_span("request", kind=SpanKind.SERVER):
        pool.submit(lambda: tracer.start_span("lost", kind=kind).end()).result()


def late(tracer: Tracer) -> None:
    with tracer.start_as_current_span("request"):
        with tracer.start_as_current_span("step"):
            captured = context.get_current()
        tracer.start_span("lost", captured).end()


def stale(tracer: Tracer) -> None:
    with tracer.start_as_current_span("request"):
        captured = context.get_current()
    tracer.start_span("lost", captured).end()


def foreign(tracer: Tracer) -> None:
    manager = tracer.start_as_current_span("span")
    contextvars.copy_context().run(manager.__enter__)
    manager.__exit__(None, None, None)


def left(tracer: Tracer) -> None:
    with tracer.start_as_current_span("request"):
        call = concurrency.wrap(lambda: context.attach(context.Context()))
    call()


def abandoned(tracer: Tracer) -> None:
    tracer.start_span("lost")


def unlinked(tracer: Tracer) -> None:
    tracer.start_span("lost", kind=SpanKind.CONSUMER).end()


def empty(tracer: Tracer) -> None:
    TraceContextTextMapPropagator().inject({})


def invalid(tracer: Tracer) -> None:
    TraceContextTextMapPropagator().extract({"traceparent": "00-truncated"})


FIRES: dict[str, Callable[[Tracer], None]] = {
    "root.unexpected": root_in_a_pool,
    "child.late": late,
    "child.stale": stale,
    "detach.foreign": foreign,
    "scope.left": left,
    "span.abandoned": abandoned,
    "consumer.unlinked": unlinked,
    "inject.empty": empty,
    "link.invalid": invalid,
}
OF_A_START = ("root.unexpected", "child.late", "child.stale", "consumer.unlinked")


def test_every_signal_is_here() -> None:
    assert set(FIRES) == set(get_args(concurrency.Signal))


@pytest.mark.parametrize("signal", FIRES)
def test_a_signal_is_counted_and_told_with_its_place(tracer: Tracer, signal: str, caplog: pytest.LogCaptureFixture) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with concurrency.detect(log_first=2, meter_provider=provider) as detection:
        for _ in range(3):
            FIRES[signal](tracer)
        expected = dict.fromkeys(get_args(concurrency.Signal), 0) | {signal: 3}
        assert detection.stats()["signals"] == expected
        assert concurrency.stats()["lost"] == expected
        assert detection.stats()["untracked"] == 0
        (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        assert {point.attributes["signal"]: point.value for point in metric.data.data_points} == expected
    provider.shutdown()
    lines = [record.getMessage() for record in caplog.records if record.name == "nanospan.concurrency"]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"{signal}:")
        assert "test_detection.py:" in line
        assert (" span 'lost' of scope" in line) is (signal in (*OF_A_START, "span.abandoned"))
        assert ("thread 'ThreadPoolExecutor" in line) is (signal == "root.unexpected")
    assert lines[-1].endswith("(the last line of this kind)")
    FIRES[signal](tracer)
    assert detection.stats()["signals"] == expected  # it has stopped
    assert concurrency.stats()["lost"] == {}


@pytest.mark.parametrize("signal", FIRES)
def test_strict_raises(tracer: Tracer, signal: str) -> None:
    inside = []
    with pytest.raises(concurrency.ContextLost, match=signal), concurrency.detect(strict=True):
        try:
            FIRES[signal](tracer)
        except concurrency.ContextLost:
            inside.append(signal)
            raise
    assert (inside == [signal]) is (signal in OF_A_START)
    assert trace.get_current_span() is trace.INVALID_SPAN


class Holder:
    span: Any
    itself: Holder


def in_a_cycle(tracer: Tracer) -> None:
    holder = Holder()
    span: Any = tracer.start_span("lost")
    holder.itself, holder.span, span.holder = holder, span, holder


def while_an_exception_passes(tracer: Tracer) -> None:
    def use(*_: Any) -> None: ...

    with pytest.raises(KeyError, match="of the application"):
        use(tracer.start_span("lost"), {}["of the application"])


def held_while_its_scope_goes(tracer: Tracer) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    span: Any = provider.get_tracer("other").start_span("lost")
    span.provider, provider.span = provider, span  # type: ignore[attr-defined]


@pytest.mark.parametrize("way", [in_a_cycle, while_an_exception_passes, held_while_its_scope_goes])
def test_an_abandoned_span_is_counted_however_it_is_freed(tracer: Tracer, way: Callable[[Tracer], None]) -> None:
    with concurrency.detect() as detection:
        for _ in range(100):
            way(tracer)
        gc.collect()
    assert detection.stats()["signals"]["span.abandoned"] == 100


def test_a_span_that_is_freed_under_the_lock_does_not_wait_for_itself(tracer: Tracer) -> None:
    """The collector runs at any allocation, also of those under the lock."""
    with concurrency.detect() as detection:

        def free() -> None:
            with detection._lock:
                abandoned(tracer)

        thread = threading.Thread(target=free, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert detection.stats()["signals"]["span.abandoned"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent(tracer: Tracer) -> None:
    held, released = threading.Event(), threading.Event()
    with concurrency.detect() as detection:

        def hold() -> None:
            with detection._lock:
                held.set()
                released.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        if not (child := os.fork()):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # nobody else would end one that waits
            abandoned(tracer)
            os._exit(detection.stats()["signals"]["span.abandoned"])
        released.set()
        thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_metric_goes_on_with_the_next_detection(tracer: Tracer) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    for _ in range(3):
        with concurrency.detect(log_first=0, meter_provider=provider):
            unlinked(tracer)
    (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    counts = {point.attributes["signal"]: point.value for point in metric.data.data_points}
    assert counts == dict.fromkeys(get_args(concurrency.Signal), 0) | {"consumer.unlinked": 3}
    provider.shutdown()


def test_strict_sees_the_spans_of_messaging() -> None:
    """It keeps what a tracer raises from the application, and the message goes on."""
    client = messaging.Messaging("kafka", tracer_provider=TracerProvider(shutdown_on_exit=False))
    with (
        pytest.raises(concurrency.ContextLost, match=r"consumer\.unlinked"),
        concurrency.detect(strict=True),
        client.process("topic") as processing,
    ):
        assert processing.span.get_span_context().is_valid


def test_healthy_use_shows_nothing(tracer: Tracer, caplog: pytest.LogCaptureFixture) -> None:
    remote = TraceContextTextMapPropagator().extract({"traceparent": TRACEPARENT})
    with concurrency.detect(strict=True) as detection, concurrency.instrument_threads():
        with ThreadPoolExecutor(4) as pool:
            for kind in SpanKind:
                with tracer.start_as_current_span("request", remote, kind=kind) as span:
                    carrier: dict[str, str] = {}
                    TraceContextTextMapPropagator().inject(carrier)
                    list(pool.map(lambda number: tracer.start_span(f"child {number}").end(), range(8)))
                    threading.Thread(target=lambda: tracer.start_span("child").end()).start()
                linked = [Link(span.get_span_context())]
                tracer.start_span("consumer", kind=SpanKind.CONSUMER, links=linked).end()
            # Roots outside of pools, and in pools while nothing is asked of the process.
            tracer.start_span("job").end()
            pool.submit(lambda: tracer.start_span("job").end()).result()
        with concurrency.detached("background", tracer=tracer):
            tracer.start_span("query").end()
        TraceContextTextMapPropagator().extract({})
        assert set(detection.stats()["signals"].values()) == {0}
        assert detection.stats()["completeness"] == {"scope": 1.0}
    assert caplog.records == []


def test_completeness_is_by_scope(tracer: Tracer) -> None:
    other = TracerProvider(shutdown_on_exit=False).get_tracer("other")
    with concurrency.detect(log_first=0) as detection:
        for _ in range(3):
            other.start_span("root").end()
        root_in_a_pool(tracer)
        stale(tracer)
    assert detection.stats()["completeness"] == {"scope": 0.5, "other": 1.0}


def test_a_span_that_began_before_the_detection(tracer: Tracer) -> None:
    before = tracer.start_span("before", kind=SpanKind.SERVER)
    with concurrency.detect(strict=True) as detection:
        before.end()
        after = tracer.start_span("after", kind=SpanKind.SERVER)
    after.end()
    assert set(detection.stats()["signals"].values()) == {0}


def test_a_second_detection_takes_the_place_of_the_first(tracer: Tracer) -> None:
    first = concurrency.detect(log_first=0)
    with concurrency.detect(log_first=0) as second:
        first.stop()
        stale(tracer)
    assert first.stats()["signals"]["child.stale"] == 0
    assert second.stats()["signals"]["child.stale"] == 1


@pytest.mark.parametrize("how", ["stop", "replace"])
def test_a_detection_that_is_over_goes(tracer: Tracer, how: str) -> None:
    """It, its detector, and what that knows of the spans that lasted."""
    detections, spans = [], []
    for _ in range(3):
        detection = concurrency.detect(log_first=0)
        spans.append(tracer.start_span("lasting", kind=SpanKind.SERVER))
        detections.append(weakref.ref(detection))
        if how == "stop":
            detection.stop()
            # The counts are there as long as the application holds it.
            assert detection.stats()["completeness"] == {"scope": 1.0}
    del detection
    with concurrency.detect(log_first=0):
        gc.collect()
        assert [one() for one in detections] == [None] * 3
        assert sum(type(one) is Detector for one in gc.get_objects()) == 1
    for span in spans:
        span.end()


def test_many_threads(tracer: Tracer) -> None:
    """The counts are exact, and the table is empty afterwards."""
    rounds, workers = 300, 8

    def work() -> None:
        for _ in range(rounds):
            with tracer.start_as_current_span("request", kind=SpanKind.SERVER):
                tracer.start_span("child").end()
            stale(tracer)

    with concurrency.detect(log_first=0) as detection:
        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = detection.stats()
    assert stats["signals"]["child.stale"] == rounds * workers
    assert stats["completeness"] == {"scope": 0.75}
    assert sum(stats["signals"].values()) == rounds * workers


@pytest.mark.parametrize("wrong", [{"strict": 1}, {"log_first": -1}, {"log_first": "3"}])
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        concurrency.detect(**wrong)


def test_the_log_is_quiet_without_a_detection(tracer: Tracer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "nanospan.concurrency")
    for fire in FIRES.values():
        fire(tracer)
    assert [record for record in caplog.records if record.name == "nanospan.concurrency"] == []
