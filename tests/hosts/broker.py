"""A redis-server of the tests' own, on a socket in a folder: no port has to be free."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.accounting import WAIT, wait_until
from support.brokers.redis import redis_program


@contextmanager
def redis_server() -> Iterator[Path]:
    """Its socket, while it runs; skips without the program."""
    program = redis_program()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:  # a socket's path has 107 bytes at most
        socket = Path(folder, "socket")
        command = [program, "--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", "--appendonly", "no"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(socket.exists, "redis-server listens")
                yield socket
            finally:
                process.terminate()
                process.wait(WAIT)
