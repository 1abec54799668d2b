"""`Message`: what comes, whichever client has brought it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Message(NamedTuple):
    """A message that has come, and the client's own object."""

    value: bytes
    headers: dict[str, Any]
    native: Any
