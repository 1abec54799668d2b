"""What uWSGI says of its workers."""

from __future__ import annotations

import json
import socket
from pathlib import Path

__all__ = ["all_idle"]


def all_idle(stats: Path) -> bool:
    """Whether uWSGI's workers have all started, and put their last request behind them, its answer having been read before.

    ``stats`` is the socket of the option ``--stats``. A worker that is ended in a request runs no exit handlers. One that is
    starting has the master's signal handlers, which signal its siblings a second time and so end their exit handlers.
    """
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as stream:
        connection.connect(str(stats))
        workers = json.loads(stream.read())["workers"]
    return all(worker["status"] == "idle" and worker["accepting"] for worker in workers)
