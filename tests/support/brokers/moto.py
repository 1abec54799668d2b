"""moto's server, which answers as SQS and SNS do, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.brokers.server import free_port, running
from support.extra_packages import Environment


@contextmanager
def moto_server(environment: Environment, folder: Path) -> Iterator[str]:
    """Its URL, while it runs, from an environment with moto[server]."""
    port = free_port()
    command = [environment.python, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, port=port, folder=folder):
        yield f"http://127.0.0.1:{port}"
