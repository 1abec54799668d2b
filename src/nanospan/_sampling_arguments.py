"""What the constructors of samplers accept."""

from __future__ import annotations

import math

from nanospan._shown import shown

__all__ = ["number_in", "positive"]


def _number(argument: str, value: object, accepted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument} must be {accepted}, not {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be {accepted}, not an integer of {value.bit_length()} bits") from None


def positive(argument: str, value: object) -> float:
    """``value``, if it is a finite number above 0. Raises TypeError for no number and ValueError for any other."""
    accepted = "a finite number above 0"
    number = _number(argument, value, accepted)
    if not 0 < number < math.inf:
        raise ValueError(f"{argument} must be {accepted}, not {shown(value)}")
    return number


def number_in(argument: str, value: object, least: float, most: float, accepted: str) -> float:
    """``value``, if it is a number from ``least`` to ``most``, in words ``accepted``. Raises TypeError and ValueError."""
    number = _number(argument, value, accepted)
    if not least <= number <= most:
        raise ValueError(f"{argument} must be {accepted}, not {shown(value)}")
    return number
