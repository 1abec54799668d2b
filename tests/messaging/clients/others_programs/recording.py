"""A provider that writes each span to a file when it ends, so that a process that is killed leaves those that it ended."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import threading
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import nanospan
from nanospan.propagation import TraceContextTextMapPropagator


class Recording(SpanProcessor):
    """``open`` is the number of spans that have begun and not ended."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._lock = threading.Lock()
        self.open = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        with self._lock:
            self.open += 1

    def on_end(self, span: Any) -> None:
        with self._lock:
            self.open -= 1
        parent = span.parent
        line = {
            "id": own(span.context),
            "parent": None if parent is None else own(parent),
            "name": span.name,
            "kind": span.kind.name,
            "start": span.start_time,
            "end": span.end_time,
            "links": [own(link.context) for link in span.links],
            "link_attributes": [dict(link.attributes or ()) for link in span.links[:2]],
            "attributes": dict(span.attributes or ()),
            "status": span.status.status_code.name,
        }
        os.write(self._file, json.dumps(line).encode() + b"\n")


def own(context: Any) -> str:
    return f"{context.trace_id:032x}-{context.span_id:016x}"


def recording(path: str) -> Recording:
    """Of the global provider, which is nanospan's, or the SDK's if the variable PROVIDER is "stock"."""
    processor = Recording(path)
    classes: dict[str, Any] = {"stock": TracerProvider, "nanospan": nanospan.TracerProvider}
    provider = classes[os.environ.get("PROVIDER", "nanospan")](shutdown_on_exit=False)
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    return processor


class Spans:
    """The spans in the file that a `Recording` writes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        """Those that have ended since the last call, in the order of their ends."""
        with open(self._path, encoding="utf-8") as file:
            lines = file.readlines()
        new = [json.loads(line) for line in lines[self._read :]]
        self._read = len(lines)
        return new

    async def several(self, count: int) -> list[dict[str, Any]]:
        """The next ``count``, once they have ended in other tasks."""
        found = self.new()
        while len(found) < count:
            await asyncio.sleep(0.005)
            found += self.new()
        assert len(found) == count, [span["name"] for span in found]
        return found


async def refused(call: Any, error: type[BaseException] = Exception) -> None:
    """Check that a call, or what it returns, raises."""
    try:
        made = call()
        if inspect.isawaitable(made):
            await made
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")
