"""A TCP connection to one of several addresses within one deadline.

As RFC 8305 ("Happy Eyeballs") asks, an address that does not answer delays the next by a quarter of a second, and the first
connection wins. One attempt after the other, each with the whole timeout, would take addresses times timeout.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Sequence
from typing import Any

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection.name_lookup import Address

__all__ = ["connect_to_one", "wait_for_io"]

STAGGER_SECONDS = 0.25
"""Connection Attempt Delay of RFC 8305, section 8."""

_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)


def connect_to_one(addresses: Sequence[Address], options: Sequence[tuple[Any, ...]], deadline: Deadline) -> socket.socket:
    """A connected socket in non-blocking mode.

    ``options`` are arguments of ``setsockopt``. Raises TimeoutError at the deadline, or the error of the first address that
    refused when all have.
    """
    waiting = list(reversed(addresses))
    pending: dict[int, socket.socket] = {}
    first_error: OSError | None = None
    try:
        while waiting or pending:
            if deadline.passed:
                raise TimeoutError("no address answered in time")
            if waiting:
                try:
                    started = _start(waiting.pop(), options)
                except OSError as error:
                    first_error = first_error or error
                    continue
                pending[started.fileno()] = started
            patience = deadline.remaining()
            if waiting:
                patience = STAGGER_SECONDS if patience is None else min(STAGGER_SECONDS, patience)
            for number in _writable(list(pending), patience):
                candidate = pending.pop(number)
                code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return candidate
                candidate.close()
                first_error = first_error or OSError(code, os.strerror(code))
        raise first_error or OSError("there is no address to connect to")
    finally:
        for other in pending.values():
            other.close()


def _start(address: Address, options: Sequence[tuple[Any, ...]]) -> socket.socket:
    """A socket that connects. Raises OSError if it cannot, also where the machine lacks the family of the address."""
    family, kind, protocol, _, place = address
    started = socket.socket(family, kind, protocol)
    try:
        for option in options:
            started.setsockopt(*option)
        started.setblocking(False)
        code = started.connect_ex(place)
        if code not in (0, *_IN_PROGRESS):
            raise OSError(code, os.strerror(code))
    except BaseException:
        started.close()
        raise
    return started


def _writable(numbers: list[int], timeout: float | None) -> list[int]:
    return [number for number, _ in _poll([(number, _POLLOUT) for number in numbers], timeout)]


def wait_for_io(number: int, read: bool, write: bool, timeout: float | None) -> bool:
    """Wait until the descriptor can be read or written, as asked; returns whether it can be read.

    An error or a hang-up of the peer counts as readable. Raises TimeoutError after ``timeout`` seconds, None for no limit.
    """
    events = (_POLLIN if read else 0) | (_POLLOUT if write else 0)
    ready = _poll([(number, events)], timeout)
    if not ready:
        raise TimeoutError("timed out")
    return bool(ready[0][1] & ~_POLLOUT)


_POLLIN, _POLLOUT = 1, 4  # of poll(2) on Linux; eventlet removes the names together with select.poll


def _poll(wanted: list[tuple[int, int]], timeout: float | None) -> list[tuple[int, int]]:
    """The descriptors that are ready, with what is ready. The functions are looked up here: gevent replaces them."""
    poll = getattr(select, "poll", None)
    if poll is not None:
        poller = poll()
        for number, events in wanted:
            poller.register(number, events)
        # Rounded up: a wait of 0 ms that is repeated until the deadline is a busy one.
        ready: list[tuple[int, int]] = poller.poll(None if timeout is None else int(timeout * 1000) + 1)
        return ready
    reads = [number for number, events in wanted if events & _POLLIN]
    writes = [number for number, events in wanted if events & _POLLOUT]
    readable, writable, _ = select.select(reads, writes, [], timeout)
    found: dict[int, int] = dict.fromkeys(readable, _POLLIN)
    for number in writable:
        found[number] = found.get(number, 0) | _POLLOUT
    return list(found.items())
