"""A trace state with keys that W3C Trace Context level 2 allows and the API's `TraceState` does not.

The API's class checks keys by level 1, where `@` may occur once, and a key that begins with a digit must have one. Its
methods rebuild the state and drop what it would not accept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from opentelemetry.trace import TraceState

from nanospan._compat.parts import is_usable

__all__ = ["Level2TraceState"]

# The API's logger: programs configure it under that name.
_logger = logging.getLogger("opentelemetry.trace.span")

MAX_MEMBERS = 32
_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_VALUE = re.compile(r"[ -+\--<>-~]{0,255}[!-+\--<>-~]")


class Level2TraceState(TraceState):
    """`opentelemetry.trace.TraceState` by the grammar of level 2; otherwise with the same rules and warnings."""

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        super().__init__()
        entries = () if entries is None else entries
        if len(entries) > MAX_MEMBERS:
            _logger.warning("There can't be more than %s key/value pairs.", MAX_MEMBERS)
            return
        for key, value in entries:
            if not _is_legal(key, value):
                continue
            if key in self._dict:
                _logger.warning("Duplicate key: %s found.", key)
                continue
            self._dict[key] = value

    def add(self, key: str, value: str) -> TraceState:
        """A trace state with the new pair in front; this one if the pair is illegal, known or one too many."""
        if key in self:
            _logger.warning("The provided key %s already exists.", key)
            return self
        return self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """A trace state with the pair in front; this one if the pair is illegal or one too many."""
        if not _is_legal(key, value):
            return self
        others = [pair for pair in self.items() if pair[0] != key]
        if len(others) == MAX_MEMBERS:
            _logger.warning("There can't be more 32 key/value pairs.")
            return self
        return Level2TraceState([(key, value), *others])

    def delete(self, key: str) -> TraceState:
        """A trace state without the key; this one if it is not known."""
        if key not in self:
            _logger.warning("The provided key %s doesn't exist.", key)
            return self
        return Level2TraceState([pair for pair in self.items() if pair[0] != key])


def _is_legal(key: object, value: object) -> bool:
    if isinstance(key, str) and isinstance(value, str) and _KEY.fullmatch(key) and _VALUE.fullmatch(value):
        return True
    _logger.warning("Invalid key/value pair (%s, %s) found.", key, value)
    return False


if not is_usable("trace state"):
    # The class relies on the dict of its base.
    Level2TraceState = TraceState  # type: ignore[assignment,misc]
