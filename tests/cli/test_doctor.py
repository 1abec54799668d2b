"""``nanospan.doctor()`` and the command ``nanospan doctor``: real providers, real receivers, and what is said of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor as SdkBatchSpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased as SdkTraceIdRatioBased
from support.receivers import WAIT, HttpReceiver, Step, answer, hang, partial_success, raw, unused_port, when

import nanospan
from nanospan import sampling
from nanospan._compat import inspection
from nanospan._doctor.report import Level, Report
from nanospan._doctor.samplers import describe_sampler
from nanospan.export.http import OTLPSpanExporter
from nanospan.processor import BatchSpanProcessor
from nanospan.receiver import Receiver
from nanospan.tail import StatusCode, TailSampling

NAMED = Resource({"service.name": "shop"})


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "GRPC_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test says nothing else, an answer has time, as on a slow machine."""
    monkeypatch.setitem(nanospan.doctor.__kwdefaults__, "timeout", WAIT)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@contextmanager
def provider_of(
    *processors: SpanProcessor, cls: type[SdkTracerProvider] = nanospan.TracerProvider, **arguments: Any
) -> Iterator[SdkTracerProvider]:
    provider = cls(resource=NAMED, shutdown_on_exit=False, **arguments)
    for processor in processors:
        provider.add_span_processor(processor)
    yield provider
    provider.shutdown()


def to(receiver: HttpReceiver, timeout: float = WAIT, **arguments: Any) -> BatchSpanProcessor:
    return BatchSpanProcessor(OTLPSpanExporter(receiver.url, timeout=timeout), **arguments)


def found(report: Report, *levels: Level) -> list[tuple[str, str]]:
    """What the findings are about and say; of these levels, or all that are something to do."""
    wanted = levels or (Level.ERROR, Level.WARNING)
    return [(finding.about, finding.says) for finding in report.findings if finding.level in wanted]


class TestPipelines:
    def test_in_order(self, receiver):
        with provider_of(to(receiver)) as provider:
            report = nanospan.doctor(provider)
        assert report.ok
        assert report.findings == []
        assert report.verdict[0] == "Fine: nothing to do."
        assert str(report).splitlines()[:3] == list(report.verdict)
        (processor,) = report.processors
        assert processor["endpoint"] == receiver.url
        assert processor["answer"] == {"reached": True, "accepted": True, "code": "", "text": "answers"}
        (request,) = receiver.requests
        assert ExportTraceServiceRequest.FromString(request.body).ByteSize() == 2
        assert receiver.span_names() == []
        json.dumps(report.as_dict())

    def test_without_a_provider(self):
        from opentelemetry.trace import ProxyTracerProvider

        report = nanospan.doctor(ProxyTracerProvider())
        assert found(report) == [("provider", "no tracer provider is set: spans go nowhere")]

    def test_without_a_processor(self):
        with provider_of() as provider:
            assert found(nanospan.doctor(provider)) == [
                ("provider", "nanospan.TracerProvider has no processor: spans go nowhere")
            ]

    @pytest.mark.parametrize("ours", [True, False])
    def test_the_sdks_provider(self, receiver, ours):
        exporter = OTLPSpanExporter(receiver.url)
        processor = BatchSpanProcessor(exporter) if ours else SdkBatchSpanProcessor(exporter)
        with provider_of(processor, cls=SdkTracerProvider) as provider:
            report = nanospan.doctor(provider)
        assert report.ok is ours
        level = Level.NOTE if ours else Level.WARNING
        ((about, says),) = found(report, level)
        assert (about, says.partition(":")[0]) == ("provider", "the provider is opentelemetry.TracerProvider")
        assert report.processors[0]["queued"] == 0
        assert report.processors[0]["max_queue_size"] == 2048

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_the_official_exporters_are_asked_too(self, protocol):
        module = pytest.importorskip(f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter")
        with Receiver() as running:
            endpoint = running.endpoint_http if protocol == "http" else f"http://127.0.0.1:{running.grpc_port}"
            with provider_of(BatchSpanProcessor(module.OTLPSpanExporter(endpoint=endpoint))) as provider:
                report = nanospan.doctor(provider)
                assert report.processors[0]["answer"]["accepted"], report
                # Its own connections still work.
                provider.get_tracer("t").start_span("s").end()
                assert provider.force_flush()
        assert report.ok

    def test_a_disabled_sdk(self, receiver, monkeypatch):
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        with provider_of(to(receiver)) as provider:
            assert ("provider", "OTEL_SDK_DISABLED=true: no span is made") in found(nanospan.doctor(provider))

    def test_an_unnamed_service(self, receiver):
        provider = nanospan.TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(to(receiver))
        report = nanospan.doctor(provider)
        provider.shutdown()
        assert report.ok
        assert found(report, Level.NOTE) == [("provider", "the service has no name: its traces are hard to find")]

    @pytest.mark.parametrize("argument", [{"timeout": 0}, {"timeout": "5"}, {"provider": object()}])
    def test_wrong_arguments(self, argument):
        with pytest.raises((TypeError, ValueError), match=next(iter(argument))):
            nanospan.doctor(**argument)


class TestProcessors:
    def test_a_simple_one(self, receiver):
        with provider_of(SimpleSpanProcessor(OTLPSpanExporter(receiver.url))) as provider:
            ((about, says),) = found(nanospan.doctor(provider))
        assert about == "processor"
        assert says.startswith("opentelemetry.SimpleSpanProcessor exports each span in the request that ends it")

    def test_a_simple_one_for_tests(self):
        with provider_of(SimpleSpanProcessor(InMemorySpanExporter())) as provider:
            assert nanospan.doctor(provider).ok

    @pytest.mark.parametrize("composite", [None, ConcurrentMultiSpanProcessor])
    def test_two_to_one_endpoint(self, receiver, composite):
        arguments = {} if composite is None else {"active_span_processor": composite()}
        with provider_of(to(receiver), to(receiver), **arguments) as provider:
            says = f"2 processors send to {receiver.url}: each span is sent 2 times"
            assert found(nanospan.doctor(provider)) == [("processor", says)]

    def test_a_wrapped_one_is_found(self, receiver):
        class Wrapper(SpanProcessor):
            def __init__(self, processor: SpanProcessor) -> None:
                self.processor = processor

        with provider_of(Wrapper(to(receiver))) as provider:
            (processor,) = nanospan.doctor(provider).processors
        assert processor["class"] == "nanospan.BatchSpanProcessor"
        assert len(processor["wrapped_in"]) == 1

    @pytest.mark.parametrize("cls", [BatchSpanProcessor, SdkBatchSpanProcessor])
    def test_one_that_was_shut_down(self, receiver, cls):
        processor = cls(OTLPSpanExporter(receiver.url))
        with provider_of(processor) as provider:
            processor.shutdown()
            assert any("was shut down" in says for _, says in found(nanospan.doctor(provider), Level.ERROR))

    def test_drops_and_a_full_queue(self):
        told = threading.Event()
        receiver = HttpReceiver([when(told), answer(200)])
        with receiver, provider_of(to(receiver, timeout=WAIT, max_queue_size=8)) as provider:
            tracer = provider.get_tracer("t")
            tracer.start_span("hangs").end()
            receiver.wait_for(lambda: bool(receiver.requests))
            for _ in range(20):
                tracer.start_span("waits").end()
            report = nanospan.doctor(provider, timeout=WAIT)
            receiver.tell(told)
        dropped = report.processors[0]["stats"]["dropped"]["queue_full"]
        assert dropped > 0
        assert report.findings[0].level is Level.ERROR
        assert f"has dropped {dropped} of 21 spans (queue_full)" in report.verdict[0]
        assert "OTEL_BSP_MAX_QUEUE_SIZE" in report.verdict[2]
        assert any("is nearly full" in says for about, says in found(report) if about == "queue")


BARE = "decides on each span anew"
STARVED = "tail sampling decides only on what the head records"


class TestSamplers:
    @pytest.mark.parametrize(
        ("sampler", "tail", "problems"),
        [
            (sampling.ConsistentProbability(0.01), False, [BARE]),
            (sampling.AlwaysRecord(sampling.RateLimited(5)), False, [BARE]),
            (SdkTraceIdRatioBased(0.5), False, [BARE]),
            (
                sampling.RuleBased([sampling.Rule(sampler=sampling.ALWAYS_ON, name="a")], default=sampling.ALWAYS_OFF),
                False,
                [BARE],
            ),
            (
                sampling.RuleBased([sampling.Rule(sampler=sampling.ALWAYS_ON, parent="none")], default=sampling.ALWAYS_OFF),
                False,
                [],
            ),
            (sampling.ParentBased(sampling.ConsistentProbability(0.01)), False, []),
            (sampling.ParentBased(sampling.ConsistentProbability(0.01)), True, [STARVED]),
            (sampling.ConsistentProbability(0.01), True, [BARE, STARVED]),
            (sampling.ParentBased(sampling.ConsistentProbability(1.0)), True, []),
            (sampling.AlwaysRecord(sampling.ParentBased(sampling.ConsistentProbability(0.01))), True, []),
            (
                sampling.RuleBased([sampling.Rule(sampler=sampling.ALWAYS_OFF, parent="none")], default=sampling.ALWAYS_ON),
                True,
                [],
            ),
            (sampling.ALWAYS_ON, True, []),
            (sampling.DEFAULT_ON, True, []),
            (sampling.ALWAYS_ON, False, []),
            (sampling.ALWAYS_OFF, False, ["keeps no span"]),
        ],
        ids=lambda value: describe_sampler(value) if hasattr(value, "should_sample") else "",
    )
    def test_half_traces_and_starved_tails(self, receiver, sampler, tail, problems):
        tails = {"tail_sampling": TailSampling([StatusCode("ERROR")])} if tail else {}
        with provider_of(to(receiver, **tails), sampler=sampler) as provider:
            said = [says for about, says in found(nanospan.doctor(provider)) if about == "sampler"]
        assert len(said) == len(problems), said
        assert all(problem in says for problem, says in zip(problems, said, strict=True)), said


WEB_PAGE = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")


class TestEndpoints:
    @pytest.mark.parametrize(
        ("step", "level", "reached", "says", "do"),
        [
            (answer(401), Level.ERROR, True, "401", "OTEL_EXPORTER_OTLP_HEADERS"),
            (answer(404), Level.ERROR, True, "404", "/v1/traces"),
            (answer(400, b"empty"), Level.WARNING, True, "400 ", "empty requests only"),
            (answer(429), Level.WARNING, True, "429", "limits requests"),
            (answer(200, partial_success(0, "old client")), None, True, "", ""),
            (WEB_PAGE, Level.ERROR, True, "is none of OTLP", "one of OTLP"),
            (hang, Level.ERROR, False, "is not reached", "nanospan receive"),
        ],
        ids=["401", "404", "400", "429", "partial", "web page", "silent"],
    )
    def test_what_it_answers(self, step: Step, level, reached, says, do):
        with HttpReceiver([step]) as receiver, provider_of(to(receiver)) as provider:
            report = nanospan.doctor(provider, timeout=1.0 if step is hang else WAIT)
            receiver.stopping.set()
        assert report.processors[0]["answer"]["reached"] is reached
        assert report.ok is (level is None)
        if level is not None:
            (finding,) = report.findings
            assert (finding.level, finding.about) == (level, "endpoint")
            assert says in finding.says
            assert do in finding.do

    @pytest.mark.parametrize("protocol", ["http", "grpc"])
    def test_nobody_listens(self, protocol):
        pytest.importorskip("grpc", reason="grpcio is not installed")
        from nanospan.export import grpc, http

        endpoint = f"http://127.0.0.1:{unused_port()}"
        exporter = {"http": http, "grpc": grpc}[protocol].OTLPSpanExporter(endpoint)
        with provider_of(BatchSpanProcessor(exporter)) as provider:
            ((about, says),) = found(nanospan.doctor(provider), Level.ERROR)
        assert about == "endpoint"
        assert "is not reached" in says

    def test_credentials_are_not_shown(self, receiver, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer s3cret")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://user:s3cret@127.0.0.1:{receiver.port}")
        with provider_of(BatchSpanProcessor()) as provider:
            report = nanospan.doctor(provider)
        assert receiver.requests[0].headers["authorization"] == "Bearer s3cret"
        assert "s3cret" not in json.dumps(report.as_dict()) + str(report)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("variables", "says", "do"),
        [
            (
                {"OTEL_EXPORTER_OLTP_ENDPOINT": "x"},
                "nobody reads OTEL_EXPORTER_OLTP_ENDPOINT",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            ),
            ({"OTEL_NONSENSE_OF_MINE": "x"}, "nobody reads OTEL_NONSENSE_OF_MINE", "correct its name"),
            ({"OTEL_TRACES_EXPORTER": "otlp"}, "nobody reads OTEL_TRACES_EXPORTER", "opentelemetry-instrument"),
            ({"OTEL_EXPORTER_JAEGER_ENDPOINT": "x"}, "nobody reads OTEL_EXPORTER_JAEGER_ENDPOINT without", "Install"),
            ({"OTEL_TRACES_SAMPLER_ARG": "0.1"}, "nobody reads OTEL_TRACES_SAMPLER_ARG", "OTEL_TRACES_SAMPLER"),
            ({"OTEL_BSP_MAX_QUEUE_SIZE": "-5"}, "OTEL_BSP_MAX_QUEUE_SIZE='-5' is ignored: write an integer", "line"),
            ({"OTEL_PYTHON_NANOSPAN_CLOCK": "frozen"}, "OTEL_PYTHON_NANOSPAN_CLOCK='frozen' is ignored: write sys", "line"),
            ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT='soon' is ignored", "line"),
            ({"OTEL_TRACES_SAMPLER": "traceidratio"}, "the sampler is ALWAYS", "sampler="),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://else:4318"}, "no exporter sends to the endpoint in", "endpoint="),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_what_it_sets_in_vain(self, receiver, monkeypatch, variables, says, do):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        sampler = sampling.DEFAULT_ON
        with provider_of(to(receiver), sampler=sampler) as provider:
            report = nanospan.doctor(provider)
        (finding,) = [finding for finding in report.findings if finding.level is Level.WARNING]
        assert finding.about == "environment"
        assert finding.says.startswith(says.replace("ALWAYS", "ParentBased(AlwaysOnSampler)"))
        assert do in finding.do
        assert {one["name"] for one in report.environment} == set(variables)

    def test_a_warning_that_was_logged_before_is_said_again_and_not_logged(self, receiver, monkeypatch, caplog):
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "often")
        with provider_of(to(receiver)) as provider:
            caplog.clear()
            reports = [nanospan.doctor(provider), nanospan.doctor(provider)]
        assert all("OTEL_BSP_SCHEDULE_DELAY='often'" in found(report)[0][1] for report in reports)
        assert caplog.records == []

    def test_what_is_read_is_no_finding(self, receiver, monkeypatch):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES", "1000000")
        monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_CLOCK", "system")
        monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_INSTALL", "true")  # as `nanospan run` sets it
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
        with provider_of(BatchSpanProcessor()) as provider:
            report = nanospan.doctor(provider)
        assert report.findings == []
        assert len(report.environment) == 7


class TestVersions:
    @pytest.fixture
    def package(self, tmp_path, monkeypatch) -> Callable[[str], None]:
        """Installs a package of the name opentelemetry-addition, with a requirement."""

        def install(requirement: str) -> None:
            folder = tmp_path / "opentelemetry_addition-1.0.dist-info"
            folder.mkdir()
            text = f"Metadata-Version: 2.1\nName: opentelemetry-addition\nVersion: 1.0\nRequires-Dist: {requirement}\n"
            (folder / "METADATA").write_text(text)
            monkeypatch.syspath_prepend(str(tmp_path))

        return install

    @pytest.mark.parametrize(
        ("requirement", "says"),
        [
            ("opentelemetry-api==1.2", "needs opentelemetry-api==1.2, and"),
            ("nothing-of-that-name>=3", "needs nothing-of-that-name>=3, which is not installed"),
            ("opentelemetry-api>=1", ""),
            ("nothing-of-that-name>=3; extra == 'more'", ""),
            ("opentelemetry-api==1.2; python_version < '3'", ""),
        ],
    )
    def test_requirements_that_are_not_met(self, receiver, package, requirement, says):
        pytest.importorskip("packaging", reason="packaging is not installed")
        package(requirement)
        with provider_of(to(receiver)) as provider:
            report = nanospan.doctor(provider)
        assert [f"opentelemetry-addition 1.0 {says}" in text for _, text in found(report)] == ([True] if says else [])

    def test_grpc_without_support_of_forks(self, monkeypatch):
        grpc = pytest.importorskip("nanospan.export.grpc", reason="grpcio is not installed", exc_type=ImportError)
        monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")
        with Receiver() as running:
            exporter = grpc.OTLPSpanExporter(f"http://127.0.0.1:{running.grpc_port}")
            with provider_of(BatchSpanProcessor(exporter)) as provider:
                ((about, says),) = found(nanospan.doctor(provider))
        assert about == "versions"
        assert "GRPC_ENABLE_FORK_SUPPORT=0" in says


def test_the_private_names_that_are_read_are_there(receiver):
    """A release of the SDK that has moved one reads as absent, silently: this test says so."""
    processor = SdkBatchSpanProcessor(OTLPSpanExporter(receiver.url))
    with provider_of(processor, cls=SdkTracerProvider) as provider:
        assert inspection.span_processors(provider) == [(processor, ())]
        assert inspection.is_disabled(provider) is False
        assert hasattr(provider, "_disabled")
        assert inspection.batch_state(processor) == inspection.BatchState(0, 2048, True, False)
    assert inspection.batch_state(processor).is_shut_down


APPLICATIONS = {
    "ours": """
import nanospan
provider = nanospan.TracerProvider()
provider.add_span_processor(nanospan.BatchSpanProcessor())
""",
    "stock": """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from nanospan.export.http import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
""",
}
THREAD = """
import threading
from opentelemetry import trace
trace.get_tracer("t").start_span("of the application").end()
threading.Thread(target=threading.Event().wait, name="server").start()
"""
SET_UP = "\nfrom opentelemetry import trace\nprint('noise')\ntrace.set_tracer_provider(provider)\n"


class TestCommand:
    @pytest.fixture
    def doctor(self, tmp_path: Path, receiver: HttpReceiver) -> Callable[..., subprocess.CompletedProcess[str]]:
        for name, text in APPLICATIONS.items():
            (tmp_path / f"{name}.py").write_text(text + SET_UP)
        (tmp_path / "nothing.py").write_text("")
        (tmp_path / "broken.py").write_text("import missing_module")
        (tmp_path / "factory.py").write_text("def create():\n    import ours")
        (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)")
        (tmp_path / "exits_later.py").write_text("import ours, sys\nsys.exit('no database')")
        (tmp_path / "serves.py").write_text("import ours" + THREAD)
        (tmp_path / "serves_and_fails.py").write_text(THREAD + "1 / 0")

        def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
            endpoint = f"http://127.0.0.1:{receiver.port}"
            environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": "shop", **variables}
            command = [sys.executable, "-m", "nanospan.cli", "doctor", *arguments]
            return subprocess.run(
                command, capture_output=True, text=True, timeout=WAIT, cwd=tmp_path, env=environment, check=False
            )

        return run

    @pytest.mark.slow("starts a process for each application")
    @pytest.mark.parametrize(
        ("arguments", "status", "verdict"),
        [
            ((), 0, "Fine: nothing to do."),
            (("ours",), 0, "Fine: nothing to do."),
            (("factory:create",), 0, "Fine: nothing to do."),
            (("stock",), 1, "1 thing to do: the provider is opentelemetry.TracerProvider"),
            (("nothing",), 1, "1 thing to do, and spans are lost: no tracer provider is set"),
        ],
    )
    def test_the_verdict_comes_first(self, doctor, receiver, arguments, status, verdict):
        result = doctor(*arguments)
        lines = result.stdout.splitlines()
        assert (result.returncode, lines[0][: len(verdict)]) == (status, verdict), result
        assert lines[1].startswith("Spans: ")
        assert lines[2].startswith("First: ")
        assert lines[3] == ""
        if arguments != ("nothing",):
            assert f"{receiver.url} (answers)" in lines[1]

    def test_json(self, doctor):
        result = doctor("stock", "--json")
        report = json.loads(result.stdout)
        assert result.returncode == 1
        assert report["ok"] is False
        assert report["provider"]["class"] == "opentelemetry.TracerProvider"
        assert len(report["verdict"]) == 3
        assert report["findings"][0]["level"] == "warning"
        assert report["origin"] == "as stock sets it up"

    def test_a_module_that_cannot_be_loaded(self, doctor):
        result = doctor("broken")
        assert result.returncode == 2
        assert "broken cannot be loaded: ModuleNotFoundError: No module named 'missing_module'" in result.stderr

    @pytest.mark.parametrize(
        ("module", "status", "output", "complaint"),
        [
            ("exits", 2, "", "exits called sys.exit(3) before it set a tracer provider: name the module"),
            ("exits_later", 0, "Provider, as exits_later sets it up, which then called sys.exit('no database')", ""),
            ("serves", 0, "Fine: nothing to do.", "threads that did not end; the doctor ends without them: server\n"),
            ("serves_and_fails", 2, "", "serves_and_fails cannot be loaded: ZeroDivisionError"),
            ("factory:missing", 2, "", "has no attribute 'missing'"),
            ("ours.py", 2, "", "write the name of the module, ours"),
        ],
    )
    def test_applications_that_end_or_do_not_end(self, doctor, receiver, module, status, output, complaint):
        result = doctor(module)
        assert (result.returncode, "Traceback" in result.stderr) == (status, False), result
        assert output in result.stdout
        assert complaint in result.stderr
        if module == "serves":
            assert receiver.span_names() == ["of the application"]  # as at an exit

    def test_an_application_that_does_not_return_is_said(self, tmp_path, monkeypatch, capfd):
        from nanospan.cli.doctor import subject

        said = threading.Event()
        (tmp_path / "runs_for_ever.py").write_text("from nanospan.cli.doctor.subject import SAID\nSAID.wait(60)")
        monkeypatch.setattr(subject, "SLOW_SECONDS", 0.0)
        monkeypatch.setattr(subject, "SAID", said, raising=False)
        monkeypatch.setattr(subject.click, "echo", lambda text, err: (print(text, file=sys.stderr), said.set()))
        monkeypatch.syspath_prepend(str(tmp_path))
        subject.find_subject("runs_for_ever")
        assert said.is_set()
        assert "runs_for_ever has not returned yet. If it runs the application itself, press Ctrl-C" in capfd.readouterr()[1]
