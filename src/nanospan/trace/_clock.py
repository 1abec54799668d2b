"""The clock of spans from the environment."""

from __future__ import annotations

import logging

from nanospan._common.environment import parsed_variable
from nanospan._native.trace import use_python_clock

__all__ = ["CLOCK_VARIABLE", "follows_python", "set_clock_from_environment"]

logger = logging.getLogger(__name__)

CLOCK_VARIABLE = "OTEL_PYTHON_NANOSPAN_CLOCK"
_FOLLOWS_PYTHON = {"system": False, "python": True}


def set_clock_from_environment() -> None:
    """Set the clock of all spans of this process to the one that ``OTEL_PYTHON_NANOSPAN_CLOCK`` names.

    ``system``, the default: the system's clock, read natively. ``python``: `time.time_ns`, looked up whenever a span starts,
    ends or gets an event, so that freezegun, time-machine and mocks of it take effect; this costs a Python call each time.
    Any other value is ignored with one warning a process.
    """
    use_python_clock(follows_python())


def follows_python() -> bool:
    """Whether the variable names Python's clock."""
    return bool(parsed_variable(logger, CLOCK_VARIABLE, _follows, "system or python", "system"))


def _follows(text: str) -> bool:
    try:
        return _FOLLOWS_PYTHON[text.lower()]
    except KeyError:
        raise ValueError from None
