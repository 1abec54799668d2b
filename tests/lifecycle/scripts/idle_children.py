"""Two children of multiprocessing, of which one traces: who shuts the exporter down, a foreign one, that they inherit."""

from __future__ import annotations

import multiprocessing
import multiprocessing.util  # before the processor is made, as many an application has it
import sys
import tempfile
from collections.abc import Sequence

from app import report
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import nanospan

whoami = "parent"
shutdowns = tempfile.NamedTemporaryFile("a+")  # noqa: SIM115 (it is open for as long as the processes are)


class Exporter(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        print(whoami, file=shutdowns, flush=True)


provider = nanospan.TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(nanospan.BatchSpanProcessor(Exporter()))
tracer = provider.get_tracer("scenario")


def work(name: str) -> None:
    global whoami
    whoami = name
    if name == "busy":
        tracer.start_span("span").end()


def told() -> None:
    shutdowns.seek(0)
    report(shutdowns=shutdowns.read().split())


context = multiprocessing.get_context("fork")
for name in ("idle", "busy"):
    child = context.Process(target=work, args=(name,))
    child.start()
    child.join()
told()
provider.shutdown()
told()
sys.exit(0)
