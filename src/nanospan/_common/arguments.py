"""Checks of arguments. Each raises TypeError or ValueError, with the argument's name and the accepted values."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "MAX_FLOAT",
    "check_bool",
    "check_has",
    "check_integer",
    "check_key",
    "check_number",
    "check_positive",
    "check_text",
    "check_texts",
    "constructor_text",
    "safe_repr",
]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_FLOAT = sys.float_info.max


def safe_repr(value: object) -> str:
    """`repr()` that never raises, for error messages.

    `repr()` raises for an integer of more digits than `sys.set_int_max_str_digits` allows, and may raise for any object.
    """
    try:
        return repr(value)
    except Exception:
        if isinstance(value, int):
            return f"an integer of {value.bit_length()} bits"
        return f"a {type(value).__name__} that cannot be shown"


def check_integer(name: str, value: Any, minimum: int, maximum: float, *, accepted: str | None = None) -> int:
    """``value``, if it is an int from ``minimum`` to ``maximum``. ``accepted`` describes that range in messages."""
    if accepted is None:
        accepted = f"an integer from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be {accepted}, not {safe_repr(value)}")
    if not minimum <= value <= maximum:
        raise ValueError(f"{name} must be {accepted}, not {safe_repr(value)}")
    return value


def check_number(
    name: str, value: Any, minimum: float, maximum: float, *, above: bool = False, accepted: str | None = None
) -> float:
    """``value`` as a float, if it is an int or a float from ``minimum`` to ``maximum``.

    ``above`` excludes ``minimum`` itself. ``accepted`` describes the range in messages.
    """
    if accepted is None:
        accepted = f"a number above {minimum} and at most {maximum}" if above else f"a number from {minimum} to {maximum}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be {accepted}, not {safe_repr(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.nan
    if not (minimum < number <= maximum if above else minimum <= number <= maximum):
        raise ValueError(f"{name} must be {accepted}, not {safe_repr(value)}")
    return number


def check_positive(name: str, value: Any) -> float:
    """``value`` as a float, if it is a finite number above 0."""
    return check_number(name, value, 0, MAX_FLOAT, above=True, accepted="a finite number above 0")


def check_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")


def check_has(name: str, value: Any, methods: Collection[str], accepted: str) -> None:
    """Accept an object with all of these methods, as the SDK does, which asks for no class. ``accepted`` describes it."""
    if isinstance(value, type):
        raise TypeError(f"{name} must be {accepted}, not the class {value.__qualname__}")
    for method in methods:
        if not callable(getattr(value, method, None)):
            raise TypeError(f"{name} must be {accepted}, not {safe_repr(value)} ({type(value).__name__} has no {method})")


def check_text(name: str, value: Any) -> None:
    """Accept a string that is not empty and that UTF-8 can encode."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text that UTF-8 can encode, not {safe_repr(value)}") from None


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


def constructor_text(name: str, made_by: type, arguments: Mapping[str, Any]) -> str:
    """As ``Name(1, key=2)``, for `repr`: ``arguments`` of the constructor of ``made_by`` that do not have their default."""
    parameters = inspect.signature(made_by).parameters
    texts = []
    for key, value in arguments.items():
        parameter = parameters[key]
        if value is parameter.default or (type(value) is type(parameter.default) and value == parameter.default):
            continue
        by_place = parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
        text = str(value) if isinstance(value, Enum) else safe_repr(value)
        texts.append(text if by_place else f"{key}={text}")
    return f"{name}({', '.join(texts)})"
