"""RateLimited: what a token bucket lets through by a clock that the test holds, floods, and the consistent form."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import nanospan_testing as native
import pytest
from opentelemetry.context import Context
from opentelemetry.trace import TraceState
from support.head_sampling import DROPPED, HIGH, KEPT, by_tracers, context_of, decided

import nanospan
from nanospan.sampling import ALWAYS_OFF, ParentBased, RateLimited, Rule, RuleBased


def kept_now(sampler: Any, asked: int) -> int:
    return native.sampled_of(sampler, asked)


class TestTokenBucket:
    def test_the_burst_and_then_the_rate(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(10, burst=3)
        assert kept_now(sampler, 100) == 3
        for tenth in range(1, 20):
            set_clock(tenth / 10)
            assert kept_now(sampler, 100) == 1
        set_clock(100)
        assert kept_now(sampler, 100) == 3
        assert sampler.stats() == {"asked": 2100, "sampled": 25}

    @pytest.mark.parametrize(("rate", "burst"), [(100, 100), (2.5, 2), (0.5, 1), (0.1, 1)])
    def test_the_burst_is_a_seconds_worth_and_one_at_least(
        self, set_clock: Callable[[float], None], rate: float, burst: int
    ) -> None:
        assert kept_now(RateLimited(rate), 1000) == burst

    def test_slow_rates(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(0.01)
        assert kept_now(sampler, 5) == 1
        set_clock(99.99)
        assert kept_now(sampler, 5) == 0
        set_clock(100)
        assert kept_now(sampler, 5) == 1

    def test_any_stretch_of_time(self, set_clock: Callable[[float], None]) -> None:
        """burst + rate * t at most, of an uneven flood."""
        rate, burst = 50, 7
        sampler = RateLimited(rate, burst=burst)
        times = [number * 0.0137 + (number % 7) * 0.01 for number in range(300)]
        grants = []
        for now in sorted(times):
            set_clock(now)
            grants.append((now, kept_now(sampler, 20)))
        for first in range(0, 300, 23):
            for last in range(first, 300, 17):
                stretch = grants[last][0] - grants[first][0]
                assert sum(kept for _, kept in grants[first : last + 1]) <= burst + rate * stretch + 1e-9
        assert sum(kept for _, kept in grants) == int(burst + rate * grants[-1][0] + 1e-9)

    def test_threads_take_no_token_twice(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(10, burst=1000)
        kept: list[int] = []
        threads = [threading.Thread(target=lambda: kept.append(kept_now(sampler, 5000))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(kept) == 1000

    def test_a_threshold_is_not_told_and_an_incoming_one_erased(self) -> None:
        sampler = RateLimited(1000)
        assert decided(sampler, 1) == (KEPT, {})
        state = TraceState([("v", "1"), ("ot", "th:4;rv:00000000000000")])
        assert decided(sampler, 1, trace_state=state) == (KEPT, {"v": "1", "ot": "rv:00000000000000"})
        assert by_tracers(sampler, context_of(HIGH, TraceState([("ot", "th:4")]))) == [(True, [])] * 3
        empty = RateLimited(1e-3)
        decided(empty, 1)
        assert decided(empty, 1, trace_state=state) == (DROPPED, {"v": "1", "ot": "rv:00000000000000"})


def test_a_flood_of_forced_keeps_stays_within_the_limit(set_clock: Callable[[float], None]) -> None:
    """A request header that has traces kept, sent with every request, by nanospan's tracer."""
    rate, seconds = 10, 30
    forced = RateLimited(rate)
    rules = RuleBased([Rule(attributes={"http.request.header.x-debug": "1"}, sampler=forced)], default=ALWAYS_OFF)
    tracer = nanospan.TracerProvider(sampler=ParentBased(rules), shutdown_on_exit=False).get_tracer("test")
    attributes = {"http.request.header.x-debug": "1"}
    kept = asked = 0
    for step in range(seconds * 20 + 1):
        set_clock(step / 20)
        for _ in range(25):
            span = tracer.start_span("GET /", Context(), attributes=attributes)
            kept += span.get_span_context().trace_flags.sampled
            asked += 1
        assert kept <= rate + rate * step / 20
    assert kept == rate + rate * seconds
    assert rules.stats()["rules"][0] == {"description": "http.request.header.x-debug=1", "matched": asked, "sampled": kept}


def test_a_flood_of_sampled_callers_stays_within_the_limit_at_the_edge(set_clock: Callable[[float], None]) -> None:
    """What docs/sampling/samplers.md advises where callers are not to be trusted."""
    set_clock(0)
    edge = ParentBased(ALWAYS_OFF, remote_parent_sampled=RateLimited(50))
    tracer = nanospan.TracerProvider(sampler=edge, shutdown_on_exit=False).get_tracer("test")
    spans = [tracer.start_span("GET /", context_of(HIGH - number)) for number in range(20_000)]
    assert sum(span.get_span_context().trace_flags.sampled for span in spans) == 50


class TestConsistent:
    def flood(self, sampler: Any, set_clock: Callable[[float], None], per_second: int, seconds: int) -> list[int]:
        """Traces kept in each second of an even flood."""
        kept = []
        steps = 40
        for second in range(seconds):
            in_second = 0
            for step in range(steps):
                set_clock(second + step / steps)
                in_second += native.sampled_of(sampler, per_second // steps, seed=second * steps + step)
            kept.append(in_second)
        return kept

    def test_the_rate_becomes_a_threshold(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(100, consistent=True)
        kept = self.flood(sampler, set_clock, 8000, 30)
        settled = kept[5:]
        # The number of a second is binomial around 100; 25 of them give 2500 with a deviation of 50.
        assert 2250 < sum(settled) < 2750
        assert sampler.probability == pytest.approx(100 / 8000, rel=0.1)
        stats = sampler.stats()
        assert (stats["asked"], stats["sampled"]) == (30 * 8000, sum(kept))

    def test_below_the_limit_everything_is_kept(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(100, consistent=True)
        assert self.flood(sampler, set_clock, 40, 10) == [40] * 10
        assert sampler.threshold == 0
        assert decided(sampler, 1) == (KEPT, {"ot": "th:0"})

    def test_a_kept_trace_says_the_threshold_in_force(self, set_clock: Callable[[float], None]) -> None:
        sampler = RateLimited(10, consistent=True)
        self.flood(sampler, set_clock, 4000, 10)
        decision, members = decided(sampler, HIGH)
        assert decision is KEPT
        assert int(members["ot"].removeprefix("th:").ljust(14, "0"), 16) == sampler.threshold > 2**55
        assert decided(sampler, sampler.threshold - 1) == (DROPPED, {})

    def test_no_threshold_without_it(self) -> None:
        assert RateLimited(10).threshold is None
        assert RateLimited(10).probability is None


class TestArguments:
    @pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
    def test_rates_out_of_range(self, rate: float) -> None:
        with pytest.raises(ValueError, match="traces_per_second must be a finite number above 0"):
            RateLimited(rate)

    @pytest.mark.parametrize("rate", ["10", None, True])
    def test_what_is_no_number(self, rate: Any) -> None:
        with pytest.raises(TypeError, match="traces_per_second"):
            RateLimited(rate)

    def test_bursts(self) -> None:
        for burst in (0.5, 0, -1, float("inf")):
            with pytest.raises(ValueError, match="burst must be"):
                RateLimited(10, burst=burst)
        with pytest.raises(ValueError, match="burst must be None with consistent=True"):
            RateLimited(10, burst=5, consistent=True)

    def test_descriptions(self) -> None:
        assert RateLimited(100).get_description() == "RateLimited{100/s}"
        assert RateLimited(0.5, consistent=True).get_description() == "RateLimited{0.5/s,consistent}"


@pytest.mark.parametrize("consistent", [False, True])
def test_a_forked_child_begins_anew(set_clock: Callable[[float], None], consistent: bool) -> None:
    sampler = RateLimited(5, consistent=consistent)
    native.sampled_of(sampler, 100)
    assert sampler.stats()["asked"] == 100
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kept = native.sampled_of(sampler, 5)
            os.write(writing, f"{kept} {sampler.stats()['asked']} {sampler.stats()['sampled']}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading, "rb") as told:
        assert told.read() == b"5 5 5"
    assert sampler.stats()["asked"] == 100
