"""Ends spans, and writes the name of each into the file LEDGER afterwards: what has to arrive."""

from __future__ import annotations

import os
import time

from opentelemetry import trace

tracer = trace.get_tracer("hosts")


def note(name: str) -> None:
    # Opened for each line, in one write: the programs fork, and some close what they have inherited.
    file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{name}\n".encode())
    os.close(file)


def span(name: str) -> None:
    with tracer.start_as_current_span(name):
        pass
    note(name)


def work(number: int, waits: bool = False) -> None:
    """The spans of one task: one of its own, and one within. The task may wait between, until the file GATE exists."""
    with tracer.start_as_current_span(f"task-{number}"):
        span(f"query-{number}")
        while waits and not os.path.exists(os.environ["GATE"]):
            time.sleep(0.01)
    note(f"task-{number}")
