"""What the message of a refusal says about the value that was refused."""

from __future__ import annotations

__all__ = ["shown"]


def shown(value: object) -> str:
    """``repr(value)``, or what kind of value it is where that fails: an integer may have more digits than the interpreter
    converts (`sys.set_int_max_str_digits`), and anything else may raise."""
    try:
        return repr(value)
    except Exception:
        if isinstance(value, int):
            return f"an integer of {value.bit_length()} bits"
        return f"a {type(value).__name__} that cannot be shown"
