"""The private names that nanospan leans on, against the installed SDK: a release that moves one fails here, loudly."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import get_value
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from support.sdk_releases import has, needs

import nanospan
from nanospan._compat import configuration
from nanospan._compat import sdk as private
from nanospan._compat.parts import PARTS
from nanospan._compat.stock import AlwaysRecordSampler

CONFIGURATION = sorted(
    {name.name for name in PARTS["configuration"].names if name.is_of_this_release} - {"TracerProvider", "environ"}
)


def test_every_field_of_a_span_is_where_its_property_reads_it():
    fields = {
        "name": "name",
        "context": SpanContext(1, 2, False),
        "parent": SpanContext(1, 3, True),
        "resource": Resource({}),
        "attributes": {"a": 1},
        "events": ("event",),
        "links": ("link",),
        "kind": SpanKind.CLIENT,
        "status": Status(StatusCode.OK),
        "start_time": 5,
        "end_time": 6,
        "instrumentation_scope": InstrumentationScope("scope"),
    }
    span = ReadableSpan(**fields)
    assert set(private.READABLE_SPAN_FIELDS) == set(fields)
    for public, hidden in private.READABLE_SPAN_FIELDS.items():
        assert vars(span)[hidden] == fields[public]
        assert getattr(span, public) == fields[public]
        assert sys.intern(hidden) is hidden


def test_types_look_attributes_up_as_object_does():
    for cls in (ReadableSpan, BoundedAttributes, BoundedList, Status, Resource, InstrumentationScope):
        assert cls.__getattribute__ is object.__getattribute__
        assert not hasattr(cls, "__getattr__")


def test_a_span_context_is_the_tuple_that_the_encoder_reads():
    context = SpanContext(11, 12, True, TraceFlags(3))
    assert tuple(context)[:5] == (11, 12, True, 3, context.trace_state)


def test_bounded_containers():
    attributes = BoundedAttributes(attributes={"a": 1, "b": 2})
    assert getattr(attributes, private.BOUNDED_ATTRIBUTES_DICT) == {"a": 1, "b": 2}
    assert type(getattr(attributes, private.BOUNDED_ATTRIBUTES_DICT)) is dict
    items = BoundedList.from_seq(2, [1, 2, 3])
    assert getattr(items, private.BOUNDED_LIST_DEQUE) == deque([2, 3])
    assert items.dropped == 1


def test_status():
    status = Status(StatusCode.ERROR, "why")
    assert getattr(status, private.STATUS_CODE) is StatusCode.ERROR
    assert getattr(status, private.STATUS_DESCRIPTION) == "why"


def test_resources_and_scopes():
    resource = Resource({"a": 1}, "url")
    assert getattr(resource, private.RESOURCE_ATTRIBUTES) is resource.attributes
    assert getattr(resource, private.SCHEMA_URL) == resource.schema_url == "url"
    scope = InstrumentationScope("name", "version", "url", {"a": 1})
    assert getattr(scope, private.SCOPE_NAME) == scope.name == "name"
    assert getattr(scope, private.SCOPE_VERSION) == scope.version == "version"
    assert getattr(scope, private.SCHEMA_URL) == scope.schema_url == "url"
    assert getattr(scope, private.SCOPE_ATTRIBUTES) is scope.attributes


def test_a_tracer_has_these_fields():
    stock = set(vars(TracerProvider(shutdown_on_exit=False).get_tracer("t"))) - {"_tracer_provider"}  # of 1.40
    assert set(private.TRACER_FIELDS) - stock <= {"_tracer_config", "_tracer_metrics"} - stock
    assert stock <= set(private.TRACER_FIELDS)


def test_the_sampler_below_an_always_record_sampler():
    root = TraceIdRatioBased(0.5)
    assert private.always_record_root(AlwaysRecordSampler(root)) is root


def test_a_concurrent_composite_works_without_its_pool():
    seen = []

    class Processor(SpanProcessor):
        def on_start(self, span, parent_context=None):
            seen.append(threading.current_thread())

        def shutdown(self):
            raise LookupError("of a processor")

    composite = ConcurrentMultiSpanProcessor()
    private.outlive_its_pool(composite)
    composite.add_span_processor(Processor())
    composite.on_start(None)
    assert seen.pop() is not threading.current_thread()
    composite._executor.shutdown()
    composite.on_start(None)
    assert seen == [threading.current_thread()]
    assert composite.force_flush()
    with pytest.raises(LookupError):
        composite.shutdown()


def test_the_suppress_key_is_the_one_that_the_sdk_sets_while_it_exports():
    seen = []

    class Exporter(SpanExporter):
        def export(self, spans):
            seen.append(get_value(private.SUPPRESS_INSTRUMENTATION_KEY))
            return SpanExportResult.SUCCESS

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Exporter()))
    provider.get_tracer("test").start_span("span").end()
    assert seen == [True]


@needs("metrics of span processors")
def test_components_are_numbered_with_the_sdks_own():
    from opentelemetry.sdk._shared_internal import _processor_metrics

    before = _processor_metrics._component_counter["batching_span_processor"]
    assert private.next_component_number("batching_span_processor") == before
    assert _processor_metrics._component_counter["batching_span_processor"] == before + 1


def test_the_configuration_builds_tracing_from_the_names_that_are_replaced(monkeypatch):
    """The class and the exporters' names arrive where the SDK's own functions make the provider and load exporters, and what
    fails in metrics or logs does not end the configuration."""
    from opentelemetry.sdk import _configuration

    made, asked, failures = [], [], []

    class Provider(TracerProvider):
        def __init__(self, **arguments):
            made.append(arguments)
            super().__init__(**arguments, shutdown_on_exit=False)

    def exporter_names(signal: str) -> list[str]:
        asked.append(signal)
        return ["console"]

    def fails(*arguments, **named):
        raise ValueError("no such thing")

    monkeypatch.setattr(_configuration, "set_tracer_provider", lambda provider: None)
    for name in ("_init_metrics", "_init_logging"):
        monkeypatch.setattr(_configuration, name, fails)
    before = dict(vars(_configuration))
    with configuration.tracing_built_with(
        Provider, exporter_names, lambda signal, error: failures.append((signal, str(error)))
    ):
        configuration.initialize_components(resource_attributes={"a": "b"})
    assert asked == ["traces", "metrics", "logs"]
    assert failures == [("metrics", "no such thing"), ("logs", "no such thing")]
    assert made[0]["resource"].attributes["a"] == "b"
    assert dict(vars(_configuration)) == before


@pytest.mark.parametrize("name", CONFIGURATION)
def test_a_configuration_without_the_names_is_refused_untouched(monkeypatch, name):
    from opentelemetry.sdk import _configuration

    monkeypatch.setattr("nanospan._compat.parts._missing", {})
    monkeypatch.delattr(_configuration, name)
    with pytest.raises(LookupError, match=name):
        configuration.tracing_built_with(TracerProvider, list, print)
    assert _configuration.TracerProvider is TracerProvider


def test_distributions_derive_their_configurators_from_this_class():
    from opentelemetry.sdk import _configuration

    base = configuration.sdk_configurator()
    assert base is _configuration._OTelSDKConfigurator
    # nanospan's class keeps an instance of its own under this name.
    assert "_instance" in vars(_configuration._BaseConfigurator)
    parameters = inspect.signature(_configuration._initialize_components).parameters
    assert {"sampler", "id_generator", "exporter_args_map"} <= set(parameters)
    assert ("export_span_processor" in parameters) == configuration.PROCESSOR_IS_ARGUMENT


def test_the_propagators_inside_a_composite_one():
    members = [TraceContextTextMapPropagator(), TraceContextTextMapPropagator()]
    assert private.composed_propagators(CompositePropagator(members)) == members


def test_what_is_known_of_the_global_providers(monkeypatch):
    from opentelemetry import _logs, metrics, trace
    from opentelemetry._logs import _internal as logs_internal
    from opentelemetry.metrics import _internal as metrics_internal
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider

    monkeypatch.setattr(trace, "_PROXY_TRACER_PROVIDER", trace._PROXY_TRACER_PROVIDER)
    for module, name in ((trace, "TRACER"), (metrics_internal, "METER"), (logs_internal, "LOGGER")):
        for variable in (f"_{name}_PROVIDER", f"_{name}_PROVIDER_SET_ONCE"):
            monkeypatch.setattr(module, variable, getattr(module, variable))
    monkeypatch.setattr(metrics_internal, "_PROXY_METER_PROVIDER", type(metrics_internal._PROXY_METER_PROVIDER)())

    for _ in range(2):
        provider = TracerProvider(shutdown_on_exit=False)
        private.allow_another_provider()
        trace.set_tracer_provider(provider)
        assert private.global_tracer_provider() is trace.get_tracer_provider() is provider
        assert private.serving_tracer_provider() is provider
        tracer = provider.get_tracer("t")
        assert list(private.handed_out_tracers(provider).values()) == [tracer] * has("tracers that a provider returns again")
        proxy = trace.ProxyTracerProvider()
        setattr(proxy, private.STOOD_FOR, provider)
        assert private.stand_for_no_provider(proxy) is True
        assert private.global_tracer_provider() is None
        assert trace.get_tracer_provider() is proxy
        assert private.serving_tracer_provider() is provider

        meters, loggers = MeterProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        private.forget_meter_provider()
        private.forget_logger_provider()
        assert "Proxy" in type(metrics.get_meter_provider()).__name__
        assert "Proxy" in type(metrics.get_meter_provider().get_meter("m")).__name__
        assert "Proxy" in type(_logs.get_logger_provider()).__name__
        metrics.set_meter_provider(meters)
        _logs.set_logger_provider(loggers)
        assert metrics.get_meter_provider() is meters
        assert _logs.get_logger_provider() is loggers
    assert private.known_samplers()["traceidratio"] is TraceIdRatioBased


def test_no_other_module_imports_a_private_name():
    """Private modules are allowed where a public name does not exist: the incubating conventions, which are versioned."""
    package = Path(nanospan.__file__).parent
    offenders = []
    for path in package.rglob("*.py"):
        if path.parent == package / "_compat":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("opentelemetry"):
                continue
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            if any(name.startswith("_") and name not in ("_incubating", "__version__") for name in names):
                offenders.append(f"{path.relative_to(package)}: {node.module}")
    assert offenders == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b, c", ["OTEL_RESOURCE_ATTRIBUTES: ' c' is ignored: write key=value, with commas"]),
        ("OTEL_RESOURCE_ATTRIBUTES", " ", []),
        ("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "1", ["Invalid value for OTEL_PYTHON_SDK_"]),
        ("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "", []),
    ],
)
def test_what_the_sdk_reads_often_it_warns_about_once(variable, value, said):
    script = "import nanospan\nfor n in range(3): nanospan.TracerProvider().get_tracer(str(n))\n"
    run = subprocess.run([sys.executable, "-c", script], env={variable: value}, capture_output=True, text=True, check=True)
    assert len(run.stderr.splitlines()) == len(said)
    assert all(line.startswith(expected) for line, expected in zip(run.stderr.splitlines(), said, strict=True))
