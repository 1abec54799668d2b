"""The command nanospan, from outside as a user runs it and its parts from inside."""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

pytest.importorskip("click", reason="click is not installed")
pytest.importorskip("rich", reason="rich is not installed")

from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.console import Console, RenderableType
from support.extra_packages import environment_with

from nanospan import BatchSpanProcessor, TracerProvider
from nanospan.cli.commands import nanospan as command
from nanospan.cli.demo import pipeline_cost
from nanospan.cli.demo.pipeline_cost import NANOSPAN, PAUSES, PROCESSOR_ONLY, STOCK, STOCK_SPAN, CostRun
from nanospan.cli.demo.report import accounting_table, cost_notes, cost_table
from nanospan.cli.demo.run import make_tracing
from nanospan.cli.receive.pending import PendingTraces, RateMeter
from nanospan.receiver import Receiver, TraceSummary

NANOSPAN_COMMAND = [sys.executable, "-m", "nanospan.cli"]
WAIT_SECONDS = 120


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NANOSPAN_COMMAND, *arguments], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)


def rendered(renderable: RenderableType, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(renderable)
    return file.getvalue()


def send_trace(port: int, number: int = 1, service: str = "shop", root: bool = True) -> None:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    span = resource_spans.scope_spans.add().spans.add()
    span.trace_id, span.span_id = number.to_bytes(16), number.to_bytes(8)
    span.name = f"GET /{number}"
    span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 10**6
    if not root:
        span.parent_span_id = b"missing!"
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    client.request("POST", "/v1/traces", message.SerializeToString(), {"Content-Type": "application/x-protobuf"})
    assert client.getresponse().status == 200
    client.close()


class TestCommand:
    @pytest.mark.parametrize("missing", ["click", "rich"])
    def test_without_the_extra_one_line_says_what_to_install(self, missing):
        script = f"import sys; sys.modules[{missing!r}] = None; from nanospan.cli import main; main()"
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
        )
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert missing in line
        assert "pip install 'nanospan[cli]'" in line

    def test_help_names_the_commands(self):
        result = run("--help")
        assert result.returncode == 0
        assert re.search(r"demo .*\n.*doctor .*\n.*lint .*\n.*receive ", result.stdout)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["receive", "--http-port", "70000"], "--http-port"),
            (["receive", "--max-traces", "0"], "--max-traces"),
            (["demo", "--requests", "0"], "--requests"),
            (["nothing"], "nothing"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, words):
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 2
        assert words in result.output


class TestReceive:
    @contextmanager
    def receiving(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
        with subprocess.Popen(
            [*NANOSPAN_COMMAND, "receive", "--http-port", "0", "--no-grpc", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                port = int(re.search(r":(\d+)/v1/traces", process.stdout.readline())[1])
                yield process, port
            finally:
                process.kill()

    def test_once_shows_a_trace_and_ends_with_a_summary(self):
        with self.receiving("--once") as (process, port):
            send_trace(port)
            output, errors = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, errors) == (0, "")
        assert "GET /1  1.00 ms  1 span" in output
        assert "━" in output
        assert re.search(r"spans +1\b", output)
        assert "\x1b" not in output

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_with_a_summary(self, number):
        with self.receiving() as (process, port):
            send_trace(port)
            while "━" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(number)
            output, errors = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, errors) == (0, "")
        assert re.search(r"traces shown +1\b", output)

    def test_the_filter_shows_only_that_service(self):
        with self.receiving("--service", "cart", "--once") as (process, port):
            send_trace(port, 1, service="shop")
            send_trace(port, 2, service="cart")
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert "GET /2" in output
        assert "GET /1" not in output
        assert re.search(r"spans +2\b", output)
        assert re.search(r"traces not shown +1\b", output)

    def test_quiet_counts_and_shows_nothing(self):
        with self.receiving("--quiet", "--max-traces", "2") as (process, port):
            send_trace(port, 1)
            send_trace(port, 2, root=False)
            output, _ = process.communicate(timeout=WAIT_SECONDS)
        assert "GET" not in output
        assert re.search(r"traces counted +2\b", output)

    def test_a_taken_port_is_one_friendly_line(self):
        with Receiver(grpc_port=None) as other:
            result = run("receive", "--http-port", str(other.http_port), "--no-grpc")
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert f"127.0.0.1:{other.http_port}" in line
        assert "--http-port" in line

    def test_a_taken_grpc_port_is_one_friendly_line(self):
        pytest.importorskip("grpc", reason="grpcio is not installed")
        with Receiver(grpc_port=None) as other:
            result = run("receive", "--http-port", "0", "--grpc-port", str(other.http_port))
        assert result.returncode == 1
        (line,) = result.stderr.splitlines()
        assert f"127.0.0.1:{other.http_port}" in line
        assert "--grpc-port" in line

    def test_without_grpcio_it_says_so_and_receives_over_http(self):
        script = "import sys; sys.modules['grpc'] = None; from nanospan.cli import main; main()"
        with subprocess.Popen(
            [sys.executable, "-c", script, "receive", "--http-port", "0", "--once"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert "nanospan[grpc]" in process.stdout.readline()
                port = int(re.search(r":(\d+)/v1/traces", process.stdout.readline())[1])
                send_trace(port)
                output, _ = process.communicate(timeout=WAIT_SECONDS)
            finally:
                process.kill()
        assert "GET /1" in output


def summary(number: int, has_root: bool = True) -> TraceSummary:
    return TraceSummary(f"{number:032x}", 1, 0, has_root, "name", ("shop",))


class TestPendingTraces:
    def test_a_trace_is_due_soon_after_its_root(self):
        pending = PendingTraces(settle_seconds=1, quiet_seconds=10)
        pending.touch([summary(1)], now=100)
        assert pending.due(100.9) == []
        pending.touch([summary(1)], now=100.9)
        assert pending.due(101.5) == []
        assert pending.due(101.9) == [summary(1)]
        assert pending.due(200) == []

    def test_without_a_root_it_waits_longer(self):
        pending = PendingTraces(settle_seconds=1, quiet_seconds=10)
        pending.touch([summary(1, has_root=False), summary(2)], now=0)
        assert pending.due(9.9) == [summary(2)]
        assert pending.due(10) == [summary(1, has_root=False)]

    def test_is_bounded(self):
        pending = PendingTraces(max_pending=2)
        pending.touch([summary(1), summary(2)], now=0)
        pending.touch([summary(1), summary(3)], now=1)
        assert pending.due(100) == [summary(1), summary(3)]


def test_the_rate_is_that_of_the_last_second():
    meter = RateMeter()
    for now, spans in ((0.0, 100), (0.5, 200), (1.0, 1100), (1.5, 1100), (3.0, 1100)):
        meter.update(spans, now)
    assert (meter.current, meter.highest) == (0, 1000)


@pytest.fixture(scope="module")
def traces():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from nanospan.cli.demo.checkout_service import DECLINE_EVERY, CheckoutServer

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    server = CheckoutServer(provider.get_tracer("test"))
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
    answers = []
    for _ in range(DECLINE_EVERY):
        client.request("POST", "/checkout", b"{}")
        response = client.getresponse()
        response.read()
        answers.append(response.status)
    client.close()
    server.stop()
    by_trace: dict[int, list] = {}
    for span in exporter.get_finished_spans():
        by_trace.setdefault(span.context.trace_id, []).append(span)
    assert server.served == DECLINE_EVERY
    return answers, list(by_trace.values())


class TestService:
    def test_every_request_is_one_tree_of_thirty_spans(self, traces):
        from nanospan.cli.demo.checkout_service import SPANS_A_REQUEST

        _, all_spans = traces
        for spans in all_spans:
            ids = {span.context.span_id for span in spans}
            assert len(ids) == SPANS_A_REQUEST == 30
            parents = [span.parent.span_id if span.parent else None for span in spans]
            assert parents.count(None) == 1
            assert set(parents) - {None} <= ids

    def test_spans_carry_about_ten_attributes(self, traces):
        counts = {len(span.attributes) for spans in traces[1] for span in spans}
        assert min(counts) >= 8
        assert max(counts) <= 10

    def test_the_last_payment_is_declined(self, traces):
        answers, all_spans = traces
        assert answers == [200] * (len(answers) - 1) + [402]
        errors = [sorted(span.name for span in spans if not span.status.is_unset) for spans in all_spans]
        assert errors[:-1] == [[]] * (len(answers) - 1)
        assert errors[-1] == ["POST /charges", "POST /checkout", "payment.charge"]


class TestReport:
    STATS: ClassVar = {
        "ended": 10,
        "queued": 0,
        "held": 0,
        "exported": 7,
        "dropped": {"queue_full": 2, "oversize": 0},
        "rejected": 1,
        "sampled_out": 0,
        "detail": {},
    }

    def table(self, received: int = 7, **changed: int) -> str:
        return rendered(accounting_table(self.STATS | changed, received))

    def test_accounting_that_adds_up(self):
        text = self.table()
        assert re.search(r"dropped: queue full +2", text)
        assert "too large" not in text
        assert text.count("yes:") == 2

    def test_accounting_that_does_not(self):
        assert re.search(r"adds up +11 +NO", self.table(exported=8, received=8))
        assert re.search(r"received +6 +NO", self.table(received=6))

    RUNS: ClassVar = [
        CostRun(pipeline, cpu, 5_000, 0)
        for stock_cpu, nanospan_cpu in ((100_000, 7_000), (200_000, 12_000), (50_000, 4_000))
        for pipeline, cpu in zip(
            pipeline_cost.PIPELINES, (stock_cpu, 0.4 * stock_cpu, nanospan_cpu, 0.3 * stock_cpu, 500), strict=True
        )
    ]

    def test_cost(self):
        table = rendered(cost_table(self.RUNS))
        assert [re.sub(" +", " ", row.strip()) for row in table.splitlines()[1:]] == [
            "stock stock 100 µs 50.0 µs..200 µs 100 % 5.00 µs",
            "stock nanospan 40.0 µs 20.0 µs..80.0 µs 40 % 5.00 µs",
            "nanospan nanospan 7.00 µs 4.00 µs..12.0 µs 7.0 % 5.00 µs",
            "stock none 30.0 µs 15.0 µs..60.0 µs 30 % 5.00 µs",
            "none none 500 ns 500 ns..500 ns 0.5 % 5.00 µs",
        ]
        assert max(map(len, table.splitlines())) <= 80
        notes = rendered(cost_notes(self.RUNS, 2000), width=1000)
        # Each run against the stock one of its own round: 7, 6 and 8 per cent.
        assert "nanospan used 7.0 % of the stock pipeline's CPU (6.0 % to 8.0 % over the rounds)" in notes
        assert "behind the stock provider 40 %, where 30 % is the stock span itself" in notes
        assert "No run lost a span" in notes

    def test_cost_without_the_stock_pipeline_compares_nothing(self):
        runs = [one for one in self.RUNS if one.pipeline != STOCK]
        table = rendered(cost_table(runs))
        assert len(table.splitlines()) == 5
        assert "of stock" not in table
        assert "stock" not in rendered(cost_notes(runs, 5))

    def test_cost_with_losses_says_so(self):
        lossy = [CostRun(name, 1, 1, 3 if name == STOCK else 0) for name in pipeline_cost.PIPELINES]
        notes = rendered(cost_notes(lossy, 5), width=1000)
        assert "The stock runs lost 3 spans" in notes
        assert "No run lost" not in notes


class TestCost:
    @pytest.mark.slow("starts eight pipelines one after another")
    def test_the_pipelines_take_turns_and_lose_nothing(self):
        heard: list[CostRun] = []
        pipelines = [PROCESSOR_ONLY, NANOSPAN, STOCK_SPAN, PAUSES]
        runs = pipeline_cost.measure(pipelines, rounds=2, spans=300, on_run=heard.append)
        assert runs == heard
        assert [one.pipeline for one in runs] == 2 * pipelines
        assert all(one.cpu_ns > 0 and one.wall_ns > 0 and one.lost == 0 for one in runs)

    def test_the_stock_pipeline(self):
        if not pipeline_cost.stock_is_installed():
            pytest.skip("opentelemetry-exporter-otlp-proto-http is not installed")
        (one,) = pipeline_cost.measure([STOCK], rounds=1, spans=100)
        assert one.lost == 0

    @pytest.mark.parametrize(
        ("pipeline", "provider", "processor"),
        [
            (STOCK, "opentelemetry.sdk.trace", "opentelemetry.sdk.trace.export"),
            (PROCESSOR_ONLY, "opentelemetry.sdk.trace", "nanospan.processor"),
            (NANOSPAN, "nanospan.trace", "nanospan.processor"),
            (STOCK_SPAN, "opentelemetry.sdk.trace", None),
            (PAUSES, None, None),
        ],
    )
    def test_a_pipeline_has_the_provider_and_the_processor_it_names(self, pipeline, provider, processor):
        from nanospan.cli.demo.pipeline_cost_worker import make_provider

        if pipeline == STOCK and not pipeline_cost.stock_is_installed():
            pytest.skip("opentelemetry-exporter-otlp-proto-http is not installed")
        made = make_provider(pipeline, "http://127.0.0.1:9/v1/traces")
        if made is None:
            assert provider is None
            return
        made.shutdown()
        processors = [type(one).__module__ for one in made._active_span_processor._span_processors]
        assert (type(made).__module__, processors) == (provider, [processor] if processor else [])

    def test_a_failing_run_is_an_error_with_its_message(self):
        with pytest.raises(pipeline_cost.CostError, match="invalid choice"):
            pipeline_cost.measure(["nothing"], rounds=1, spans=1)

    def test_settings_of_the_shell_do_not_reach_the_runs(self, monkeypatch):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        assert not [name for name in pipeline_cost.child_environment() if name.startswith("OTEL_")]


def test_the_service_of_the_demo_is_traced_by_nanospan():
    provider, processor = make_tracing("http://127.0.0.1:9/v1/traces")
    provider.shutdown()
    assert (type(provider), type(processor)) == (TracerProvider, BatchSpanProcessor)


@pytest.mark.slow("runs the demo")
@pytest.mark.parametrize(
    ("moment", "options"),
    [
        ("A checkout service under load", ["--requests", "100", "--no-stock"]),
        ("What a ten-attribute span costs", ["--requests", "100", "--no-stock"]),
        ("A queue between two processes", ["--queue", "--orders", "100000"]),
    ],
)
def test_an_interrupted_demo_says_no_more_than_that(moment, options):
    arguments = [*NANOSPAN_COMMAND, "demo", *options]
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as process:
        while moment not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=WAIT_SECONDS)
    assert stderr.strip() == "Aborted!"


@pytest.mark.slow("starts processes")
@pytest.mark.parametrize("broker", ["embedded", "redis"])
def test_the_demo_of_a_queue_shows_both_traces_and_the_link(request, broker):
    if broker == "redis" and shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (package redis-server)")
    environment = environment_with(request.config, *(["redis"] if broker == "redis" else []))
    # Redis is found where it is not named.
    named = [] if broker == "redis" else ["--broker", broker]
    result = environment.run("python", "-m", "nanospan.cli", "demo", "--queue", "--orders", "7", *named)
    assert result.stderr == ""
    spans = 7 * (4 + 3 + (broker == "redis"))
    assert f"7 orders sent, 7 packed, {spans} of {spans} spans received" in result.stdout
    sent, taken = re.findall(r"^trace (\w{32})  (\w+)$", result.stdout, re.MULTILINE)
    assert (sent[1], taken[1]) == ("shop", "packing")
    assert sent[0] != taken[0]
    assert re.search(rf"^process orders .*\n│ → link to send orders in trace {sent[0][:8]}…$", result.stdout, re.MULTILINE)
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.slow("starts processes")
def test_the_demo_of_a_queue_without_redis_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    result = run("demo", "--queue", "--broker", "redis")
    assert result.returncode == 1
    assert result.stderr == "Error: redis-server is not on the PATH (--broker embedded needs nothing)\n"
    result = run("demo", "--queue", "--orders", "1")
    assert "A pipe is" in result.stdout
    assert "redis-server is not on the PATH" in " ".join(result.stdout.split())


@pytest.mark.slow("runs the whole demo")
def test_demo(monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    result = run("demo", "--requests", "50", "--seconds", "60", "--rounds", "1", "--cost-spans", "100", "--no-stock")
    assert (result.returncode, result.stderr) == (0, "")
    output = result.stdout
    assert re.search(r"^50 requests .* 1,500 spans received", output, re.MULTILINE)
    # The chosen trace is one with a declined payment.
    assert re.search(r"^POST /checkout  .*30 spans  3 errors", output, re.MULTILINE)
    assert re.search(r"ended +1,500 ", output)
    assert output.count("yes:") == 2
    assert "NO:" not in output
    assert "nanospan.TracerProvider" in output
    rows = [line.split()[:2] for line in output.partition("its thread")[2].splitlines()[1:5]]
    assert rows == [["stock", "nanospan"], ["nanospan", "nanospan"], ["stock", "none"], ["none", "none"]]
    assert max(map(len, output.splitlines())) <= 80
