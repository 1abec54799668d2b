"""A provider, of the SDK or of nanospan, with its finished spans, for tests of messaging."""

from __future__ import annotations

from typing import Any

import opentelemetry.sdk.trace as sdk
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import nanospan

__all__ = ["PROVIDERS", "Recorder"]

PROVIDERS: dict[str, type[Any]] = {"stock": sdk.TracerProvider, "nanospan": nanospan.TracerProvider}


class Recorder:
    """``provider`` is a new one of the class, with ``arguments``."""

    def __init__(self, provider: type[Any], **arguments: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = provider(shutdown_on_exit=False, **arguments)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def all(self) -> list[Any]:
        """The finished spans, in the order in which they ended."""
        return list(self.exporter.get_finished_spans())

    def one(self, name: str | None = None) -> Any:
        """The only span, or the only one of this name."""
        (span,) = self.all() if name is None else self.named(name)
        return span

    def named(self, name: str) -> list[Any]:
        return [span for span in self.all() if span.name == name]
