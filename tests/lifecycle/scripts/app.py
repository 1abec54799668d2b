"""What the scripts here begin with: a provider with nanospan's processor and ids, and reports for the test."""

from __future__ import annotations

import atexit
import json
import os
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

import nanospan


def report(**facts: Any) -> None:
    """One line for the test; written at once, so that lines of several processes do not mix."""
    os.write(1, (json.dumps({"pid": os.getpid(), **facts}) + "\n").encode())


class App:
    """An application that traces; at an orderly exit it reports its account as ``at_exit``."""

    def __init__(self, exporter: Any = None, **arguments: Any) -> None:
        self.processor = nanospan.BatchSpanProcessor(exporter, **arguments)
        # Before the provider registers its own handler, so that it runs after that one.
        atexit.register(lambda: report(at_exit=self.processor.stats()))
        self.provider = TracerProvider(id_generator=nanospan.RandomIdGenerator())
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("app")

    def end_spans(self, prefix: str, count: int) -> None:
        for number in range(count):
            self.tracer.start_span(f"{prefix}-{number}").end()
