"""What the scripts here begin with: a provider with nanospan's processor and ids, and reports for the test.

``TRACING`` in the environment says which: ``native`` is nanospan's own provider, ``tail`` the same with tail sampling that
keeps every trace, ``sdk`` the SDK's.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

import nanospan
from nanospan import tail

MAX_QUEUED = 10_000

TRACING = os.environ.get("TRACING", "native")


def report(**facts: Any) -> None:
    """One line for the test; written at once, so that lines of several processes do not mix."""
    os.write(1, (json.dumps({"pid": os.getpid(), **facts}) + "\n").encode())


class App:
    """An application that traces; at an orderly exit it reports its account as ``at_exit``."""

    def __init__(self, exporter: Any = None, room: dict[str, int] | None = None, **arguments: Any) -> None:
        """``room``: arguments of tail sampling, where that is what ``TRACING`` says."""
        if TRACING == "tail":
            # Nothing is decided by the clock, only by the end of a trace or of the process.
            forever: dict[str, Any] = {"decision_wait": 1e9, "decision_wait_after_root_ended": 1e9}
            # There is room for all that is held when its queue is as full as `wait_for_room` lets it become.
            forever |= room or {"num_traces": 20_000}
            arguments.setdefault("tail_sampling", tail.TailSampling([tail.AlwaysSample()], **forever))
        self.processor_arguments = arguments
        self.processor = nanospan.BatchSpanProcessor(exporter, **arguments)
        # Before the provider registers its own handler, so that it runs after that one.
        atexit.register(lambda: report(at_exit=self.processor.stats()))
        provider = TracerProvider if TRACING == "sdk" else nanospan.TracerProvider
        self.provider = provider(id_generator=nanospan.RandomIdGenerator())
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("app")

    def wait_for_room(self) -> None:
        """Wait until no more than `MAX_QUEUED` spans are queued: a large queue is never full, on any machine."""
        while self.processor.stats()["queued"] > MAX_QUEUED:
            time.sleep(0.0005)

    def end_spans(self, prefix: str, count: int) -> None:
        for number in range(count):
            self.tracer.start_span(f"{prefix}-{number}").end()
