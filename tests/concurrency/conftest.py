"""Both providers, and where a span's parent is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as StockProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from nanospan import TracerProvider


class Recorded:
    """A provider and the spans that it has ended."""

    def __init__(self, provider: StockProvider) -> None:
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider = provider
        self.tracer: Tracer = provider.get_tracer("tests")

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.spans() if span.name == name)
        return found


@pytest.fixture(params=["stock", "native"])
def recorded(request: pytest.FixtureRequest) -> Recorded:
    kind = StockProvider if request.param == "stock" else TracerProvider
    return Recorded(kind(shutdown_on_exit=False))


@pytest.fixture(autouse=True)
def nothing_attached() -> Iterator[None]:
    """Each test begins in an empty Context, and leaves the Context that it found."""
    before = context.get_current()
    token = context.attach(context.Context())
    yield
    context.detach(token)
    assert context.get_current() is before
