"""The C sampling kernels, asked from Python; csrc/tests/sampling/test_threshold.c asks them directly."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanospan._native.sampling.samplers import (
    randomness_from_text,
    ratio_keeps,
    threshold_from_probability,
    threshold_from_text,
    threshold_keeps,
    threshold_to_text,
)

LIMIT = 2**56
values = st.one_of(st.integers(0, LIMIT - 1), st.sampled_from([0, 1, LIMIT - 1, 1 << 55, 0xF << 52]))


@given(threshold=values)
def test_text_of_a_threshold(threshold: int) -> None:
    text = threshold_to_text(threshold)
    assert text == (f"{threshold:014x}".rstrip("0") or "0")
    assert threshold_from_text(text) == threshold
    assert threshold_from_text(f"{threshold:014x}") == threshold


@given(text=st.text(st.sampled_from(string.hexdigits), max_size=16))
def test_threshold_of_text(text: str) -> None:
    legal = 1 <= len(text) <= 14 and text == text.lower()
    assert threshold_from_text(text) == (int(text.ljust(14, "0"), 16) if legal else None)


@given(text=st.text(max_size=16))
def test_any_other_text_is_no_threshold(text: str) -> None:
    if not set(text) <= set("0123456789abcdef"):
        assert threshold_from_text(text) is None
        assert randomness_from_text(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "C", "g", "`", ":", "+8", "-1", " 8", "8 ", "8\n", "0x8", "1_0", "\uff18", "\ud800", "0" * 15],
)
def test_illegal_thresholds(text: str) -> None:
    assert threshold_from_text(text) is None


@pytest.mark.parametrize(
    ("text", "threshold"),
    [("0", 0), ("00", 0), ("8", 0x80000000000000), ("c", 0xC0000000000000), ("028f", 0x028F0000000000)],
)
def test_legal_thresholds(text: str, threshold: int) -> None:
    assert threshold_from_text(text) == threshold


@given(randomness=values)
def test_randomness_is_exactly_fourteen_digits(randomness: int) -> None:
    text = f"{randomness:014x}"
    assert randomness_from_text(text) == randomness
    assert randomness_from_text(text[:-1]) is None
    assert randomness_from_text(text + "0") is None
    assert randomness_from_text("A" + text[1:]) is None


@given(randomness=values, threshold=values)
def test_equality_keeps(randomness: int, threshold: int) -> None:
    assert threshold_keeps(randomness, threshold) == (randomness >= threshold)
    assert threshold_keeps(threshold, threshold)
    if threshold:
        assert not threshold_keeps(threshold - 1, threshold)


@given(
    trace_id=st.integers(0, 2**128 - 1),
    bound=st.one_of(st.integers(0, 2**64), st.sampled_from([0, 2**64])),
)
def test_ratio(trace_id: int, bound: int) -> None:
    assert ratio_keeps(trace_id, bound) == (trace_id % 2**64 < bound)
    for near in (bound - 1, bound, bound + 1):
        if 0 <= near < 2**64:
            assert ratio_keeps(near | 1 << 100, bound) == (near < bound)


@given(probability=st.floats(2**-56, 1))
def test_full_precision_is_the_sdks_number(probability: float) -> None:
    assert threshold_from_probability(probability, 14) == LIMIT - round(probability * 2**56)


@given(probability=st.floats(2**-40, 1), precision=st.integers(1, 14))
def test_rounding_moves_less_than_a_digit(probability: float, precision: int) -> None:
    exact = threshold_from_probability(probability, 14)
    rounded = threshold_from_probability(probability, precision)
    assert 0 <= rounded < LIMIT
    kept_digits = precision if precision >= 14 else min(12, precision)
    assert abs(rounded - exact) <= 16 ** (14 - kept_digits)
    assert len(threshold_to_text(rounded)) <= 14


@pytest.mark.parametrize(
    ("probability", "precision", "text"),
    [
        (0.99, 4, "028f"),
        (0.999999, 4, "0"),
        (1 / 3, 3, "aab"),
        (0.05, 4, "f3333"),
        (0.01, 5, "fd70a4"),
        (1e-9, 4, "fffffffbb48"),
        (2**-52, 4, "ffffffffffff"),
        (2**-56, 14, "ffffffffffffff"),
        (2.5 * 2**-56, 14, "fffffffffffffe"),  # halves go to the even number, as in Python's round()
        (3.5 * 2**-56, 14, "fffffffffffffc"),
        (1, 4, "0"),
    ],
)
def test_probabilities(probability: float, precision: int, text: str) -> None:
    assert threshold_to_text(threshold_from_probability(probability, precision)) == text


def test_arguments_out_of_range_raise() -> None:
    for probability in (0, -0.5, 2**-57, 1.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="probability"):
            threshold_from_probability(probability)
    with pytest.raises(ValueError, match="precision"):
        threshold_from_probability(0.5, 0)
    for value in (-1, LIMIT):
        with pytest.raises(ValueError, match="threshold"):
            threshold_to_text(value)
        with pytest.raises(ValueError, match="randomness"):
            threshold_keeps(value, 0)
    for bound in (-1, 2**64 + 1):
        with pytest.raises(ValueError, match="bound"):
            ratio_keeps(1, bound)
    with pytest.raises(TypeError):
        threshold_from_text(None)  # type: ignore[arg-type]
