"""The clock of spans from the environment."""

from __future__ import annotations

import logging
import os

from nanospan._native.trace import use_python_clock

__all__ = ["CLOCK_VARIABLE", "set_clock_from_environment"]

logger = logging.getLogger(__name__)

CLOCK_VARIABLE = "OTEL_PYTHON_NANOSPAN_CLOCK"
_CLOCKS = {"": False, "system": False, "python": True}


def set_clock_from_environment() -> None:
    """Set the clock of all spans of this process to the one that ``OTEL_PYTHON_NANOSPAN_CLOCK`` names.

    ``system``, the default: the system's clock, read natively. ``python``: `time.time_ns`, looked up whenever a span starts,
    ends or gets an event, so that freezegun, time-machine and mocks of it take effect; this costs a Python call each time.
    Any other value is ignored with a warning.
    """
    text = os.environ.get(CLOCK_VARIABLE, "").strip()
    follows_python = _CLOCKS.get(text.lower())
    if follows_python is None:
        logger.warning("%s must be system or python, not %r: using system", CLOCK_VARIABLE, text)
    use_python_clock(bool(follows_python))
