"""Trace and span ids: never zero, never shared between threads or processes, random in every bit."""

from __future__ import annotations

import math
import os
import random
import threading
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace import id_generator as sdk
from opentelemetry.trace import SpanContext

from nanospan.ids import RandomIdGenerator

IDS_PER_SIDE = 200


@pytest.fixture
def ids() -> RandomIdGenerator:
    return RandomIdGenerator()


def test_is_the_sdks_class_and_random(ids: RandomIdGenerator) -> None:
    assert isinstance(ids, sdk.RandomIdGenerator)
    assert isinstance(ids, sdk.IdGenerator)
    assert ids.is_trace_id_random() is True
    assert type(ids.generate_span_id()) is int
    assert type(ids.generate_trace_id()) is int


def test_valid_and_unique(ids: RandomIdGenerator) -> None:
    count = 200_000
    traces = {ids.generate_trace_id() for _ in range(count)}
    spans = {ids.generate_span_id() for _ in range(count)}
    assert len(traces) == len(spans) == count
    assert min(traces) > 0 and max(traces) < 2**128
    assert min(spans) > 0 and max(spans) < 2**64
    # The halves of a trace id are drawn one after the other: neither may be the other, or a span id.
    lows, highs = {trace % 2**64 for trace in traces}, {trace >> 64 for trace in traces}
    assert len(lows | highs | spans) == 3 * count


@pytest.mark.parametrize(("bits", "method"), [(64, "generate_span_id"), (128, "generate_trace_id")])
def test_every_bit_is_a_fair_coin(ids: RandomIdGenerator, bits: int, method: str) -> None:
    count = 20_000
    ones = [0] * bits
    draw: Callable[[], int] = getattr(ids, method)
    for _ in range(count):
        drawn = draw()
        for bit in range(bits):
            ones[bit] += drawn >> bit & 1
    # Ten standard deviations: honest coins leave these bounds less than once in 10^20 runs.
    allowed = 10 * math.sqrt(count) / 2
    assert all(abs(seen - count / 2) < allowed for seen in ones), ones


def test_seeding_pythons_generator_does_not_repeat_ids(ids: RandomIdGenerator) -> None:
    drawn = []
    for _ in range(2):
        random.seed(1)
        drawn.append((ids.generate_trace_id(), ids.generate_span_id()))
    assert drawn[0] != drawn[1]


def test_threads_do_not_share_a_sequence(ids: RandomIdGenerator) -> None:
    drawn: list[list[int]] = []
    start = threading.Barrier(8)

    def draw() -> None:
        start.wait()
        drawn.append([ids.generate_span_id() for _ in range(5_000)])

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 8
    assert len({span_id for each in drawn for span_id in each}) == 40_000


def draw_in_child(ids: RandomIdGenerator) -> list[int]:
    """Forks, and returns what the child drew."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            drawn = [ids.generate_trace_id() for _ in range(IDS_PER_SIDE)]
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(b"".join(trace_id.to_bytes(16, "big") for trace_id in drawn))
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        raw = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return [int.from_bytes(raw[at : at + 16], "big") for at in range(0, len(raw), 16)]


def test_forked_children_differ_from_the_parent_and_from_each_other(ids: RandomIdGenerator) -> None:
    ids.generate_span_id()  # a state to inherit exists
    sides = [draw_in_child(ids), draw_in_child(ids), [ids.generate_trace_id() for _ in range(IDS_PER_SIDE)]]
    everything = [trace_id for side in sides for trace_id in side]
    assert len(everything) == 3 * IDS_PER_SIDE
    halves = {half for trace_id in everything for half in (trace_id >> 64, trace_id % 2**64)}
    assert len(halves) == 6 * IDS_PER_SIDE


def test_subclass_may_override(ids: RandomIdGenerator) -> None:
    class Prefixed(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return super().generate_trace_id() % 2**64 | 0xABCD << 112

    assert Prefixed().generate_trace_id() >> 112 == 0xABCD
    assert Prefixed().generate_span_id()


def test_through_the_sdk_tracer() -> None:
    provider = TracerProvider(id_generator=RandomIdGenerator(), shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    seen: list[SpanContext] = []
    with tracer.start_as_current_span("outer") as outer:
        seen.append(outer.get_span_context())
        with tracer.start_as_current_span("inner") as inner:
            seen.append(inner.get_span_context())
    assert all(context.is_valid and context.trace_flags.random_trace_id for context in seen)
    assert seen[0].trace_id == seen[1].trace_id
    assert seen[0].span_id != seen[1].span_id
