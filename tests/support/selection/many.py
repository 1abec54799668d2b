"""How many messages the long journeys of the tests send."""

from __future__ import annotations

import os


def many(affordable: int) -> int:
    """``affordable``, which the tests send each time; the variable NANOSPAN_MESSAGES, such as 10000, overrides it."""
    return int(os.environ.get("NANOSPAN_MESSAGES") or affordable)
