"""Values that people write by mistake: one warning, which says what to write."""

from __future__ import annotations

import logging

import pytest

from nanospan._common import environment as common
from nanospan.configurator._exporters import exporter_names
from nanospan.export._settings import environment
from nanospan.export._settings.endpoint import resolve_http_endpoint
from nanospan.processor._settings import resolve_settings
from nanospan.sampling.configuration.environment import provider_sampler
from nanospan.trace._clock import follows_python
from nanospan.trace._span_limits import span_limits_from_environment

ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
METRICS_NEED = "opentelemetry-exporter-otlp-proto-grpc"


def settings() -> object:
    return resolve_settings(None, None, None, None, None)


def metrics() -> object:
    return exporter_names("metrics", {})


WRONG = [
    # percentages and shares
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "traceidratio", ARGUMENT: "10%"}, "write 0.1, a share"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", ARGUMENT: "0,5 %"}, "write 0.005, a share"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "traceidratio", ARGUMENT: "10"}, "write 0.1, a share"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "traceidratio", ARGUMENT: "0,1"}, "write 0.1, a share"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "traceidratio", ARGUMENT: "ten"}, "write a share of the traces from 0 to 1"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "nanospan_probability", ARGUMENT: "5%"}, "write 0.05, "),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "nanospan_rate_limited", ARGUMENT: "5/s"}, "write a number (traces"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "nanospan_rate_limited", ARGUMENT: "1k"}, "write 1000, a number"),
    # names
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "always-on"}, "write always_on, or another of always_on, "),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "parent_based_traceid_ratio"}, "write parentbased_traceidratio, or"),
    (provider_sampler, {"OTEL_TRACES_SAMPLER": "0.1"}, "write always_on, always_off, traceidratio, "),
    (environment.resolve_protocol, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "write http/protobuf or grpc"),
    (lambda: environment.resolve_compression(None), {"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, "write none, gzip or"),
    (follows_python, {"OTEL_PYTHON_NANOSPAN_CLOCK": "frozen"}, "write system or python"),
    # counts and times
    (settings, {"OTEL_BSP_MAX_QUEUE_SIZE": "10k"}, "write 10000, an integer"),
    (settings, {"OTEL_BSP_MAX_QUEUE_SIZE": "10,000"}, "write 10000, an integer"),
    (settings, {"OTEL_BSP_MAX_QUEUE_SIZE": "2048.0"}, "write 2048, an integer"),
    (settings, {"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "write an integer, 1 or more"),
    (settings, {"OTEL_BSP_SCHEDULE_DELAY": "5s"}, "write an integer of milliseconds"),
    (settings, {"OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES": "64M"}, "write 64000000, an integer"),
    (settings, {"OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES": "10%"}, "write an integer from 65536"),
    (span_limits_from_environment, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc"}, "write an integer, 0 or more"),
    (lambda: environment.resolve_timeout(None), {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "write a number of seconds"),
    # endpoints and ports
    (resolve_http_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "used as http://collector:4318: write that"),
    (resolve_http_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http:/collector"}, "is used as http://collector: write that"),
    (resolve_http_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT": "4318"}, "write a URL such as http://localhost:4318"),
    (resolve_http_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:99999"}, "write a URL such as http://localhost:4318"),
    (
        resolve_http_endpoint,
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/v1/traces/"},
        "gets /v1/traces appended: write http://collector:4318, or name the variable for traces",
    ),
    # lists
    (
        environment.environment_headers,
        {"OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer abc"},
        "it is not of the form name=value, such as api-key=12345",
    ),
    (metrics, {"OTEL_METRICS_EXPORTER": "consol"}, "write names of exporters that are installed ("),
]


@pytest.mark.parametrize(
    ("read", "variables", "says"), WRONG, ids=[", ".join(map("=".join, variables.items())) for _, variables, _ in WRONG]
)
def test_the_warning_says_what_to_write(monkeypatch, caplog, read, variables, says) -> None:
    common._warned.clear()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    read(None) if read is resolve_http_endpoint else read()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert list(variables)[-1] in warning
    assert says in warning


def test_an_exporter_of_metrics_that_is_missing_is_named(monkeypatch, caplog) -> None:
    common._warned.clear()
    monkeypatch.setattr("nanospan.configurator._exporters.registered", lambda group, name: None)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    assert exporter_names("metrics", {}) == []
    (warning,) = caplog.messages
    says = f"is ignored: write none, or install {METRICS_NEED}; no metrics are exported"
    assert warning == f"OTEL_METRICS_EXPORTER='otlp' {says}"
