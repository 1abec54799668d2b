"""A redis-server of the tests' own, on a socket in a folder: no port has to be free."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.accounting import WAIT, wait_until
from support.extra_packages import locked


@contextmanager
def redis_server() -> Iterator[Path]:
    """Its socket, while it runs; skips without the program."""
    program = _program()
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


def _program() -> str:
    if shutil.which("redis-server") is None and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "redis-server"]
        with locked(Path(tempfile.gettempdir(), "nanospan-redis-server")):
            subprocess.run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True)
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed, and apt-get cannot install it")
    return program
