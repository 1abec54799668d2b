"""Spans from four threads through nanospan into a real collector, rotel, and out of it into a receiver that compares."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, use_span
from support.accounting import WAIT, ended_span, lost, wait_until
from support.receivers import HttpReceiver, unused_port
from support.selection.examples import examples

import nanospan

THREADS = 4
SPANS = examples(200_000)
LINKED = SpanContext(0x1234, 0x5678, is_remote=True, trace_flags=TraceFlags(1))

rotel = pytest.importorskip("rotel", reason="the collector, PyPI package rotel, is not installed")


pytestmark = pytest.mark.usefixtures("clean_environment")

AGENT = Path(rotel.__file__).parent / "rotel-agent"
# The agent embeds an interpreter and wants the shared library of the one it was packaged for.
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR") or ""}


@pytest.fixture(scope="module", autouse=True)
def collector_starts() -> None:
    probe = subprocess.run([AGENT, "--help"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    # Without the shared library of its interpreter, or with a C library older than its own.
    if "libpython" in probe.stderr or "GLIBC_" in probe.stderr:
        pytest.skip(f"rotel's agent cannot start with this interpreter: {probe.stderr.strip().splitlines()[-1]}")


@contextmanager
def collector(directory: Path, forward_to: HttpReceiver, *options: str) -> Iterator[dict[str, int]]:
    """A running rotel; its OTLP ports by protocol."""
    ports = {"grpc": unused_port(), "http": unused_port()}
    command: list[Any] = [AGENT, "start"]
    command += ["--pid-file", directory / "rotel.pid"]
    for protocol, port in ports.items():
        command += [f"--otlp-{protocol}-endpoint", f"127.0.0.1:{port}"]
    command += ["--exporter", "otlp", "--otlp-exporter-protocol", "http"]
    command += ["--otlp-exporter-endpoint", forward_to.url.removesuffix("/v1/traces")]
    command += ["--otlp-exporter-compression", "none", *options]
    with (directory / "rotel.out").open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, env=ENVIRONMENT)
        try:
            for port in ports.values():
                wait_until(lambda port=port: _listens(process, port), "the collector listens")  # type: ignore[misc]
            yield ports
        finally:
            process.kill()
            process.wait()


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "the collector ended: see rotel.out in the test's directory"
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            # Where nobody listens, a connection may meet itself.
            return connection.getsockname() != connection.getpeername()
    except OSError:
        return False


class Application:
    """Threads that trace, and the fields of every span they end, by span id."""

    def __init__(self, processor: nanospan.BatchSpanProcessor) -> None:
        self._provider = TracerProvider(
            resource=Resource({"service.name": "delivery"}),
            id_generator=nanospan.RandomIdGenerator(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("delivery", "1.0")
        self.ended: dict[bytes, tuple[Any, ...]] = {}

    def run(self) -> None:
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, thread: int) -> None:
        # Pairs: a root and its child.
        for number in range(0, SPANS // THREADS, 2):
            root = self._tracer.start_span(f"root {thread}", kind=SpanKind.SERVER, links=[Link(LINKED)])
            root.set_attributes({"thread": thread, "number": number, "ratio": number / 7, "text": f"é{number}"})
            with use_span(root):
                child = self._tracer.start_span(f"child {thread}", attributes={"list": [number, thread]})
            child.add_event("tick", {"even": True}, timestamp=number + 1)
            child.set_status(Status(StatusCode.ERROR, f"no {number}"))
            child.end()
            root.end()
            for span, parent in ((root, None), (child, root)):
                context = span.get_span_context()
                self.ended[context.span_id.to_bytes(8, "big")] = (
                    context.trace_id.to_bytes(16, "big"),
                    parent.get_span_context().span_id.to_bytes(8, "big") if parent else b"",
                    span.start_time,  # type: ignore[attr-defined]
                    span.end_time,  # type: ignore[attr-defined]
                    thread,
                    number,
                )


def attributes_of(owner: Any) -> dict[str, Any]:
    return {pair.key: pair.value for pair in owner.attributes}


def check_fields(span: Any, expected: tuple[Any, ...]) -> None:
    trace_id, parent_id, start_time, end_time, thread, number = expected
    assert span.trace_id == trace_id
    assert span.parent_span_id == parent_id
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (start_time, end_time)
    attributes = attributes_of(span)
    if not parent_id:
        assert (span.name, span.kind) == (f"root {thread}", span.SPAN_KIND_SERVER)
        assert attributes.keys() == {"thread", "number", "ratio", "text"}
        assert attributes["thread"].int_value == thread
        assert attributes["number"].int_value == number
        assert attributes["ratio"].double_value == number / 7
        assert attributes["text"].string_value == f"é{number}"
        (link,) = span.links
        assert (link.trace_id, link.span_id) == (
            LINKED.trace_id.to_bytes(16, "big"),
            LINKED.span_id.to_bytes(8, "big"),
        )
        assert not span.events
        assert span.status.code == span.status.STATUS_CODE_UNSET
    else:
        assert (span.name, span.kind) == (f"child {thread}", span.SPAN_KIND_INTERNAL)
        assert attributes.keys() == {"list"}
        assert [value.int_value for value in attributes["list"].array_value.values] == [number, thread]
        (event,) = span.events
        assert (event.name, event.time_unix_nano) == ("tick", number + 1)
        assert event.attributes[0].value.bool_value is True
        assert not span.links
        assert (span.status.code, span.status.message) == (span.status.STATUS_CODE_ERROR, f"no {number}")


def exporter_for(protocol: str, ports: dict[str, int]) -> Any:
    if protocol == "grpc":
        pytest.importorskip("grpc", reason="grpcio is not installed")
        from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(f"http://127.0.0.1:{ports['grpc']}")
    from nanospan.export.http import OTLPSpanExporter as HttpExporter

    return HttpExporter(f"http://127.0.0.1:{ports['http']}/v1/traces")


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_span_reaches_a_real_collector(tmp_path: Path, protocol: str) -> None:
    # Where rotel splits a batch, it forgets the resource of one part.
    whole = ("--batch-max-size", str(SPANS))
    with HttpReceiver() as receiver, collector(tmp_path, receiver, *whole) as ports:
        processor = nanospan.BatchSpanProcessor(
            exporter_for(protocol, ports), max_queue_size=SPANS, max_queue_bytes=256 << 20
        )
        application = Application(processor)
        application.run()
        assert processor.force_flush(int(WAIT * 1000))
        stats = processor.stats()
        processor.shutdown()
        assert (stats["ended"], stats["exported"], lost(stats)) == (SPANS, SPANS, {})
        received = Received(receiver)
        wait_until(lambda: received.count() >= SPANS, f"the collector forwards {SPANS} spans")
    assert received.repeats() == {}
    for span_id, expected in application.ended.items():
        check_fields(received.spans[span_id], expected)
    assert received.services == {"delivery"}
    assert received.scopes == {("delivery", "1.0")}


def test_queue_that_empties_at_once_is_no_more_than_the_collector_takes(tmp_path: Path) -> None:
    """A collector at its defaults. From a request with more spans than twice its batch size, 8192, rotel drops the
    spans after it has acknowledged them; of small spans, 4 MiB hold more."""
    spans = 40_000
    with HttpReceiver() as receiver, collector(tmp_path, receiver) as ports:
        processor = nanospan.BatchSpanProcessor(
            exporter_for("http", ports), max_queue_size=spans, schedule_delay_millis=600_000
        )
        # The worker gets no lock to send with before all of them are queued.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(WAIT)
        for _ in range(spans):
            processor.on_end(ended_span("s"))
        sys.setswitchinterval(interval)
        assert processor.force_flush(int(WAIT * 1000))
        processor.shutdown()
        received = Received(receiver)
        wait_until(lambda: received.count() >= spans, f"the collector forwards {spans} spans")
    assert received.repeats() == {}


class Received:
    """The spans that the collector has passed on so far."""

    def __init__(self, receiver: HttpReceiver) -> None:
        self._receiver = receiver
        self._read = 0
        self._times: Counter[bytes] = Counter()
        self.spans: dict[bytes, Any] = {}
        self.services: set[str] = set()
        self.scopes: set[tuple[str, str]] = set()

    def count(self) -> int:
        """How many different spans have arrived."""
        requests = self._receiver.requests
        while self._read < len(requests):
            request = ExportTraceServiceRequest.FromString(requests[self._read].body)
            self._read += 1
            for resource_spans in request.resource_spans:
                attributes = attributes_of(resource_spans.resource)
                self.services.add(attributes["service.name"].string_value if attributes else "")
                for scope_spans in resource_spans.scope_spans:
                    self.scopes.add((scope_spans.scope.name, scope_spans.scope.version))
                    for span in scope_spans.spans:
                        self._times[span.span_id] += 1
                        self.spans[span.span_id] = span
        return len(self.spans)

    def repeats(self) -> dict[bytes, int]:
        return {span_id: times for span_id, times in self._times.items() if times > 1}
