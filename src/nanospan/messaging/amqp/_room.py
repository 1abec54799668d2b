"""The room for headers: AMQP 0-9-1 has the properties of a message in one frame, and a longer frame ends the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nanospan.messaging._carriers.counts import count

__all__ = ["DEFAULT_FRAME_MAX", "fitted"]

DEFAULT_FRAME_MAX = 131_072
"""Bytes, which RabbitMQ proposes."""

_FRAME = 8 + 14
"""Bytes around the properties: the frame's header and end, and the class, the weight, the size of the body, the flags."""
_OTHERS = 13 * 256
"""Bytes of the other properties at most: short strings."""
_SMALL = frozenset({int, float, bool, type(None)})
"""Types whose values take up to 16 bytes, with the length of the name."""
_LEFT_OUT_FIRST = ("baggage", "tracestate", "traceparent")


def fitted(given: Any, headers: dict[str, Any], frame_max: int, size_of: Callable[[Any], int]) -> Any:
    """``headers``, or a copy without the last of the fields that do not fit; ``given``, if not even the traceparent does.

    Args:
        given: The headers of the message without a context of ours.
        frame_max: Bytes of a frame.
        size_of: Returns the bytes of all properties with these headers. May raise, if the client cannot encode them.
    """
    room = frame_max - _FRAME if frame_max else float("inf")  # 0: no limit
    if _bound(headers) + _OTHERS <= room or size_of(headers) <= room:
        return headers
    before: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    less = headers.copy()
    for name in _LEFT_OUT_FIRST:
        if name in less and less[name] is not before.get(name):
            del less[name]
            count("fields_left_out")
            if name != "traceparent" and size_of(less) <= room:
                return less
    return given


def _bound(headers: Mapping[str, Any]) -> float:
    """Bytes that the headers take at most; infinite if that takes more than a glance."""
    size = 4
    for name, value in headers.items():
        if type(value) is str or type(value) is bytes:
            size += 4 * len(value)
        elif type(value) not in _SMALL:
            return float("inf")
        size += 4 * len(name) + 16
    return size
