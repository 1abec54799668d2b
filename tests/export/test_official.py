# ruff: noqa: E402 - what may be missing is looked for before it is imported
"""The official exporters, wrapped with their settings."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

official_http = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    reason="opentelemetry-exporter-otlp-proto-http is not installed",
)
official_grpc = pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    reason="opentelemetry-exporter-otlp-proto-grpc is not installed",
)

import grpc
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExportResult
from support.receivers import (
    DONE,
    FAILED,
    WAIT,
    GrpcReceiver,
    HttpReceiver,
    answer,
    batch,
    hang,
    names,
    partial_success,
    reset,
    unused_port,
)

import nanospan
from nanospan._compat import otlp_exporters
from nanospan.export import EncodedSpanExporter, ExportOutcome
from nanospan.export._transport.grpc_transport import DEFAULT_RETRYABLE
from nanospan.export._transport.official import wrap_official
from nanospan.export.http import OTLPSpanExporter as OwnExporter


def wrapped(exporter: object) -> EncodedSpanExporter:
    found = wrap_official(exporter)
    assert isinstance(found, EncodedSpanExporter)
    return found


def http(receiver: HttpReceiver, **arguments: Any) -> Any:
    arguments.setdefault("timeout", WAIT)
    return official_http.OTLPSpanExporter(receiver.url, **arguments)


def test_settings_of_the_http_exporter_are_where_we_look_for_them() -> None:
    """Fails when a release of the official package moves a private name: nanospan._compat.otlp_exporters must
    follow.
    """
    session = requests.Session()
    exporter = official_http.OTLPSpanExporter(
        "http://c:1/x",
        headers={"A": "b"},
        timeout=7.5,
        compression=Compression.Gzip,
        session=session,
        max_request_size=99,
    )
    settings = otlp_exporters.http_settings(exporter)
    assert settings.endpoint == "http://c:1/x"
    assert settings.headers["a"] == "b"
    assert settings.headers["content-type"] == "application/x-protobuf"
    assert settings.timeout == 7.5
    assert settings.compression.value == "gzip"
    assert settings.max_request_size == 99
    assert settings.metrics is None
    assert callable(settings.transport.request)
    assert callable(settings.transport.is_connection_error)
    assert settings.transport._session is session


def test_settings_of_the_grpc_exporter_are_where_we_look_for_them() -> None:
    """Fails when a release of the official package moves a private name: nanospan._compat.otlp_exporters must
    follow.
    """
    credentials = grpc.ssl_channel_credentials()
    exporter = official_grpc.OTLPSpanExporter(
        "https://c:1/x",
        credentials=credentials,
        headers={"a": "b"},
        timeout=7.5,
        compression=grpc.Compression.Gzip,
        channel_options=(("grpc.max_send_message_length", 9),),
    )
    settings = otlp_exporters.grpc_settings(exporter)
    assert settings.target == "c:1"
    assert settings.insecure is False
    assert settings.credentials is credentials
    assert tuple(settings.metadata) == (("a", "b"),)
    assert settings.timeout == 7.5
    assert settings.compression is grpc.Compression.Gzip
    assert ("grpc.max_send_message_length", 9) in settings.options
    assert settings.retryable == settings.default_retryable == DEFAULT_RETRYABLE | {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert settings.metrics is None
    exporter.shutdown()


@pytest.mark.parametrize(
    ("module", "moved", "make"),
    [
        ("http", "_client", lambda: official_http.OTLPSpanExporter()),
        ("http", "_max_request_size", lambda: official_http.OTLPSpanExporter()),
        ("http", "_metrics", lambda: official_http.OTLPSpanExporter()),
        ("grpc", "_endpoint", lambda: official_grpc.OTLPSpanExporter(insecure=True)),
        ("grpc", "_channel_options", lambda: official_grpc.OTLPSpanExporter(insecure=True)),
    ],
)
def test_a_moved_name_costs_a_warning_and_the_slow_way(
    module: str, moved: str, make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make()
    delattr(exporter, moved)
    with pytest.raises(LookupError, match=moved):
        getattr(otlp_exporters, f"{module}_settings")(exporter)
    assert wrap_official(exporter) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert moved in caplog.text


def test_nothing_else_is_adopted(caplog: pytest.LogCaptureFixture) -> None:
    class HttpSubclass(official_http.OTLPSpanExporter):  # type: ignore[name-defined,misc]
        pass

    class GrpcSubclass(official_grpc.OTLPSpanExporter):  # type: ignore[name-defined,misc]
        pass

    patched = official_http.OTLPSpanExporter()
    patched.export = lambda spans: SpanExportResult.SUCCESS
    others = [
        None,
        object(),
        ConsoleSpanExporter(),
        HttpSubclass(),
        GrpcSubclass(insecure=True),
        OwnExporter(),
        patched,
    ]
    assert [wrap_official(other) for other in others] == [None] * len(others)
    assert not caplog.records


def test_the_official_packages_are_not_imported() -> None:
    script = textwrap.dedent(
        """
        import sys
        from nanospan.export._transport.official import wrap_official
        from nanospan.export.http import OTLPSpanExporter
        assert wrap_official(object()) is None
        assert wrap_official(OTLPSpanExporter()) is None
        official = [name for name in sys.modules if name.startswith("opentelemetry.exporter")]
        assert not official, official
        assert not {"grpc", "requests"} & sys.modules.keys()
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == 0, done.stderr


def test_http_sends_our_bytes_with_its_settings() -> None:
    with HttpReceiver() as receiver:
        exporter = http(receiver, headers={"api-key": "k"}, compression=Compression.Gzip)
        sent = batch(3)
        assert wrapped(exporter).export_encoded(sent) == (3, 0, 0)
        request = receiver.requests[0]
    assert request.body == sent
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["content-length"] == str(len(request.raw))
    assert request.headers["api-key"] == "k"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["user-agent"].startswith("OTel-OTLP-Exporter-Python/")


def test_http_goes_through_the_users_session() -> None:
    class Signing(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **keywords: Any) -> Any:
            assert type(request.body) is bytes
            request.headers["Signature"] = f"signed {len(request.body)}"
            return super().send(request, *arguments, **keywords)

    session = requests.Session()
    session.mount("http://", Signing())
    session.headers["Tenant"] = "t"
    sent = batch(2)
    with HttpReceiver() as receiver:
        assert wrapped(http(receiver, session=session)).export_encoded(sent) == (2, 0, 0)
        headers = receiver.requests[0].headers
    assert headers["signature"] == f"signed {len(sent)}"
    assert headers["tenant"] == "t"


def test_http_sees_headers_that_are_renewed_in_place() -> None:
    with HttpReceiver() as receiver:
        exporter = http(receiver, headers={"authorization": "old"})
        sender = wrapped(exporter)
        exporter._client._headers["authorization"] = "new"
        assert sender.export_encoded(batch()) == DONE
        assert receiver.requests[0].headers["authorization"] == "new"


@pytest.mark.parametrize(
    ("script", "outcome", "attempts"),
    [
        ([answer(503), answer(200)], (4, 0, 0), 2),
        ([answer(429, Retry_After="0"), answer(200)], (4, 0, 0), 2),
        ([answer(429, Retry_After="999"), answer(200)], (0, 0, 4), 1),
        ([answer(301, Location="/elsewhere"), answer(200)], (0, 0, 4), 1),
        ([answer(400, b"no"), answer(200)], (0, 0, 4), 1),
        ([answer(413), answer(200)], (4, 0, 0), 3),
        ([answer(200, partial_success(1, "no"))], (3, 1, 0), 1),
        ([answer(200, b"garbage")], (4, 0, 0), 1),
        ([reset, reset, answer(200)], (4, 0, 0), 3),
    ],
)
def test_http_answers_are_judged_as_our_own_exporter_does(
    script: list[Any], outcome: tuple[int, int, int], attempts: int, no_backoff: list[int]
) -> None:
    with HttpReceiver(script) as receiver:
        assert wrapped(http(receiver)).export_encoded(batch(4)) == outcome
        assert len(receiver.requests) == attempts


def test_http_timeouts() -> None:
    with HttpReceiver([hang]) as receiver:
        assert wrapped(http(receiver, timeout=0.2)).export_encoded(batch()) == FAILED
        assert wrapped(http(receiver, timeout=3600)).export_encoded(batch(), timeout=0.2) == FAILED


def test_http_refused_connection(no_backoff: list[int]) -> None:
    exporter = official_http.OTLPSpanExporter(f"http://127.0.0.1:{unused_port()}/v1/traces", timeout=WAIT)
    assert wrapped(exporter).export_encoded(batch()) == FAILED
    assert no_backoff == [0, 1, 2, 3, 4, 5]


def test_http_request_limit_splits() -> None:
    with HttpReceiver() as receiver:
        sender = wrapped(http(receiver, max_request_size=len(batch(2)) + 10))
        assert sender.export_encoded(batch(4)) == (4, 0, 0)
        assert len(receiver.requests) == 2


def test_http_transport_that_raises() -> None:
    with HttpReceiver() as receiver:
        exporter = http(receiver)
        sender = wrapped(exporter)

        def broken(*arguments: Any, **keywords: Any) -> Any:
            raise RuntimeError("no transport today")

        exporter._client._transport.request = broken
        assert sender.export_encoded(batch()) == FAILED


def test_http_shutdown_reaches_the_official_instance(retry_waits: threading.Event) -> None:
    with HttpReceiver([answer(503, Retry_After="3000")]) as receiver:
        exporter = http(receiver, timeout=36000)
        sender = wrapped(exporter)
        outcomes: list[ExportOutcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(sender.export_encoded(batch())))
        thread.start()
        assert retry_waits.wait(WAIT)
        sender.shutdown()
        thread.join(WAIT)
        assert outcomes == [FAILED]
        assert exporter._shutdown
        assert exporter.export([]) is SpanExportResult.FAILURE
        assert sender.export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 1


def test_http_after_fork_opens_another_connection() -> None:
    with HttpReceiver() as receiver:
        sender = wrapped(http(receiver))
        assert sender.export_encoded(batch()) == DONE
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if sender.export_encoded(batch()) == DONE else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 2, 1]


def rpc(receiver: GrpcReceiver, **arguments: Any) -> Any:
    arguments.setdefault("timeout", WAIT)
    return official_grpc.OTLPSpanExporter(f"http://{receiver.target}", **arguments)


def test_grpc_sends_our_bytes_with_its_settings() -> None:
    with GrpcReceiver() as receiver:
        exporter = rpc(
            receiver,
            headers=[("API-Key", "k")],
            compression=grpc.Compression.Gzip,
            channel_options=(("grpc.primary_user_agent", "mine"),),
        )
        sender = wrapped(exporter)
        sent = batch(3)
        assert sender.export_encoded(sent) == (3, 0, 0)
        assert receiver.bodies == [sent]
        assert receiver.metadata[0]["api-key"] == "k"
        assert receiver.metadata[0]["user-agent"].startswith("mine")
        sender.shutdown()
        assert exporter._shutdown
        assert sender.export_encoded(batch()) == FAILED


def test_grpc_exhausted_splits_by_default_and_is_retried_when_chosen(no_backoff: list[int]) -> None:
    def exhausted(body: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")
        return b""

    def accept(body: bytes, context: Any) -> bytes:
        return b""

    with GrpcReceiver(exhausted, accept) as receiver:
        assert wrapped(rpc(receiver)).export_encoded(batch(4)) == (4, 0, 0)
        assert [len(names(body)) for body in receiver.bodies] == [4, 2, 2]
    with GrpcReceiver(exhausted, accept) as receiver:
        exporter = rpc(receiver, retryable_error_codes=[grpc.StatusCode.RESOURCE_EXHAUSTED])
        assert wrapped(exporter).export_encoded(batch(4)) == (4, 0, 0)
        assert [len(names(body)) for body in receiver.bodies] == [4, 4]


def test_metrics_go_on_under_the_official_instances_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with HttpReceiver([answer(200), answer(400)]) as receiver:
        exporter = http(receiver, meter_provider=provider)
        sender = wrapped(exporter)
        assert sender.export_encoded(batch(3)) == (3, 0, 0)
        assert sender.export_encoded(batch(2)) == (0, 0, 2)
        data: Any = reader.get_metrics_data()
    points = {
        (metric.name, point.attributes.get("error.type")): point
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.data.data_points
    }
    assert points["otel.sdk.exporter.span.exported", None].value == 3
    assert points["otel.sdk.exporter.span.exported", "400"].value == 2
    assert {point.attributes["otel.component.name"] for point in points.values()} == {
        exporter._metrics._standard_attrs["otel.component.name"]
    }
    provider.shutdown()


def test_only_one_module_names_private_attributes() -> None:
    modules = list((Path(nanospan.__file__).parent / "export").rglob("*.py"))
    assert len(modules) > 12
    for module in modules:
        text = module.read_text()
        for name in ("exporter._", "client._", "_standard_attrs", " _RETRYABLE_ERROR_CODES"):
            assert name not in text, f"{module.name} names {name}; that belongs into _compat/otlp_exporters.py"
