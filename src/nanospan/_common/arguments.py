"""Checks of arguments: each raises ValueError or TypeError and names the argument and what it accepts."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "check_bool",
    "check_integer",
    "check_key",
    "check_number",
    "check_texts",
    "number_in",
    "positive",
    "safe_repr",
]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def safe_repr(value: object) -> str:
    """``repr(value)``, or what kind of value it is where that fails: an integer may have more digits than the interpreter
    converts (`sys.set_int_max_str_digits`), and anything else may raise."""
    try:
        return repr(value)
    except Exception:
        if isinstance(value, int):
            return f"an integer of {value.bit_length()} bits"
        return f"a {type(value).__name__} that cannot be shown"


def check_integer(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {safe_repr(value)}")


def check_number(name: str, value: Any, least: float, most: float, *, above: bool = False) -> None:
    """`above`: `least` itself is refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    if not (least < value <= most if above else least <= value <= most):
        bounds = f"above {least} and at most {most}" if above else f"from {least} to {most}"
        raise ValueError(f"{name} must be a number {bounds}, not {safe_repr(value)}")


def check_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")


def check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text that UTF-8 can carry, not {safe_repr(value)}") from None


def check_key(value: Any) -> None:
    check_text("key", value)


def check_texts(name: str, values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Collection):
        raise TypeError(f"{name} must be a collection of strings, not {type(values).__name__}")
    if not values:
        raise ValueError(f"{name} must not be empty")
    for index, value in enumerate(values):
        check_text(f"{name}[{index}]", value)
    return tuple(values)


def _number(argument: str, value: object, accepted: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{argument} must be {accepted}, not {safe_repr(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be {accepted}, not an integer of {value.bit_length()} bits") from None


def positive(argument: str, value: object) -> float:
    """``value``, if it is a finite number above 0. Raises TypeError for no number and ValueError for any other."""
    accepted = "a finite number above 0"
    number = _number(argument, value, accepted)
    if not 0 < number < math.inf:
        raise ValueError(f"{argument} must be {accepted}, not {safe_repr(value)}")
    return number


def number_in(argument: str, value: object, least: float, most: float, accepted: str) -> float:
    """``value``, if it is a number from ``least`` to ``most``, in words ``accepted``. Raises TypeError and ValueError."""
    number = _number(argument, value, accepted)
    if not least <= number <= most:
        raise ValueError(f"{argument} must be {accepted}, not {safe_repr(value)}")
    return number
