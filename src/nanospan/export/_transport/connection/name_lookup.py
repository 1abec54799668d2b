"""Look-ups of host names that end in time: ``getaddrinfo`` cannot be interrupted."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection.bounded_call import BoundedCall

__all__ = ["Address", "look_up"]

Address = tuple[int, int, int, str, Any]
"""An element of the list that ``socket.getaddrinfo`` returns."""

LATE_ANSWER_SECONDS = 60.0
"""Age up to which the answer of a look-up that nobody waited for any more is used."""

# Without a lock, which a fork could leave locked: two threads that race start two look-ups, and both answers are right.
_under_way: dict[tuple[str, int], BoundedCall[list[Address]]] = {}


def look_up(host: str, port: int, deadline: Deadline) -> list[Address]:
    """The stream addresses of ``host``, at least one.

    Raises TimeoutError at the deadline; the look-up goes on, and a later call takes its answer. There is at most one for
    each host and port, and no thread for a literal address. Raises socket.gaierror, another OSError, or UnicodeError.
    """
    if _is_literal(host):
        return _addresses(host, port)
    place = (host, port)
    call = _under_way.get(place)
    if call is None or not call.is_fresh(LATE_ANSWER_SECONDS):
        call = _under_way[place] = BoundedCall(partial(_addresses, host, port), "nanospan-lookup")
    if not call.wait(deadline.remaining()):
        raise TimeoutError("the name was not resolved in time")
    _under_way.pop(place, None)
    return call.result()


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):  # ValueError: a null character
            continue
        return True
    return False


def _addresses(host: str, port: int) -> list[Address]:
    found: list[Any] = list(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    if not found:
        raise OSError("the look-up of the name returned no address")
    return found
