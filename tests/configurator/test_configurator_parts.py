"""The configurator called by a program, the samplers that variables name, and the entry points."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from support.accounting import WAIT

import nanospan


def in_a_process(script: str) -> Any:
    """What ``script``, which configures this process's globals, prints as JSON; no package but the tests' own."""
    run = subprocess.run([sys.executable, "-c", script], env={}, capture_output=True, text=True, timeout=WAIT)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), run.stderr


def test_the_sdk_has_its_names_back_afterwards():
    script = """
import json, os
from opentelemetry.sdk import _configuration
def names():
    # Python notes there that it has shown a warning.
    return {name: value for name, value in vars(_configuration).items() if name != "__warningregistry__"}
before = names()
from nanospan.configurator import Configurator
Configurator().configure()
after_success = names() == before
try:
    Configurator().configure(trace_exporter_names=["unheard_of"])
except RuntimeError as error:
    print(json.dumps([after_success, names() == before, str(error)]))
"""
    (after_success, after_failure, error), _ = in_a_process(script)
    assert (after_success, after_failure) == (True, True)
    assert "unheard_of" in error


def test_an_sdk_without_the_names_costs_a_warning_and_the_native_provider():
    script = """
import json
from nanospan import configurator
def gone(*arguments):
    raise LookupError("opentelemetry.sdk._configuration has no TracerProvider in the installed release")
configurator.tracing_built_with = gone
configurator.Configurator().configure()
from opentelemetry import trace
provider = trace.get_tracer_provider()
print(json.dumps([type(provider).__module__, type(provider.sampler).__module__]))
"""
    modules, log = in_a_process(script)
    assert modules == ["opentelemetry.sdk.trace", "nanospan.sampling"]
    assert "The SDK's tracer provider is used" in log
    assert "has no TracerProvider" in log


def test_a_provider_that_was_there_first_is_said_to_be_in_use():
    script = """
import json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
from nanospan.configurator import Configurator
Configurator().configure()
print(json.dumps(None))
"""
    _, log = in_a_process(script)
    assert "The tracer provider in use is opentelemetry.sdk.trace.TracerProvider, not nanospan's" in log


def test_arguments_of_a_distribution_come_first():
    """As its subclass passes them on; the official exporter stays when it is given arguments."""
    pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http", reason="opentelemetry-exporter-otlp-proto-http is not installed"
    )
    script = """
import json, os
os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
os.environ["OTEL_TRACES_SAMPLER"] = "always_on"
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.trace import _TracerConfig
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from nanospan.configurator import Configurator
class Stock(_OTelSDKConfigurator): pass
Stock(), _OTelSDKConfigurator()
os.environ["OTEL_TRACES_EXPORTER"] = "otlp"
class Ids(RandomIdGenerator): pass
assert type(Configurator()) is Configurator
Configurator().configure(
    sampler=ALWAYS_OFF,
    id_generator=Ids(),
    export_span_processor=SimpleSpanProcessor,
    resource_attributes={"team": "blue"},
    exporter_args_map={OTLPSpanExporter: {"endpoint": "http://127.0.0.1:9/official"}},
    tracer_configurator=lambda scope: _TracerConfig(is_enabled=scope.name != "noisy"),
)
provider = trace.get_tracer_provider()
(processor,) = provider._active_span_processor._span_processors
print(json.dumps([
    provider.sampler is ALWAYS_OFF, type(provider.id_generator) is Ids, type(processor) is SimpleSpanProcessor,
    provider.resource.attributes["team"], processor.span_exporter._endpoint,
    [provider.get_tracer(name)._tracer_config.is_enabled for name in ("noisy", "quiet")],
]))
"""
    (sampler, ids, processor, team, endpoint, enabled), _ = in_a_process(script)
    assert (sampler, ids, processor, team) == (True, True, True, "blue")
    assert endpoint == "http://127.0.0.1:9/official"
    assert enabled == [False, True]


def test_every_entry_point_is_what_its_group_expects():
    def loaded(group: str) -> dict[str, Any]:
        entries = [entry for entry in entry_points(group=group) if entry.value.startswith("nanospan")]
        return {entry.name: entry.load() for entry in entries if find_spec("grpc") or ".grpc:" not in entry.value}

    samplers = loaded("opentelemetry_traces_sampler")
    assert len(samplers) == 7
    for argument in (None, "0.5"):
        assert all(isinstance(factory(argument), Sampler) for factory in samplers.values())
    assert "root:ConsistentProbability{0.5" in samplers["nanospan_probability"]("0.5").get_description()
    assert all(issubclass(cls, SpanExporter) for cls in loaded("opentelemetry_traces_exporter").values())
    (generator,) = loaded("opentelemetry_id_generator").values()
    assert issubclass(generator, IdGenerator)
    assert loaded("opentelemetry_tracer_provider") == {"nanospan": nanospan.TracerProvider}
    assert set(loaded("opentelemetry_propagator")) == {"nanospan_tracecontext"}
