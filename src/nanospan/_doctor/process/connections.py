"""The TCP connections of a process, as ``/proc`` shows them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Connection", "connections_to"]

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_STATES = {1: "established", 2: "connecting", 3: "connecting", 8: "closed by the receiver"}
"""Of those that say something here; https://docs.kernel.org/networking/proc_net_tcp.html has the numbers."""


class Connection(NamedTuple):
    remote: str
    """Address and port."""
    state: str


def connections_to(pid: int, port: int) -> list[Connection]:
    """The TCP connections of process ``pid`` to this port of any host. Raises OSError if it may not be read."""
    return [
        Connection(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", state)
        for address, to, state in _connections(pid)
        if to == port
    ]


def _connections(pid: int) -> Iterator[tuple[str, int, str]]:
    own = set(_sockets(pid))
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                state = _STATES.get(int(fields[3], 16))
                if state is not None and fields[9] in own:
                    address, _, port = fields[2].partition(":")
                    yield _address(address, family), int(port, 16), state


def _sockets(pid: int) -> Iterator[str]:
    """Their inodes."""
    folder = f"/proc/{pid}/fd"
    for descriptor in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            if found := _SOCKET.fullmatch(os.readlink(f"{folder}/{descriptor}")):
                yield found[1]


def _address(text: str, family: int) -> str:
    """``text`` is the address as words of 32 bits in the byte order of the machine, which is little-endian here."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words)).removeprefix("::ffff:")
