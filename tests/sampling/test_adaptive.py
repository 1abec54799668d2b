"""Adaptive and OverheadBudget: what they are told by the tracer, what they make of it, and what tracing is measured to cost.

The laws themselves are tested in csrc/tests; here a clock is held, so that nothing depends on the machine's speed.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

import nanospan_testing as native
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer, set_span_in_context
from support.head_sampling import DROPPED, HIGH, KEPT, context_of, decided

import nanospan
from nanospan._native.sampling import meter_is_read, meter_reading, set_meter_surroundings
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON, Adaptive, AlwaysRecord, OverheadBudget, ParentBased, RuleBased
from nanospan.trace import _surroundings

STEPS = 20


def tracer_of(sampler: Any, kind: Any = nanospan.TracerProvider) -> Tracer:
    return kind(sampler=sampler, shutdown_on_exit=False).get_tracer("test")


def trace(tracer: Tracer, children: int, context: Context | None = None) -> int:
    """Makes a trace; how many of its spans are sampled."""
    sampled = 0
    with tracer.start_as_current_span("root", Context() if context is None else context) as root:
        sampled += root.get_span_context().trace_flags.sampled
        for _ in range(children):
            with tracer.start_as_current_span("child") as child:
                sampled += child.get_span_context().trace_flags.sampled
    return sampled


class TestWhatItIsTold:
    @pytest.mark.parametrize("kind", [nanospan.TracerProvider, TracerProvider])
    def test_how_late_spans_start_after_their_root(self, set_clock: Any, kind: Any) -> None:
        """What it must know to remember for long enough: traces of a minute make a law that forgets after seconds swing."""
        adaptive = Adaptive(1000)
        tracer = tracer_of(ParentBased(adaptive), kind)
        roots = []
        for second in range(120):
            set_clock(second)
            roots.append(tracer.start_span("root", Context()))
            if second >= 60:
                tracer.start_span("late", set_span_in_context(roots[second - 60], Context()))
        assert 50 < adaptive.stats()["span_lag_seconds"] < 65

    @pytest.mark.parametrize("kind", [nanospan.TracerProvider, TracerProvider])
    @pytest.mark.parametrize(
        "wrap",
        [
            ParentBased,
            lambda root: ParentBased(ParentBased(root)),
            lambda root: AlwaysRecord(ParentBased(root)),
            lambda root: ParentBased(AlwaysRecord(root)),
            lambda root: ParentBased(RuleBased([], default=root)),
        ],
    )
    def test_children_and_entries(self, set_clock: Any, kind: Any, wrap: Callable[[Any], Any]) -> None:
        adaptive = Adaptive(1000)
        tracer = tracer_of(wrap(adaptive), kind)
        assert trace(tracer, 3) == 4
        assert trace(tracer, 2, context_of(5)) == 3
        assert trace(tracer, 2, context_of(6, sampled=False)) == 0
        stats = adaptive.stats()
        assert {name: stats[name] for name in ("asked", "sampled", "spans", "entries")} == {
            "asked": 1,
            "sampled": 1,
            "spans": 5,
            "entries": 1,
        }

    def test_spans_that_a_delegate_drops_are_not(self, set_clock: Any) -> None:
        adaptive = Adaptive(1000)
        tracer = tracer_of(ParentBased(adaptive, remote_parent_sampled=ALWAYS_OFF, local_parent_not_sampled=ALWAYS_ON))
        tracer.start_span("dropped", context_of(5))
        tracer.start_span("turned on", context_of(5, remote=False, sampled=False))
        stats = adaptive.stats()
        assert (stats["entries"], stats["spans"]) == (0, 1)


class TestAdaptive:
    def second(self, tracer: Tracer, set_clock: Any, second: int, traces: int, children: int, entries: int = 0) -> int:
        sampled = 0
        for step in range(STEPS):
            set_clock(second + step / STEPS)
            for _ in range(traces // STEPS):
                sampled += trace(tracer, children)
            for _ in range(entries // STEPS):
                sampled += trace(tracer, children, context_of(5))
        return sampled

    def test_spans_a_second(self, set_clock: Any) -> None:
        adaptive = Adaptive(400)
        tracer = tracer_of(ParentBased(adaptive))
        seen = [self.second(tracer, set_clock, second, 1000, 3) for second in range(20)]
        # A hundred traces of four spans a second: fifteen seconds of them deviate by 4 * sqrt(1500) = 155.
        assert 5000 < sum(seen[5:]) < 7000
        assert adaptive.probability == pytest.approx(0.1, rel=0.25)
        assert adaptive.stats()["spans_per_trace"] == pytest.approx(4, rel=0.05)
        assert adaptive.stats()["offered_per_second"] == pytest.approx(1000, rel=0.05)

    def test_entries_are_part_of_the_target(self, set_clock: Any) -> None:
        adaptive = Adaptive(400)
        tracer = tracer_of(ParentBased(adaptive))
        seen = [self.second(tracer, set_clock, second, 400, 1, entries=100) for second in range(20)]
        # 200 spans a second enter and stay; 200 are left, of 800 offered.
        assert adaptive.probability == pytest.approx(0.25, rel=0.25)
        assert 15 * 330 < sum(seen[5:]) < 15 * 470

    def test_below_the_target_all_are_kept_and_say_so(self, set_clock: Any) -> None:
        adaptive = Adaptive(1e6)
        tracer = tracer_of(ParentBased(adaptive))
        assert [self.second(tracer, set_clock, second, 100, 1) for second in range(3)] == [200] * 3
        assert (adaptive.threshold, adaptive.probability) == (0, 1.0)
        assert tracer.start_span("root", Context()).get_span_context().trace_state == {"ot": "th:0"}

    def test_kept_traces_say_the_threshold_in_force(self, set_clock: Any) -> None:
        adaptive = Adaptive(10)
        tracer = tracer_of(ParentBased(adaptive))
        told = set()
        for second in range(5):
            self.second(tracer, set_clock, second, 400, 0)
            decision, members = decided(adaptive, HIGH)
            assert decision is KEPT
            assert int(members["ot"].removeprefix("th:").ljust(14, "0"), 16) == adaptive.threshold
            told.add(adaptive.threshold)
        assert len(told) > 1
        assert decided(adaptive, adaptive.threshold - 1)[0] is DROPPED

    def test_a_least_probability(self, set_clock: Any) -> None:
        adaptive = Adaptive(1, min_probability=0.5)
        for step in range(100):
            set_clock(step / STEPS)
            native.sampled_of(adaptive, 100, seed=step)
        assert adaptive.probability == pytest.approx(0.5, rel=1e-3)

    def test_a_forked_child_begins_anew(self, set_clock: Any) -> None:
        adaptive = Adaptive(10)
        tracer = tracer_of(ParentBased(adaptive))
        self.second(tracer, set_clock, 0, 400, 1)
        assert adaptive.probability < 1
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                stats = adaptive.stats()
                os.write(writing, f"{stats['probability']} {stats['asked']} {stats['spans']}".encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with open(reading, "rb") as told:
            assert told.read() == b"1.0 0 0"
        assert adaptive.stats()["asked"] == 400

    def test_arguments_and_description(self) -> None:
        assert Adaptive(1000).get_description() == "Adaptive{1000 spans/s}"
        for wrong in (0, -1, float("inf"), float("nan")):
            with pytest.raises(ValueError, match="target_spans_per_second must be a finite number above 0"):
                Adaptive(wrong)
            with pytest.raises(ValueError, match="averaging_seconds"):
                Adaptive(1, averaging_seconds=wrong)
        for wrong in (0, 1.5, float("nan")):
            with pytest.raises(ValueError, match="min_probability"):
                Adaptive(1, min_probability=wrong)
        with pytest.raises(TypeError, match="target_spans_per_second"):
            Adaptive("1")  # type: ignore[arg-type]


class Discarding(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def added(before: dict[str, Any], kind: str) -> tuple[int, int]:
    """Timed spans of a kind since a reading of the cost meter, and their nanoseconds."""
    now = meter_reading()
    return now["timed"][kind] - before["timed"][kind], now["nanoseconds"][kind] - before["nanoseconds"][kind]


@pytest.mark.thread_unsafe(reason="the meter is that of the process")
class TestMeter:
    def test_nothing_is_measured_while_nobody_reads(self) -> None:
        gc.collect()
        assert not meter_is_read()
        before = meter_reading()
        trace(tracer_of(ParentBased(ALWAYS_ON)), 200)
        assert meter_reading() == before

    def test_one_span_in_64_is_timed(self) -> None:
        budget = OverheadBudget()
        assert meter_is_read()
        tracer = tracer_of(ParentBased(ALWAYS_ON))
        for make in (lambda: tracer.start_span("span", Context()).end(), lambda: trace(tracer, 0)):
            before = meter_reading()
            for _ in range(6400):
                make()
            now = meter_reading()
            timed, nanoseconds = added(before, "sampled")
            assert (now["spans"] - before["spans"], now["sampled"] - before["sampled"]) == (6400, 6400)
            assert 95 <= timed <= 105
            assert nanoseconds > 0
            assert added(before, "unsampled") == (0, 0)
        del budget
        gc.collect()
        assert not meter_is_read()

    def test_spans_that_are_not_sampled(self) -> None:
        budget = OverheadBudget()
        for sampler, make in (
            (ALWAYS_OFF, lambda tracer: tracer.start_span("span", Context()).end()),
            (ALWAYS_OFF, lambda tracer: trace(tracer, 0)),
            (AlwaysRecord(ALWAYS_OFF), lambda tracer: trace(tracer, 0)),
        ):
            tracer = tracer_of(sampler)
            before = meter_reading()
            for _ in range(6400):
                make(tracer)
            timed, nanoseconds = added(before, "unsampled")
            assert 95 <= timed <= 105
            assert nanoseconds > 0
            assert added(before, "sampled") == (0, 0)
            assert meter_reading()["sampled"] == before["sampled"]
        del budget

    def test_what_surrounds_a_timing_counts(self) -> None:
        budget = OverheadBudget()
        kept, dropped = tracer_of(ParentBased(ALWAYS_ON)), tracer_of(ALWAYS_OFF)
        set_meter_surroundings(10_000, 20_000, 30_000)
        try:
            before = meter_reading()
            for _ in range(640):
                dropped.start_span("span", Context()).end()
                span = kept.start_span("span", Context())
                span.set_attribute("key", 1)
                span.end()
            for kind, least in (("unsampled", 10_000), ("sampled", 50_000)):
                timed, nanoseconds = added(before, kind)
                assert timed > 0
                assert nanoseconds >= timed * least
        finally:
            set_meter_surroundings(0, 0, 0)
        del budget

    def test_a_provider_measures_it_once_if_a_sampler_reads_the_meter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gc.collect()
        measured: list[tuple[int, ...]] = []
        monkeypatch.setattr(_surroundings, "_measured", False)
        monkeypatch.setattr(_surroundings, "set_meter_surroundings", lambda *around: measured.append(around))
        nanospan.TracerProvider(shutdown_on_exit=False)
        assert measured == []
        for _ in range(2):
            nanospan.TracerProvider(sampler=ParentBased(OverheadBudget()), shutdown_on_exit=False)
        ((unsampled, sampled, call),) = measured
        assert all(0 <= around < _surroundings.MAX_NS for around in (unsampled, sampled, call))

    def test_attributes_of_timed_spans_count(self) -> None:
        """Setting one that takes long costs what it takes."""

        class Slow:
            def __str__(self) -> str:
                time.sleep(0.0002)
                return "slow"

        budget = OverheadBudget()
        tracer = tracer_of(ParentBased(ALWAYS_ON))
        before = meter_reading()
        slow = Slow()
        for _ in range(640):
            with tracer.start_as_current_span("span", Context()) as span:
                span.set_attribute("a", slow)  # type: ignore[arg-type]
                span.set_attributes({"b": slow})  # type: ignore[dict-item]
        timed, nanoseconds = added(before, "sampled")
        assert timed >= 9
        # Of one span no more than 100 microseconds are booked: the rest counts as waiting.
        assert nanoseconds == timed * 100_000
        del budget

    def test_the_worker_tells_its_cpu(self) -> None:
        budget = OverheadBudget()
        provider = nanospan.TracerProvider(sampler=ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        provider.add_span_processor(nanospan.BatchSpanProcessor(Discarding(), schedule_delay_millis=10))
        tracer = provider.get_tracer("test")
        before = meter_reading()["worker"]
        deadline = time.monotonic() + 30
        while meter_reading()["worker"] == before and time.monotonic() < deadline:
            trace(tracer, 50)
            provider.force_flush()
        assert meter_reading()["worker"] > before
        provider.shutdown()
        del budget


class TestOverheadBudget:
    def test_the_costs_make_the_target(self, set_clock: Any) -> None:
        budget = OverheadBudget(0.01)
        tracer = tracer_of(ParentBased(budget))
        allowed_at_first = budget.stats()["allowed_spans_per_second"]
        for step in range(80):
            set_clock(step / STEPS)
            for _ in range(20):
                trace(tracer, 1)
        stats = budget.stats()
        assert stats["process_cores"] > 0
        assert stats["seconds_per_span"] > 0
        left = 0.01 * max(stats["process_cores"], 0.05) - stats["unsampled_cores"]
        assert stats["allowed_spans_per_second"] == pytest.approx(max(0.0, left) / stats["seconds_per_span"])
        assert stats["allowed_spans_per_second"] != allowed_at_first
        assert stats["target_per_second"] == stats["allowed_spans_per_second"]
        assert (stats["asked"], stats["spans"] >= stats["sampled"]) == (1600, True)

    def test_a_forked_child_measures_anew(self, set_clock: Any) -> None:
        budget = OverheadBudget()
        tracer = tracer_of(ParentBased(budget))
        for _ in range(640):
            trace(tracer, 0)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                stats = budget.stats()
                os.write(writing, f"{stats['asked']} {meter_reading()['spans']} {stats['process_cores']}".encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with open(reading, "rb") as told:
            assert told.read() == b"0 0 0.0"
        assert meter_reading()["spans"] >= 640

    def test_arguments_and_description(self) -> None:
        assert OverheadBudget().get_description() == "OverheadBudget{0.02}"
        for wrong in (0, -0.1, 1.1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="cpu_fraction must be"):
                OverheadBudget(wrong)
        with pytest.raises(ValueError, match="averaging_seconds"):
            OverheadBudget(averaging_seconds=0)
        with pytest.raises(ValueError, match="min_probability"):
            OverheadBudget(min_probability=0)
        with pytest.raises(TypeError, match="cpu_fraction"):
            OverheadBudget("0.1")  # type: ignore[arg-type]
