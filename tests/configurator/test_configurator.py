"""Applications that know nothing of nanospan, run on it by ``opentelemetry-instrument`` and environment variables alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from opentelemetry.trace import TraceFlags
from support.extra_packages import Collector, Environment, Finished, environment_with
from support.variables.forked_cases import run_forked

pytestmark = pytest.mark.timeout(300)

APPLICATION = """
import json
from opentelemetry import baggage, context, propagate, trace

tracer = trace.get_tracer("application", "1.0")
carrier = {}
context.attach(baggage.set_baggage("who", "me"))
with tracer.start_as_current_span("parent", attributes={"number": 1, "text": "twelve chars"}) as span:
    with tracer.start_as_current_span("child"):
        propagate.inject(carrier)

def name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"

provider = trace.get_tracer_provider()
processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
print(json.dumps({
    "provider": name(provider),
    "span": name(span),
    "sampler": name(getattr(provider, "sampler", None)),
    "sampling": provider.sampler.get_description() if hasattr(provider, "sampler") else None,
    "ids": name(getattr(provider, "id_generator", None)),
    "processors": [name(processor) for processor in processors],
    "exporters": [name(processor.span_exporter) for processor in processors],
    "queue": [processor._batch_processor._max_queue_size for processor in processors],
    "propagators": [name(propagator) for propagator in propagate.get_global_textmap()._propagators],
    "carrier": carrier,
}))
"""

PROVIDER = "nanospan.trace.TracerProvider"
PROCESSOR = "nanospan.processor.BatchSpanProcessor"
HTTP = "nanospan.export.http.OTLPSpanExporter"
GRPC = "nanospan.export.grpc.OTLPSpanExporter"
OFFICIAL_HTTP = "opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter"
IDS = "nanospan.ids.RandomIdGenerator"
TRACE_CONTEXT = "nanospan.propagation.TraceContextTextMapPropagator"
STOCK_TRACE_CONTEXT = "opentelemetry.trace.propagation.tracecontext.TraceContextTextMapPropagator"
BAGGAGE = "opentelemetry.baggage.propagation.W3CBaggagePropagator"


@pytest.fixture(params=["opentelemetry-instrumentation", "opentelemetry-distro"])
def environment(request: pytest.FixtureRequest) -> Environment:
    """With the distro there is a second configurator, and defaults for exporters and protocol are set."""
    return environment_with(request.config, request.param)


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Environment:
    return environment_with(request.config, "opentelemetry-instrumentation")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def instrument(environment: Environment, script: str = APPLICATION, **variables: str | None) -> Finished:
    """What the application reports when ``opentelemetry-instrument`` runs it with these variables."""
    defaults: dict[str, str | None] = {
        "OTEL_PYTHON_CONFIGURATOR": "nanospan",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    return environment.run("opentelemetry-instrument", "python", "-c", script, **(defaults | variables))


def http(collector: Collector) -> dict[str, str]:
    """The variables that send spans to ``collector`` by HTTP."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.http_port}",
    }


def needs_the_official_exporter() -> None:
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="opentelemetry-exporter-otlp-proto-http is not installed"
    )


def complaints(finished: Finished) -> list[str]:
    """The lines of the log, but for the one that says that the distro's configurator has lost."""
    return [line for line in finished.stderr.splitlines() if "because nanospan is set by" not in line]


def test_an_application_runs_on_nanospan(environment, collector):
    finished = instrument(environment, **http(collector), OTEL_SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="region=north")
    assert complaints(finished) == []
    report = finished.report
    assert report["provider"] == PROVIDER
    assert report["sampler"] == "nanospan.sampling.ParentBased"
    assert report["ids"] == IDS
    assert report["processors"] == [PROCESSOR]
    assert report["exporters"] == [HTTP]
    assert report["propagators"] == [TRACE_CONTEXT, BAGGAGE]

    spans = collector.spans(2)
    assert spans["parent"].attributes == {"number": 1, "text": "twelve chars"}
    assert (spans["child"].trace_id, spans["child"].parent_span_id) == (spans["parent"].trace_id, spans["parent"].span_id)
    assert report["carrier"] == {
        "traceparent": f"00-{spans['child'].trace_id}-{spans['child'].span_id}-{report['carrier']['traceparent'][-2:]}",
        "baggage": "who=me",
    }
    (resource,) = collector.resources()
    assert resource["service.name"] == "shop"
    assert resource["region"] == "north"
    assert resource["telemetry.auto.version"]


def test_grpc_is_the_protocol_unless_another_is_named(environment, collector):
    if collector.endpoint_grpc is None:
        pytest.skip("grpcio is not installed")
    finished = instrument(environment, OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint_grpc)
    assert finished.report["exporters"] == [GRPC]
    assert set(collector.spans(2)) == {"parent", "child"}
    assert collector.stats().grpc_batches == 1


WITHOUT_GRPC = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "grpc" else find_spec(name, *more)
from nanospan.configurator import Configurator
Configurator().configure()
"""


def test_without_grpcio_and_a_named_protocol_it_is_http(plain, collector):
    variables = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint_http}
    finished = plain.run("python", "-c", WITHOUT_GRPC + APPLICATION, **variables)
    assert finished.report["exporters"] == [HTTP]
    assert "grpcio is not installed: sending OTLP over HTTP" in finished.stderr
    collector.spans(2)


@pytest.mark.parametrize("exporter", [None, "otlp"])
def test_without_grpcio_a_protocol_that_needs_it_costs_a_warning(plain, collector, exporter):
    """opentelemetry-distro names gRPC unasked."""
    variables = {"OTEL_TRACES_EXPORTER": exporter, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = collector.endpoint_http
    finished = plain.run("python", "-c", WITHOUT_GRPC + APPLICATION, **variables)
    assert finished.report["exporters"] == [HTTP]
    (line,) = finished.stderr.splitlines()
    assert line.startswith("OTEL_EXPORTER_OTLP_PROTOCOL='grpc' is ignored: write http/protobuf, or install nanospan[grpc]")
    collector.spans(2)


def test_traces_go_to_otlp_where_no_variable_says_where(environment, collector):
    """With the distro by gRPC, its default; else by HTTP, the standard's."""
    by_distro = environment.has("opentelemetry.distro")
    if by_distro and collector.endpoint_grpc is None:
        pytest.skip("grpcio is not installed")
    endpoint = collector.endpoint_grpc if by_distro else f"http://127.0.0.1:{collector.http_port}"
    finished = instrument(environment, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert finished.report["exporters"] == [GRPC if by_distro else HTTP]
    assert complaints(finished) == []
    collector.spans(2)


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"OTEL_METRICS_EXPORTER": "unheard_of"}, "OTEL_METRICS_EXPORTER='unheard_of' is ignored: write names of exporters"),
        ({"OTEL_LOGS_EXPORTER": "Unheard_Of"}, "OTEL_LOGS_EXPORTER='Unheard_Of' is ignored: write names of exporters"),
        ({"OTEL_METRICS_EXEMPLAR_FILTER": "some"}, "The SDK cannot configure the metrics, which are not exported: "),
        ({"OTEL_BLRP_MAX_QUEUE_SIZE": "0", "OTEL_LOGS_EXPORTER": "console"}, "The SDK cannot configure the logs, which "),
    ],
)
def test_metrics_and_logs_that_fail_cost_themselves(environment, collector, variables, warning):
    finished = instrument(environment, **http(collector), **variables)
    (line,) = complaints(finished)
    assert line.startswith(warning)
    collector.spans(2)


IN_ANY_CASE = [
    ({"OTEL_EXPORTER_OTLP_PROTOCOL": "HTTP/PROTOBUF"}, "exporters", [HTTP]),
    ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "Http/Protobuf"}, "exporters", [HTTP]),
    ({"OTEL_TRACES_EXPORTER": "OTLP"}, "exporters", [HTTP]),
    ({"OTEL_TRACES_EXPORTER": "Nanospan_OTLP_HTTP"}, "exporters", [HTTP]),
    ({"OTEL_TRACES_EXPORTER": "NONE"}, "exporters", []),
    ({"OTEL_METRICS_EXPORTER": "NONE", "OTEL_LOGS_EXPORTER": "None"}, "exporters", [HTTP]),
    ({"OTEL_EXPORTER_OTLP_COMPRESSION": "GZIP"}, "exporters", [HTTP]),
    ({"OTEL_TRACES_SAMPLER": "ALWAYS_OFF"}, "sampling", "AlwaysOffSampler"),
    ({"OTEL_PYTHON_ID_GENERATOR": "RANDOM"}, "ids", IDS),
    ({"OTEL_SDK_DISABLED": "TRUE"}, "span", "opentelemetry.trace.span.NonRecordingSpan"),
]


CONFIGURED = "from nanospan.configurator import Configurator; Configurator().configure()\n" + APPLICATION


def test_words_in_any_case(collector):
    ended = run_forked(CONFIGURED, [http(collector) | variables for variables, _, _ in IN_ANY_CASE])
    for (variables, key, expected), process in zip(IN_ANY_CASE, ended, strict=True):
        assert (process.code, process.stderr) == (0, ""), variables
        assert json.loads(process.stdout)[key] == expected, variables


UNUSABLE = [
    ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER='jaeger' is ignored"),
    ({"OTEL_TRACES_EXPORTER": "jaeger,otlp"}, "OTEL_TRACES_EXPORTER='jaeger,otlp' is ignored"),
    ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL='http/json' is ignored"),
    ({"OTEL_CONFIG_FILE": "/nowhere.yaml"}, "OTEL_CONFIG_FILE='/nowhere.yaml' is ignored"),
    ({"OTEL_CONFIG_FILE": " "}, None),
    ({"OTEL_TRACES_EXPORTER": " "}, None),
    ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": " "}, None),
    ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT='many' is ignored"),
    ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "-1"}, "OTEL_ATTRIBUTE_COUNT_LIMIT='-1' is ignored"),
    ({"OTEL_SDK_DISABLED": "1"}, "OTEL_SDK_DISABLED='1' is ignored: write true or false (default false)"),
]


def test_what_cannot_be_used_counts_as_unset(collector):
    ended = run_forked(CONFIGURED, [http(collector) | variables for variables, _ in UNUSABLE])
    for (variables, warning), process in zip(UNUSABLE, ended, strict=True):
        assert process.code == 0, process.stderr
        assert json.loads(process.stdout)["exporters"] == [HTTP], variables
        assert len(process.lines) == (warning is not None), process.stderr
        assert all(line.startswith(warning) for line in process.lines), process.stderr
    attributes = [span.attributes for span in collector.every_span() if span.name == "parent"]
    assert attributes == [{"number": 1, "text": "twelve chars"}] * len(UNUSABLE)


def test_the_protocol_for_traces_comes_first(plain, collector):
    variables = http(collector) | {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
    assert instrument(plain, **variables).report["exporters"] == [HTTP]
    collector.spans(2)


def test_installed_alone_it_is_the_configurator(plain, collector):
    assert instrument(plain, **http(collector), OTEL_PYTHON_CONFIGURATOR=None).report["provider"] == PROVIDER
    collector.spans(2)


@pytest.mark.parametrize(
    ("name", "argument", "kind", "description", "sampled"),
    [
        (None, None, "ParentBased", "ParentBased{root:AlwaysOnSampler", True),
        ("", None, "ParentBased", "ParentBased{root:AlwaysOnSampler", True),
        ("always_on", None, "StaticSampler", "AlwaysOnSampler", True),
        ("always_off", None, "StaticSampler", "AlwaysOffSampler", False),
        ("ALWAYS_OFF", None, "StaticSampler", "AlwaysOffSampler", False),
        ("parentbased_always_off", None, "ParentBased", "ParentBased{root:AlwaysOffSampler", False),
        ("traceidratio", "0.0", "TraceIdRatioBased", "TraceIdRatioBased{0.0}", False),
        ("traceidratio", None, "TraceIdRatioBased", "TraceIdRatioBased{1.0}", True),
        ("parentbased_traceidratio", "0.0", "ParentBasedTraceIdRatio", "ParentBased{root:TraceIdRatioBased{0.0}", False),
        ("nanospan_probability", "0", "ParentBased", "ParentBased{root:AlwaysOffSampler", False),
    ],
)
def test_samplers(plain, name, argument, kind, description, sampled):
    finished = instrument(plain, OTEL_TRACES_EXPORTER="none", OTEL_TRACES_SAMPLER=name, OTEL_TRACES_SAMPLER_ARG=argument)
    report = finished.report
    assert finished.stderr == ""
    assert report["sampler"] == f"nanospan.sampling.{kind}"
    assert report["sampling"].startswith(description)
    assert int(report["carrier"]["traceparent"][-2:], 16) & TraceFlags.SAMPLED == sampled


def test_a_wrong_ratio_costs_one_warning_and_samples_everything(plain):
    finished = instrument(
        plain, OTEL_TRACES_EXPORTER="none", OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="1.5"
    )
    assert finished.stderr == (
        "OTEL_TRACES_SAMPLER_ARG='1.5' is ignored: write a share of the traces from 0 to 1 (default 1.0)\n"
    )
    assert finished.report["sampling"] == "TraceIdRatioBased{1.0}"


def test_an_unknown_sampler_costs_a_warning_and_is_the_default(plain):
    finished = instrument(plain, OTEL_TRACES_EXPORTER="none", OTEL_TRACES_SAMPLER="jaeger_remote")
    (line,) = finished.stderr.splitlines()
    assert line.startswith("OTEL_TRACES_SAMPLER='jaeger_remote' is ignored: write always_on, ")
    assert finished.report["sampling"].startswith("ParentBased{root:AlwaysOnSampler")


def test_none_exports_nothing(environment):
    report = instrument(environment, OTEL_TRACES_EXPORTER="none").report
    assert report["provider"] == PROVIDER
    assert report["processors"] == []


def test_several_exporters(plain, collector):
    finished = instrument(plain, **http(collector) | {"OTEL_TRACES_EXPORTER": "otlp, console"})
    report = json.loads(finished.stdout.splitlines()[0])
    assert report["processors"] == [PROCESSOR, PROCESSOR]
    assert report["exporters"] == [HTTP, "opentelemetry.sdk.trace.export.ConsoleSpanExporter"]
    assert '"name": "child"' in finished.stdout
    collector.spans(2)


@pytest.mark.parametrize("name", ["nanospan_otlp_http", "otlp_proto_http"])
def test_exporters_by_their_own_names(plain, collector, name):
    expected = {"nanospan_otlp_http": HTTP, "otlp_proto_http": OFFICIAL_HTTP}[name]
    if expected == OFFICIAL_HTTP:
        needs_the_official_exporter()
    report = instrument(plain, **http(collector) | {"OTEL_TRACES_EXPORTER": name}).report
    assert report["exporters"] == [expected]
    assert report["processors"] == [PROCESSOR]
    collector.spans(2)


def test_with_a_credential_provider_the_exporter_is_the_official_one(plain, collector):
    """Only that one knows what to do with it; here it says that it finds no such provider."""
    needs_the_official_exporter()
    finished = instrument(plain, **http(collector), OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER="vault")
    assert "vault" in finished.stderr
    assert "opentelemetry/exporter/otlp/proto/http" in finished.stderr


def test_the_queue_is_set_by_its_variables(plain, collector):
    report = instrument(plain, **http(collector), OTEL_BSP_MAX_QUEUE_SIZE="777").report
    assert report["queue"] == [777]
    collector.spans(2)


def test_limits_are_set_by_their_variables(plain, collector):
    instrument(plain, **http(collector), OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="6", OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="1")
    assert collector.spans(2)["parent"].attributes == {"text": "twelve"}


def test_the_variables_of_the_exporter_reach_it(plain, collector):
    instrument(plain, **http(collector), OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    collector.spans(2)
    assert collector.stats().wire_bytes < collector.stats().bytes


@pytest.mark.parametrize("name", ["random", "nanospan", None])
def test_ids_are_native_under_each_name_that_means_random(plain, name):
    assert instrument(plain, OTEL_TRACES_EXPORTER="none", OTEL_PYTHON_ID_GENERATOR=name).report["ids"] == IDS


def test_an_unknown_id_generator_costs_a_warning_and_is_the_default(plain):
    finished = instrument(plain, OTEL_TRACES_EXPORTER="none", OTEL_PYTHON_ID_GENERATOR="dice")
    assert finished.stderr == "OTEL_PYTHON_ID_GENERATOR='dice' is ignored: write one of nanospan, random (default random)\n"
    assert finished.report["ids"] == IDS


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("baggage,tracecontext", [BAGGAGE, TRACE_CONTEXT]),
        ("baggage", [BAGGAGE]),
        ("nanospan_tracecontext", [TRACE_CONTEXT]),
        ("none", []),
    ],
)
def test_propagators_keep_their_order(plain, configured, expected):
    finished = instrument(plain, OTEL_TRACES_EXPORTER="none", OTEL_PROPAGATORS=configured)
    assert finished.report["propagators"] == expected
    assert ("traceparent" in finished.report["carrier"]) == (TRACE_CONTEXT in expected)


def test_a_disabled_sdk_sends_nothing(environment, collector):
    report = instrument(environment, **http(collector), OTEL_SDK_DISABLED="true").report
    assert report["span"] == "opentelemetry.trace.span.NonRecordingSpan"
    assert "traceparent" not in report["carrier"]
    assert collector.stats().spans == 0


def test_a_configuration_file_makes_nanospans_tracing(request, collector, tmp_path):
    environment = environment_with(request.config, "opentelemetry-instrumentation", "opentelemetry-configuration")
    file = tmp_path / "otel.yaml"
    file.write_text(f"""
file_format: "1.0"
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: {collector.endpoint_http}
propagator:
  composite_list: tracecontext,baggage
""")
    finished = instrument(environment, OTEL_CONFIG_FILE=str(file))
    # What the SDK ignores is what opentelemetry-instrument has passed, with nothing added here.
    (line,) = complaints(finished)
    assert "ignoring configurator kwargs: ['auto_instrumentation_version']" in line
    assert finished.report["provider"] == PROVIDER
    assert finished.report["processors"] == [PROCESSOR]
    assert finished.report["exporters"] == [HTTP]
    assert finished.report["propagators"] == [TRACE_CONTEXT, BAGGAGE]
    collector.spans(2)


def test_metrics_and_logs_are_the_sdks(plain):
    script = """
import json
from opentelemetry import _logs, metrics
providers = metrics.get_meter_provider(), _logs.get_logger_provider()
print(json.dumps([f"{type(p).__module__}.{type(p).__qualname__}" for p in providers]))
"""
    meters, loggers = instrument(plain, script, OTEL_TRACES_EXPORTER="none").report
    assert meters == "opentelemetry.sdk.metrics._internal.MeterProvider"
    assert loggers == "opentelemetry.sdk._logs._internal.LoggerProvider"


def test_the_provider_alone_by_its_variable(plain):
    """No configurator: the first call that needs a provider makes it."""
    report = plain.run("python", "-c", APPLICATION, OTEL_PYTHON_TRACER_PROVIDER="nanospan").report
    assert report["provider"] == PROVIDER
    assert report["processors"] == []


def test_the_provider_alone_knows_nanospans_samplers(plain):
    variables = {"OTEL_PYTHON_TRACER_PROVIDER": "nanospan", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    finished = plain.run("python", "-c", APPLICATION, OTEL_TRACES_SAMPLER="nanospan_probability", **variables)
    assert finished.report["sampling"].startswith("ParentBased{root:ConsistentProbability{0.25")
    assert finished.stderr == ""
