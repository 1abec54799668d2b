"""nanospan's tracing made of declarative configuration files, in real processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.declarative_files import CONFIGURE, NANOSPANS, THE_SDKS, configured, run, with_sampler
from support.extra_packages import Collector

from nanospan._compat import declarative as private

pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")

BATCH = "batch: {{schedule_delay: 0, export_timeout: 0, max_queue_size: 99, exporter: {{{exporter}}}}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "otel.yaml"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


class TestTracing:
    def test_it_is_nanospans(self, file, collector):
        exporter = (
            f"otlp_http: {{endpoint: '{collector.endpoint_http}', compression: gzip, timeout: 5000, "
            "headers: [{name: X-Key, value: b}], headers_list: 'x-other=c,x-key=d'}"
        )
        file.write_text(f"""
file_format: "1.0"
resource: {{attributes: [{{name: service.name, value: shop}}]}}
tracer_provider:
  processors: [{BATCH.format(exporter=exporter)}]
  limits: {{attribute_count_limit: 1}}
  id_generator: {{random: }}
propagator: {{composite_list: "tracecontext,baggage"}}
""")
        found = configured(NANOSPANS, file)
        assert found.log == ""
        assert found.report["provider"] == "nanospan.trace.TracerProvider"
        assert found.report["processors"] == ["nanospan.processor.BatchSpanProcessor"]
        assert found.report["exporters"] == ["nanospan.export.http.OTLPSpanExporter"]
        assert found.report["ids"] == "nanospan.ids.RandomIdGenerator"
        assert found.report["propagators"][0] == "nanospan.propagation.TraceContextTextMapPropagator"
        assert found.report["description"].startswith("ParentBased{root:AlwaysOnSampler")
        assert set(collector.spans(1)) == {"span"}
        (resource,) = collector.resources()
        assert resource["service.name"] == "shop"

    def test_the_settings_of_a_batch_and_of_an_exporter_arrive(self, file):
        exporter = "otlp_http: {endpoint: 'http://127.0.0.1:9/v1/traces', headers: [{name: X-Key, value: b}], timeout: 250}"
        with_sampler(file, "always_off:", BATCH.format(exporter=exporter))
        script = f"""
{NANOSPANS}{CONFIGURE}
import json
from opentelemetry import trace
(processor,) = trace.get_tracer_provider()._active_span_processor._span_processors
worker = processor._batch_processor
print(json.dumps([worker._max_queue_size, worker._schedule_delay_millis, worker._export_timeout_millis]))
"""
        finished = run(script, file)
        assert json.loads(finished.stdout) == [99, 1, 10**12], finished.stderr

    def test_grpc(self, file, collector):
        if collector.endpoint_grpc is None:
            pytest.skip("grpcio is not installed")
        exporter = f"otlp_grpc: {{endpoint: '{collector.endpoint_grpc}', tls: {{insecure: true}}, headers_list: 'a=b'}}"
        found = configured(NANOSPANS, with_sampler(file, "always_on:", BATCH.format(exporter=exporter)))
        assert found.report["exporters"] == ["nanospan.export.grpc.OTLPSpanExporter"]
        assert set(collector.spans(1)) == {"span"}

    def test_a_certificate_that_is_not_there_is_refused(self, file):
        exporter = "otlp_http: {endpoint: 'https://127.0.0.1:9/v1/traces', tls: {ca_file: /nowhere.pem}}"
        finished = run(NANOSPANS + CONFIGURE, with_sampler(file, "always_on:", BATCH.format(exporter=exporter)))
        assert "certificate_file: '/nowhere.pem' cannot be read" in finished.stderr.splitlines()[-1]

    def test_exporters_of_nanospan_by_name(self, file, collector):
        """As plug-ins, also with the SDK's configurator; their properties are the arguments of the class."""
        exporter = f"nanospan_otlp_http: {{endpoint: '{collector.endpoint_http}', compression: gzip}}"
        processor = f"batch: {{exporter: {{{exporter}}}}}"
        found = configured(THE_SDKS, with_sampler(file, "always_on:", processor))
        assert found.report["exporters"] == ["nanospan.export.http.OTLPSpanExporter"]
        collector.spans(1)

    def test_simple_processors_and_the_console_are_the_sdks(self, file):
        report = configured(NANOSPANS, with_sampler(file, "always_on:")).report
        assert report["provider"] == "nanospan.trace.TracerProvider"
        assert report["processors"] == ["opentelemetry.sdk.trace.export.SimpleSpanProcessor"]
        assert report["exporters"] == ["opentelemetry.sdk.trace.export.ConsoleSpanExporter"]

    def test_with_a_credential_provider_the_exporter_is_the_official_one(self, file):
        pytest.importorskip(
            "opentelemetry.exporter.otlp.proto.http", reason="opentelemetry-exporter-otlp-proto-http is not installed"
        )
        processor = BATCH.format(exporter="otlp_http: {endpoint: 'http://127.0.0.1:9/v1/traces'}")
        variables = {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": "vault"}
        finished = run(NANOSPANS + CONFIGURE, with_sampler(file, "always_off:", processor), **variables)
        assert "opentelemetry/exporter/otlp/proto/http" in finished.stderr
        assert "vault" in finished.stderr

    def test_a_file_without_tracing_sets_none(self, file):
        file.write_text('file_format: "1.0"\n')
        found = configured(NANOSPANS, file)
        assert found.report["provider"] == "opentelemetry.trace.ProxyTracerProvider"
        assert found.log == ""

    def test_a_disabled_file_changes_nothing(self, file):
        with_sampler(file, "always_on:").write_text(f"disabled: true\n{file.read_text()}")
        assert configured(NANOSPANS, file).report["provider"] == "opentelemetry.trace.ProxyTracerProvider"

    def test_a_provider_that_was_there_first_is_said_to_be_in_use(self, file):
        first = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""
        found = configured(first + NANOSPANS, with_sampler(file, "always_on:"))
        assert found.report["provider"] == "opentelemetry.sdk.trace.TracerProvider"
        assert found.log.count("The tracer provider in use is opentelemetry.sdk.trace.TracerProvider, not nanospan's") == 1

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ("del maker._create_sampler", "has no _create_sampler in the installed release"),
            ("sys.modules[maker.__name__] = None", "is not as nanospan knows it"),
        ],
    )
    def test_a_package_that_has_changed_costs_a_warning_and_the_sdks_tracing(self, file, change, reason):
        script = f"""
import sys
import opentelemetry.configuration._tracer_provider as maker
from opentelemetry.configuration import _sdk
class Maker:
    create_sampler = staticmethod(maker._create_sampler)
def make(config, resource, limits):
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider(Maker.create_sampler(config.sampler)))
_sdk.configure_tracer_provider = make
{change}
"""
        found = configured(script + NANOSPANS, with_sampler(file, "always_on:"))
        assert found.report["provider"] == "opentelemetry.sdk.trace.TracerProvider"
        (line,) = found.log.splitlines()
        assert "Tracing is configured by the SDK and not by nanospan" in line
        assert reason in line

    def test_without_the_package_the_sdk_says_what_to_install(self, file):
        script = "import sys; sys.modules['opentelemetry.configuration'] = None\n"
        finished = run(script + NANOSPANS + CONFIGURE, with_sampler(file, "always_on:"))
        assert finished.stderr.splitlines()[-1].endswith("pip install opentelemetry-configuration")
        assert "RuntimeError" in finished.stderr


def test_the_package_has_its_names_back_afterwards(file):
    script = f"""
import opentelemetry.configuration._tracer_provider as maker
before = dict(vars(maker))
{NANOSPANS}{CONFIGURE}
assert dict(vars(maker)) == before
with open({str(file)!r}, "a") as more:
    more.write("\\n    always_off:\\n")
try:
    {CONFIGURE}
except Exception as error:
    assert "Configuration does not match" in str(error), error
assert dict(vars(maker)) == before
print("as before")
"""
    assert run(script, with_sampler(file, "nanospan_probability: {ratio: 0.5}")).stdout == "as before\n"


def test_the_installed_package_has_the_names_that_are_leant_on():
    import opentelemetry.configuration._conversion as conversion
    import opentelemetry.configuration._tracer_provider as maker
    from opentelemetry.configuration import models

    assert [name for name in private.NAMES if not hasattr(maker, name)] == []
    assert {"otlp_http", "otlp_grpc"} <= set(maker._SPAN_EXPORTER_REGISTRY)
    model = private.sampler_model({"parent_based": {"root": {"nanospan_probability": {"ratio": 0.5}}}})
    assert model.parent_based.root.additional_properties == {"nanospan_probability": {"ratio": 0.5}}
    assert model == conversion._dict_to_dataclass({"parent_based": {"root": {"nanospan_probability": {}}}}, models.Sampler)
