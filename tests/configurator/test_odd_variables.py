"""Every variable of tracing in ten odd forms: it ends no worse than with the variable unset, with one line of warning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from support.accounting import spans_in
from support.receivers import HttpReceiver
from support.variables.forked_cases import run_forked
from support.variables.odd_values import (
    BLANK,
    EMPTY,
    ENCODED,
    EVERY,
    EXPORTER,
    FORMS,
    OF_METRICS_AND_LOGS,
    PROVIDER,
    QUOTED,
    SELECTION,
    Variable,
    odd,
)

import nanospan
from nanospan._common import environment as common
from nanospan.configurator import _set_native_arguments
from nanospan.configurator._exporters import exporter_names
from nanospan.export._settings import environment
from nanospan.export._settings.endpoint import resolve_grpc_endpoint, resolve_http_endpoint
from nanospan.processor._settings import resolve_settings

each_form = pytest.mark.parametrize("form", FORMS)


def each(variables: list[Variable]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("variable", variables, ids=[variable.id for variable in variables])


def of_provider() -> list[Any]:
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("test")
    span = tracer.start_span("span")
    limits = vars(provider._span_limits)
    sampler = provider.sampler.get_description()
    return [sampler, limits, resolve_settings(None, None, None, None, None), type(span), provider._disabled]


def of_http_exporter() -> list[Any]:
    return [
        resolve_http_endpoint(None),
        environment.resolve_timeout(None),
        environment.resolve_compression(None),
        environment.environment_headers(),
        [environment.resolve_file(None, "", name) for name in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")],
        environment.resolve_protocol(),
    ]


def of_grpc_exporter() -> list[Any]:
    grpc = pytest.importorskip("nanospan.export.grpc", reason="grpcio is not installed")
    return [resolve_grpc_endpoint(None, None), environment.resolve_insecure(None), grpc._retryable(None)]


def of_configurator() -> list[Any]:
    from nanospan import configurator

    arguments: dict[str, Any] = {}
    _set_native_arguments(arguments)
    ids, sampler = type(arguments["id_generator"]), arguments["sampler"].get_description()
    assert issubclass(ids, RandomIdGenerator)
    return [ids, sampler, configurator._names_file(), [exporter_names(one, {}) for one in ("traces", "metrics", "logs")]]


READERS = {**{one.id: of_provider for one in PROVIDER}, **{one.id: of_configurator for one in SELECTION}}


def readings(variable: Variable) -> list[Any]:
    if variable in EXPORTER:
        found = of_http_exporter()
        if variable.name.endswith("ENDPOINT"):
            common._warned.clear()  # a process reads it for one exporter; here both have to warn
        return [found, of_grpc_exporter()]
    return READERS[variable.id]()


@each_form
@each([*PROVIDER, *EXPORTER, *SELECTION])
@pytest.mark.usefixtures("clean_environment")
def test_settings(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: Variable, form: str) -> None:
    for name, value in variable.given.items():
        monkeypatch.setenv(name, value)
    unset = readings(variable)
    said_unset = caplog.messages
    caplog.clear()
    common._warned.clear()
    monkeypatch.setenv(variable.name, odd(variable.good, form))
    found = readings(variable)
    naming = [message for message in caplog.messages if variable.name in message]
    assert all(record.exc_info is None for record in caplog.records)
    if form in (EMPTY, BLANK):
        assert (found, caplog.messages) == (unset, said_unset)
    elif form in variable.valid:
        assert naming == []
    elif variable.name.endswith("ENDPOINT"):
        assert found == unset
        assert len(naming) == 2
    else:
        assert (found == unset) == (form not in variable.used)
        assert len(naming) == 1
        assert variable.good in naming[0] or form not in (QUOTED, ENCODED) or not variable.hinted


SCRIPT = """
import os
from nanospan.configurator import Configurator
Configurator().configure()
from opentelemetry import trace
with trace.get_tracer("test").start_as_current_span(os.environ["SPAN_NAME"]):
    pass
"""
AT_IMPORT = ("OTEL_PROPAGATORS", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_TRACES_EXPORTER")
"""The variables that a process fails for with the SDK, at the import of a module or when it is configured."""

SLOW = pytest.mark.slow("starts ten processes for each variable")
PROCESSES = [
    pytest.param(one, id=one.id, marks=[] if one.name in AT_IMPORT else [SLOW]) for one in [*EVERY, *OF_METRICS_AND_LOGS]
]


@pytest.fixture(scope="module")
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.mark.parametrize("variable", PROCESSES)
def test_processes(receiver: HttpReceiver, variable: Variable) -> None:
    """One for each form, configured without code: it ends well, its span arrives, and it says at most one line."""
    ended = run_forked(SCRIPT, [environment_of(receiver, variable, form) for form in FORMS])
    received = {span.name for span in spans_in(request.body for request in receiver.requests)}
    for form, process in zip(FORMS, ended, strict=True):
        assert process.code == 0, (form, process.stderr)
        if form in variable.valid and variable.elsewhere:
            continue
        assert name_of(variable, form) in received, (form, process.stderr)
        if variable not in OF_METRICS_AND_LOGS:  # the SDK's are told of with tracebacks
            assert len(process.lines) <= 1, (form, process.stderr)
        if form in (EMPTY, BLANK) or form in variable.valid:
            assert not any(" is ignored: " in line for line in process.lines), (form, process.stderr)


def environment_of(receiver: HttpReceiver, variable: Variable, form: str) -> dict[str, str]:
    """Everything goes to the receiver but what the variable means to send elsewhere."""
    if variable.name == "OTEL_EXPORTER_OTLP_ENDPOINT":
        endpoint = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.url}
    else:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"}
    exporter = "console" if variable in OF_METRICS_AND_LOGS else "none"
    others = {"OTEL_METRICS_EXPORTER": exporter, "OTEL_LOGS_EXPORTER": exporter, "SPAN_NAME": name_of(variable, form)}
    if form in variable.valid and variable.elsewhere:
        others["OTEL_BSP_EXPORT_TIMEOUT"] = "100"  # nobody is there
    return others | endpoint | variable.given | {variable.name: odd(variable.good, form)}


def name_of(variable: Variable, form: str) -> str:
    return f"{variable.id} {form}"
