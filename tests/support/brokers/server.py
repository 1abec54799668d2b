"""A server that a test starts itself, on a port of the loopback interface that is free."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.accounting import WAIT, wait_until


def free_port() -> int:
    """A port that nobody listens on now. Another process may take it before the server does: the start is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def program(name: str, *elsewhere: str, package: str) -> str:
    """The path of a program; skips with the package that has it if it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *elsewhere]))
    if found is None:
        pytest.skip(f"{name} is not installed (package {package})")
    return found


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), WAIT).close()
    except OSError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """The server, once it accepts connections; it is killed at the end. ``folder``/log has what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or accepts(port), f"{command[0]} accepts connections")
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        yield process
    finally:
        # Its children too, which rabbitmq-server and Kafka's script have.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
