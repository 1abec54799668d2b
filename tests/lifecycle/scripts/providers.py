"""``providers.py <scenario>``: more than one provider, processor or registration."""

from __future__ import annotations

import importlib
import logging
import sys

from app import App, report
from opentelemetry import trace

import nanospan

SPANS = 10


def end_spans(provider: trace.TracerProvider, prefix: str, count: int = SPANS) -> None:
    tracer = provider.get_tracer("providers")
    for number in range(count):
        tracer.start_span(f"{prefix}-{number}").end()


def second_global() -> None:
    """The API keeps the first provider that is set; the second works for whoever holds it."""
    warnings: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("opentelemetry.trace").addHandler(handler)
    before = trace.get_tracer("asked for before there was a provider")
    first, second = App(), App()
    trace.set_tracer_provider(first.provider)
    trace.set_tracer_provider(second.provider)
    report(warnings=warnings, is_first=trace.get_tracer_provider() is first.provider)
    before.start_span("global-0").end()
    end_spans(second.provider, "second")
    report(ended=[app.processor.stats()["ended"] for app in (first, second)])


def one_after_the_other() -> None:
    """A provider is shut down, and another takes up its work; the first one's late spans are counted."""
    first = App()
    first.end_spans("first", SPANS)
    first.provider.shutdown()
    second = App()
    second.end_spans("second", SPANS)
    first.end_spans("late", SPANS)
    report(first=first.processor.stats())


def shared_processor() -> None:
    """One processor under two providers; the exit shuts it down twice."""
    app = App()
    other = nanospan.TracerProvider()
    other.add_span_processor(app.processor)
    app.end_spans("one", SPANS)
    end_spans(other, "other")


def shared_exporter() -> None:
    """Two processors with one exporter: the first that is shut down shuts the exporter down."""
    app = App()
    second = nanospan.BatchSpanProcessor(app.processor.span_exporter)
    app.provider.add_span_processor(second)
    app.end_spans("span", SPANS)
    app.provider.shutdown()
    report(accounts=[app.processor.stats(), second.stats()])


def registered_twice() -> None:
    app = App()
    app.provider.add_span_processor(app.processor)
    app.end_spans("span", SPANS)


def added_with_spans_open() -> None:
    """A processor sees the end of spans whose start it did not."""
    app = App()
    span = app.tracer.start_span("span-0")
    second = nanospan.BatchSpanProcessor(tail_sampling=app.processor_arguments.get("tail_sampling"))
    app.provider.add_span_processor(second)
    span.end()
    app.processor.shutdown()
    second.shutdown()
    report(accounts=[app.processor.stats(), second.stats()])


def added_after_shutdown() -> None:
    app = App()
    app.provider.shutdown()
    second = nanospan.BatchSpanProcessor()
    app.provider.add_span_processor(second)
    app.end_spans("span", SPANS)
    second.shutdown()
    report(second=second.stats(), first=app.processor.stats())


def reloaded() -> None:
    """The module is read anew, as interactive sessions and development servers do; its classes stay usable with the old."""
    app = App()
    app.end_spans("before", SPANS)
    importlib.reload(nanospan)
    again = App()
    again.end_spans("after", SPANS)
    app.end_spans("later", SPANS)


def imported_again() -> None:
    """Every module of the package is thrown away, and imported again."""
    app = App()
    app.end_spans("before", SPANS)
    for name in [name for name in sys.modules if name.partition(".")[0] == "nanospan"]:
        del sys.modules[name]
    try:
        importlib.import_module("nanospan")
    except ImportError as error:
        report(refused=str(error))
    app.end_spans("after", SPANS)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
