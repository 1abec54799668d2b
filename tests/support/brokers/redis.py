"""A redis-server of the tests' own: on a port, or on a socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from support.accounting import WAIT, wait_until
from support.brokers.server import free_port, program, running
from support.extra_packages import locked


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Its URL, while it runs; skips without the program, which apt-get installs for root."""
    command = redis_program()
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with running([command, *options], port=port, folder=folder):
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def redis_on_a_socket() -> Iterator[Path]:
    """Its socket, while it runs; skips without the program."""
    command = redis_program()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:  # a socket's path has 107 bytes at most
        path = Path(folder, "socket")
        options = ["--port", "0", "--unixsocket", str(path), "--dir", folder, "--save", "", "--appendonly", "no"]
        with subprocess.Popen([command, *options], stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(path.exists, "redis-server listens")
                yield path
            finally:
                process.terminate()
                process.wait(WAIT)


def redis_program() -> str:
    if shutil.which("redis-server") is None and shutil.which("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "redis-server"]
        with locked(Path(tempfile.gettempdir(), "nanospan-redis-server")):
            subprocess.run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True)
    return program("redis-server", package="redis-server")


def ask(url: str, *command: str) -> list[str]:
    """What the server answers to a command: the texts of a list, or one."""
    host, _, port = url.rpartition("://")[2].partition(":")
    words = [word.encode() for word in command]
    with socket.create_connection((host, int(port)), WAIT) as connection, connection.makefile("rwb") as file:
        file.write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        file.flush()
        return _answer(cast(BinaryIO, file))


def _answer(file: BinaryIO) -> list[str]:
    line = file.readline()
    kind, rest = line[:1], line[1:].strip()
    assert kind != b"-", line
    if kind == b"*":
        return [text for _ in range(int(rest)) for text in _answer(file)]
    if kind == b"$":
        return [file.read(int(rest) + 2)[:-2].decode()] if int(rest) >= 0 else []
    return [rest.decode()]
