"""nanospan receive: what it passes on, saves and reads, and what it says of what it does not show."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console
from support.accounting import wait_until

from nanospan.cli.commands import nanospan as command
from nanospan.cli.receive import save
from nanospan.cli.receive.forward import Forwarder, forward_endpoint
from nanospan.cli.receive.request_batch import RequestBatch
from nanospan.cli.receive.request_queue import REQUEST_OVERHEAD_BYTES, RequestQueue
from nanospan.cli.receive.save import Saver, read_lines
from nanospan.cli.receive.session import TraceViewer
from nanospan.receiver import Receiver, TraceStore

WAIT_SECONDS = 120


def request(*numbers: int, service: str = "shop") -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    for number in numbers:
        # A scope of its own for each, so that no list is split within.
        resource_spans.scope_spans.add().spans.add(
            trace_id=number.to_bytes(16),
            span_id=number.to_bytes(8),
            name=f"GET /{number}",
            start_time_unix_nano=10**18,
            end_time_unix_nano=10**18 + 10**6,
        )
    return message.SerializeToString()


def send(port: int, body: bytes) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)) as client:
        client.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        assert client.getresponse().status == 200


@contextmanager
def receiving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-m", "nanospan.cli", "receive", "--http-port", "0", "--no-grpc", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            head = []
            while not head or "Ctrl-C" not in head[-1]:
                head.append(process.stdout.readline())
                assert head[-1], process.stderr.read()
            process.head = "".join(head)
            yield process, int(re.search(r":(\d+)/v1/traces", head[0])[1])
        finally:
            process.kill()


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    return output, errors


def caught(pid: int) -> set[int]:
    """The signals that the process has handlers for."""
    mask = int(re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def row(output: str, name: str) -> str | None:
    found = re.search(rf"^ *{name} +(\S.*?) *$", output, re.MULTILINE)
    return found and found[1]


def receive(*arguments: str):
    return CliRunner().invoke(command, ["receive", *arguments])


class TestForward:
    def test_passes_on_what_it_receives(self):
        with (
            Receiver(grpc_port=None) as other,
            receiving("--forward", f"127.0.0.1:{other.http_port}", "-q") as (process, port),
        ):
            send(port, request(1, 2))
            send(port, request(3))
            assert other.store.wait_for_spans(3, WAIT_SECONDS)
            output, errors = end(process)
            assert [summary.services for summary in other.store.summaries()] == [("shop",)] * 3
        assert errors == ""
        assert f"forwards to http://127.0.0.1:{other.http_port}/v1/traces" in process.head
        assert (row(output, "spans forwarded"), row(output, "spans not forwarded")) == ("3", "0")

    @pytest.mark.slow("waits until forwarding gives up")
    def test_what_cannot_be_passed_on_is_counted_and_said_and_received_all_the_same(self):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            with receiving("--forward", f"http://127.0.0.1:{reserved.getsockname()[1]}", "-q") as (process, port):
                for number in range(1, 6):
                    send(port, request(number))
                output, errors = end(process)
        assert (row(output, "spans"), row(output, "traces counted")) == ("5", "5")
        assert (row(output, "spans forwarded"), row(output, "spans not forwarded")) == ("0", "5")
        assert re.search("(was|were) not delivered to http://127.0.0.1", errors)

    def test_a_receiver_that_hangs_delays_nothing_and_is_bounded(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            body = request(1)
            forwarder = Forwarder(
                f"http://127.0.0.1:{silent.getsockname()[1]}",
                max_bytes=3 * (len(body) + REQUEST_OVERHEAD_BYTES),
                last_seconds=0,
            )
            with Receiver(grpc_port=None, on_request=forwarder.put) as receiver:
                for _ in range(10):
                    send(receiver.http_port, body)
                # One is being sent, two wait.
                assert (receiver.stats().spans, forwarder.lost, forwarder.delivered) == (10, 7, 0)
            forwarder.close()
            assert (forwarder.lost, forwarder.delivered) == (10, 0)

    def test_the_end_does_not_wait_for_a_receiver_that_hangs(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            with receiving("--forward", f"http://127.0.0.1:{silent.getsockname()[1]}", "-q") as (process, port):
                for number in range(1, 4):
                    send(port, request(number))
                # The exporter would wait 10 s for its answer, and the socket above answers none as long as it is open.
                output, errors = end(process)
        assert errors == ""
        assert (row(output, "spans"), row(output, "spans forwarded"), row(output, "spans not forwarded")) == ("3", "0", "3")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_signal_ends_at_once(self, number, tmp_path):
        """The file is a pipe that nobody empties, for which the end would wait a minute."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with receiving("--save", str(pipe), "-q") as (process, port):
                for trace in range(1, 100):
                    send(port, request(*range(trace, trace + 100)))
                process.send_signal(number)
                wait_until(lambda: number not in caught(process.pid), "the first signal was taken")
                process.send_signal(number)
                process.communicate(timeout=WAIT_SECONDS)
            assert process.returncode == -number
        finally:
            os.close(reader)

    @pytest.mark.parametrize("spans", [2, 5])
    def test_a_batch_that_is_too_large_is_split(self, spans):
        batch = RequestBatch.of(request(*range(spans)), spans)
        parts = batch.split()
        assert sum(part.count for part in parts) == spans
        names = []
        for part in parts:
            message = ExportTraceServiceRequest.FromString(memoryview(part))
            found = [span.name for scope in message.resource_spans[0].scope_spans for span in scope.spans]
            assert len(found) == part.count > 0
            assert message.resource_spans[0].resource.attributes
            names += found
        assert names == [f"GET /{number}" for number in range(spans)]

    @pytest.mark.parametrize(
        ("url", "endpoint"),
        [
            ("http://host:4318", "http://host:4318/v1/traces"),
            ("https://host/", "https://host/v1/traces"),
            ("host:4318", "http://host:4318/v1/traces"),
            ("http://host/otlp/v1/traces?key=1", "http://host/otlp/v1/traces?key=1"),
        ],
    )
    def test_a_url_without_a_path_gets_that_of_otlp(self, url, endpoint):
        assert forward_endpoint(url) == endpoint

    @pytest.mark.parametrize(
        "url",
        ["", "ftp://host", "http://", "http://host:many", "h:4x", "http://[::1", "http://localhost:4318", "127.0.0.1:4317"],
    )
    def test_a_wrong_url_is_one_line(self, url):
        result = receive("--forward", url)
        assert result.exit_code == 1
        (line,) = result.output.splitlines()
        assert line.startswith("Error: --forward: ")


class TestSave:
    def test_what_was_saved_can_be_read(self, tmp_path):
        file = str(tmp_path / "traces.jsonl")
        for numbers in ((1, 2), (3,)):  # the second appends
            with receiving("--save", file, "-q") as (process, port):
                send(port, request(*numbers))
                output, errors = end(process)
            assert (errors, row(output, "spans saved"), row(output, "spans not saved")) == ("", str(len(numbers)), "0")
        first, second = (json.loads(line) for line in Path(file).read_text().splitlines())
        spans = [scope["spans"][0] for scope in first["resourceSpans"][0]["scopeSpans"]]
        assert [span["traceId"] for span in spans] == [f"{1:032x}", f"{2:032x}"]
        assert len(second["resourceSpans"]) == 1
        shown = receive("--read", file).output
        assert [shown.count(f"GET /{number} ") for number in (1, 2, 3)] == [2, 2, 2]  # title and row
        assert (row(shown, "lines"), row(shown, "spans"), row(shown, "traces shown")) == ("2", "3", "3")

    def test_a_line_that_was_cut_spoils_no_other(self, tmp_path):
        file = tmp_path / "traces.jsonl"
        file.write_text('{"resourceSpans": [{"sco')
        saver = Saver(str(file))
        saver.put(request(7), 1)
        saver.close()
        cut, whole = read_lines(str(file))
        assert (cut.number, cut.body, cut.reason[:19]) == (1, b"", "the body is no JSON")
        assert (whole.number, whole.body) == (2, request(7))

    def test_a_request_that_would_make_too_long_a_line_becomes_several(self, tmp_path, monkeypatch):
        file = str(tmp_path / "traces.jsonl")
        body = request(*range(1, 9))
        monkeypatch.setattr(save, "MAX_SAVED_BYTES", len(body) // 3)
        saver = Saver(file)
        saver.put(body, 8)
        saver.close()
        lines = [ExportTraceServiceRequest.FromString(line.body) for line in read_lines(file)]
        assert (saver.delivered, saver.lost, len(lines)) == (8, 0, 4)
        scopes = [scope for line in lines for scope in line.resource_spans[0].scope_spans]
        assert [span.name for scope in scopes for span in scope.spans] == [f"GET /{number}" for number in range(1, 9)]

    def test_a_full_disk_is_counted_and_said(self, caplog):
        saver = Saver("/dev/full")
        for _ in range(3):
            saver.put(request(1, 2), 2)
        saver.close()
        assert (saver.delivered, saver.lost) == (0, 6)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "/dev/full" in line
        assert "No space left" in line

    def test_a_file_that_cannot_be_opened_is_one_line(self, tmp_path):
        result = receive("--save", str(tmp_path / "missing" / "file"))
        assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
        assert "cannot write" in result.output


class TestRead:
    # As the Collector's file exporter writes it: empty fields stand there too.
    COLLECTOR = (
        '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},'
        '"scopeSpans":[{"scope":{},"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",'
        '"parentSpanId":"","flags":256,"name":"add","kind":2,"startTimeUnixNano":"1544712660000000000",'
        '"endTimeUnixNano":"1544712661000000000","attributes":[{"key":"n","value":{"intValue":"5"}}],"status":{}}]}],'
        '"schemaUrl":""}]}\n'
    )

    @pytest.fixture
    def file(self, tmp_path) -> Path:
        return tmp_path / "traces.jsonl"

    def test_a_file_of_the_collector(self, file):
        file.write_text(self.COLLECTOR)
        result = receive("--read", str(file))
        assert result.exit_code == 0
        assert "add  1.00 s  1 span" in result.output

    def test_lines_that_are_none_are_named_and_counted(self, file):
        no_id = self.COLLECTOR.replace("5b8efff798038103d269b633813fc60c", "W47/95gDgQPSabYzgT/GDA==")
        file.write_text("\n" + self.COLLECTOR + "garbage\n" * 9 + '{"resourceMetrics":[]}\n' + no_id)
        output = receive("--read", str(file)).output
        assert "line 3: the body is no JSON" in output
        assert len(re.findall("^line ", output, re.MULTILINE)) == 5
        assert (row(output, "lines"), row(output, "lines not used"), row(output, "spans not used")) == ("12", "10", "1")
        assert row(output, "traces shown") == "1"

    @pytest.mark.parametrize("end", ["\n", ""])
    def test_a_line_that_is_too_long_is_counted_and_not_read(self, file, monkeypatch, end):
        monkeypatch.setattr(save, "MAX_LINE_BYTES", len(self.COLLECTOR))
        file.write_text(self.COLLECTOR + " " * (5 * len(self.COLLECTOR)) + "\n" + self.COLLECTOR + "x" * 1000 + end)
        output = receive("--read", str(file)).output
        reason = f"the line is longer than {len(self.COLLECTOR)} bytes, and is not read"
        assert [line for line in output.splitlines() if line.startswith("line ")] == [f"line {n}: {reason}" for n in (2, 4)]
        assert (row(output, "lines"), row(output, "lines not used"), row(output, "spans")) == ("4", "2", "2")

    def test_more_than_a_terminal_shows_in_a_second(self, file):
        saver = Saver(str(file))
        for number in range(1, 41):
            saver.put(request(number), 1)
        saver.close()
        output = receive("--read", str(file)).output
        assert (row(output, "traces shown"), row(output, "traces not shown")) == ("40", "0")
        output = receive("--read", str(file), "--max-traces", "2").output
        assert "GET /2 " in output
        assert "GET /3 " not in output

    @pytest.mark.parametrize("text", [None, "", "\n", "garbage\n", "{}\n"])
    def test_a_file_without_traces_is_an_error(self, file, text):
        if text is not None:
            file.write_text(text)
        result = receive("--read", str(file))
        assert result.exit_code == 1
        assert str(file) in result.output.replace("\n", "")

    @pytest.mark.parametrize("option", [["--save", "x"], ["--forward", "http://h"], ["--http-port", "1"], ["--no-grpc"]])
    def test_goes_with_no_option_of_receiving(self, file, option):
        result = receive("--read", str(file), *option)
        assert result.exit_code == 2
        assert option[0] in result.output


class TestNotShown:
    def test_traces_of_other_services_are_counted_and_named(self):
        with receiving("--service", "nope") as (process, port):
            for number in range(1, 4):
                send(port, request(number, service="shop"))
            send(port, request(4, service="cart"))
            # At once: what has arrived is accounted for though it was not due.
            output, _ = end(process)
        assert (row(output, "traces shown"), row(output, "traces not shown")) == ("0", "4")
        assert row(output, "of other services") == "4"
        assert "No trace had the service 'nope'; there were: shop, cart" in output

    def test_a_trace_that_was_not_due_is_shown_at_the_end(self):
        with receiving() as (process, port):
            send(port, request(1))
            output, _ = end(process)
        assert "GET /1 " in output
        assert (row(output, "traces shown"), row(output, "traces not shown")) == ("1", "0")

    def test_a_service_that_comes_later_takes_its_trace_back(self):
        store = TraceStore()
        viewer = TraceViewer(Console(quiet=True), store, service="cart")
        counts = []
        for service, numbers in (("shop", (1,)), ("shop", (1, 2)), ("cart", (2, 3))):
            message = ExportTraceServiceRequest.FromString(request(*numbers, service=service))
            for scope in message.resource_spans[0].scope_spans:
                scope.spans[0].span_id = scope.spans[0].span_id[:4] + service.encode()
            store.add(message.SerializeToString(), transport="http")
            for summary in store.wait_for_changes(0):
                viewer.offer(summary, 0)
            counts.append((viewer.shown, viewer.not_shown))
        assert counts == [(0, 1), (0, 2), (2, 1)]


def test_a_taken_grpc_port_is_one_friendly_line():
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with Receiver() as other:
        arguments = ["receive", "--http-port", "0", "--grpc-port", str(other.grpc_port)]
        result = subprocess.run(
            [sys.executable, "-m", "nanospan.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1:{other.grpc_port}: Address already in use" in line
    assert "--grpc-port" in line


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--http-port", "99999"), 2, "'--http-port': '99999' is no port: write a number from 1 to 65535, or 0 for"),
        (("--http-port", "http"), 2, "'http' is no port: write a number from 1 to 65535"),
        (("--grpc-port", "-1"), 2, "'-1' is no port: write a number from 1 to 65535"),
        (("--max-rows", "many"), 2, "'many' is not a whole number, such as 40000"),
        (("--host", "localhost:4318", "--no-grpc"), 1, "write --host localhost --http-port 4318"),
        (("--host", "no.such.host.invalid", "--no-grpc"), 1, "write --host with the name or the address of this machine"),
    ],
)
def test_a_wrong_value_is_told_what_to_write(arguments, status, says):
    result = receive(*arguments)
    assert result.exit_code == status
    assert says in result.output


@pytest.mark.parametrize("origin", ["example.com", "http://example.com/path"])
def test_a_wrong_origin_is_named(origin):
    result = receive("--cors-origin", origin)
    assert result.exit_code == 2
    assert "--cors-origin" in result.output
    assert "scheme://host" in result.output


def test_a_request_that_cannot_be_handled_is_lost_alone(caplog):
    def handle(body: bytes, spans: int) -> int:
        return spans // len(body)

    queue = RequestQueue(handle, name="test", max_bytes=10_000)
    for body in (b"x", b"", b"x"):
        queue.put(body, 2)
    queue.drain(WAIT_SECONDS)
    queue.put(b"x", 2)
    assert (queue.delivered, queue.lost) == (4, 4)
    assert "ZeroDivisionError" in caplog.text
