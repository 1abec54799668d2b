"""The ring's binding. Its protocol is tested in C (csrc/tests); this is what Python sees of it."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nanospan._native.queue.span_queue import Ring

MAX_BYTES = 4096
MAX_SPANS = 7


class RingAgainstAList(RuleBasedStateMachine):
    """Whatever is pushed comes out once, in order, with its source; what does not fit is dropped and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(MAX_BYTES, MAX_SPANS)
        self.model: deque[tuple[bytes, int]] = deque()
        self.full = self.oversize = 0

    @rule(size=st.integers(0, 1400), source=st.integers(0, 2**31))
    def push(self, size: int, source: int) -> None:
        payload = bytes((size + index) % 251 + 1 for index in range(size))
        result = self.ring.push(payload, source)
        if result == "ok":
            assert len(self.model) < MAX_SPANS
            self.model.append((payload, source))
        elif result == "oversize":
            assert size + 8 > MAX_BYTES // 4
            self.oversize += 1
        else:
            # Padding at the wrap may take up to the size of one record.
            used = sum(16 + len(kept) for kept, _ in self.model)
            assert len(self.model) == MAX_SPANS or used + 2 * (size + 16) > MAX_BYTES - MAX_BYTES // 4
            self.full += 1

    @precondition(lambda self: self.model)
    @rule(count=st.integers(1, 5))
    def pop(self, count: int) -> None:
        expected = [self.model.popleft() for _ in range(min(count, len(self.model)))]
        assert self.ring.pop(count) == expected

    @invariant()
    def counts(self) -> None:
        assert self.ring.depth == len(self.model)
        assert self.ring.dropped == (self.full, self.oversize)
        assert self.ring.used_bytes <= MAX_BYTES
        if not self.model:
            assert self.ring.pop(1) == []


TestRingAgainstAList = RingAgainstAList.TestCase
TestRingAgainstAList.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


@pytest.mark.parametrize("max_spans", [1, 2, 3, 7, 100, 1000])
def test_the_bound_in_spans_is_exact(max_spans):
    ring = Ring(1 << 20, max_spans)
    results = [ring.push(b"x") for _ in range(max_spans + 5)]
    assert results == ["ok"] * max_spans + ["full"] * 5
    assert ring.dropped == (5, 0)


def test_pop_takes_no_more_bytes_than_asked():
    ring = Ring(1 << 20, 100)
    for _ in range(10):
        ring.push(b"x" * 92)  # with its header, 100 bytes
    assert len(ring.pop(100, 350)) == 3
    assert len(ring.pop(100, 10)) == 1  # always one, however large


@pytest.mark.parametrize("bounds", [(4095, 1), (4096, 0), (4096, 2**31), ((8 << 30) + 1, 1)])
def test_impossible_bounds_are_refused(bounds):
    with pytest.raises(ValueError, match="max_bytes must be"):
        Ring(*bounds)
