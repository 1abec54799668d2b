"""Arguments, variables, defaults: who wins, and what a wrong value costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nanospan._common import environment as common
from nanospan.export._settings import environment as environment
from nanospan.export._settings.compression import Compression, compression_from
from nanospan.export._settings.endpoint import resolve_grpc_endpoint, resolve_http_endpoint
from nanospan.export.http import OTLPSpanExporter

TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
GENERAL = "OTEL_EXPORTER_OTLP_"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_traces_variable_wins_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.read("TIMEOUT") is None
    monkeypatch.setenv(GENERAL + "TIMEOUT", "3")
    monkeypatch.setenv(TRACES + "TIMEOUT", " ")
    assert environment.resolve_timeout(None) == 3.0
    monkeypatch.setenv(TRACES + "TIMEOUT", "4.5")
    assert environment.resolve_timeout(None) == 4.5
    assert environment.resolve_timeout(1) == 1.0


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_wrong_timeout_variable(text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(GENERAL + "TIMEOUT", text)
    assert environment.resolve_timeout(None) == 10.0
    assert len(caplog.records) == 1
    assert GENERAL + "TIMEOUT" in caplog.text


def test_timeout_in_milliseconds_is_warned_about(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(GENERAL + "TIMEOUT", "5000")
    assert environment.resolve_timeout(None) == 5000.0
    assert "seconds" in caplog.text
    caplog.clear()
    assert environment.resolve_timeout(5000) == 5000.0
    assert not caplog.records


@pytest.mark.parametrize("text", ["0", "1e20", "inf"])
def test_timeout_zero_and_longer_than_the_system_can_wait_are_no_limit(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.resolve_timeout(float(text)) is None
    monkeypatch.setenv(GENERAL + "TIMEOUT", text)
    assert environment.resolve_timeout(None) is None


@pytest.mark.parametrize("argument", [-1, float("nan")])
def test_wrong_timeout_argument(argument: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        environment.resolve_timeout(argument)


@pytest.mark.parametrize("argument", ["3", True])
def test_timeout_argument_of_wrong_type(argument: object) -> None:
    with pytest.raises(TypeError, match="timeout"):
        environment.resolve_timeout(argument)  # type: ignore[arg-type]


def test_http_endpoint_default() -> None:
    endpoint = resolve_http_endpoint(None)
    assert endpoint.url == "http://localhost:4318/v1/traces"
    assert (endpoint.host, endpoint.port) == ("localhost", 4318)


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("ENDPOINT", "http://c:4318", "http://c:4318/v1/traces"),
        ("ENDPOINT", "http://c:4318/", "http://c:4318/v1/traces"),
        ("ENDPOINT", "http://c:4318//", "http://c:4318//v1/traces"),
        ("ENDPOINT", "https://c/base", "https://c/base/v1/traces"),
        ("TRACES_ENDPOINT", "http://c:4318", "http://c:4318"),
        ("TRACES_ENDPOINT", "http://c:4318/", "http://c:4318/"),
        ("TRACES_ENDPOINT", "HTTP://c/own?x=1", "http://c/own?x=1"),
    ],
)
def test_http_endpoint_variables(variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GENERAL + variable, value)
    assert resolve_http_endpoint(None).url == url
    assert resolve_http_endpoint("http://argument/").url == "http://argument/"


@pytest.mark.parametrize(
    "value", ["http://", "http://c:port", "http://u:secret@:1/", '"http://c"', "http://a b/", "-1", "ü"]
)
def test_wrong_http_endpoint(value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="endpoint") as caught:
        resolve_http_endpoint(value)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(TRACES + "ENDPOINT", value)
    assert resolve_http_endpoint(None).url == "http://localhost:4318/v1/traces"
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


HOSTS = [
    ("collector:4318", "http://collector:4318", ("collector:4318", None)),
    ("collector", "http://collector", ("collector", None)),
    ("//collector:4318", "http://collector:4318", ("collector:4318", "collector:4318")),
    ("[::1]:4318", "http://[::1]:4318", ("[::1]:4318", None)),
    ("10.0.0.1:4318", "http://10.0.0.1:4318", ("10.0.0.1:4318", None)),
    ("collector:4318/base", "http://collector:4318/base", ("collector:4318", None)),
    ("grpc://collector:4317", "http://collector:4317", ("collector:4317", "collector:4317")),
    ("tcp://me:secret@collector:4317", "http://collector:4317", ("collector:4317", "collector:4317")),
    ("http:/collector:4318", "http://collector:4318", ("collector:4318", "http://collector:4318")),
    ("http//collector:4318", "http://collector:4318", ("collector:4318", "http://collector:4318")),
    ("http:collector:4318", "http://collector:4318", ("collector:4318", "http://collector:4318")),
    ("http;//collector:4318", "http://collector:4318", ("collector:4318", "http://collector:4318")),
    ("http:///collector:4318", "http://collector:4318", ("collector:4318", "http://collector:4318")),
    ("HTTPS//me:secret@collector:4318", "https://collector:4318", ("collector:4318", "https://collector:4318")),
    ("http:4318", "http://http:4318", ("http:4318", None)),
]
"""Endpoints without a scheme, or with one of another protocol: the URL for HTTP, and for gRPC the target, and what to write
in its place if that is said."""


@pytest.mark.parametrize("variable", [TRACES + "ENDPOINT", GENERAL + "ENDPOINT"])
@pytest.mark.parametrize(("value", "url", "grpc"), HOSTS)
def test_an_endpoint_never_becomes_another_host(
    variable: str,
    value: str,
    url: str,
    grpc: tuple[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, value)
    found = resolve_http_endpoint(None)
    assert found.url == (url if variable == TRACES + "ENDPOINT" else url + "/v1/traces")
    (warning,) = warnings(caplog)
    assert variable in warning
    assert f"is used as {url}: write that" in warning
    assert "secret" not in warning
    caplog.clear()
    common._warned.clear()
    target, written = grpc
    assert resolve_grpc_endpoint(None, None).target == target
    assert [f"is used as {written}: write that" in message for message in warnings(caplog)] == [True] * (written is not None)
    assert "secret" not in caplog.text


def test_an_invalid_variable_for_traces_leaves_the_general_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as unset; so does each that can be wrong."""
    good = {"ENDPOINT": "http://c:1", "TIMEOUT": "3", "COMPRESSION": "gzip", "PROTOCOL": "grpc", "INSECURE": "true"}
    for suffix, value in good.items():
        monkeypatch.setenv(TRACES + suffix, "%")
        monkeypatch.setenv(GENERAL + suffix, value)
    assert resolve_http_endpoint(None).url == "http://c:1/v1/traces"
    assert resolve_grpc_endpoint(None, None).target == "c:1"
    assert environment.resolve_timeout(None) == 3
    assert environment.resolve_compression(None) is Compression.Gzip
    assert environment.resolve_protocol() == "grpc"
    assert environment.resolve_insecure(None) is True
    assert sorted(message.partition("=")[0] for message in warnings(caplog)) == sorted(TRACES + suffix for suffix in good)


def test_http_credentials_leave_the_url() -> None:
    endpoint = resolve_http_endpoint("https://me:p%40ss@c:1/v1/traces?token=t")
    assert endpoint.url == "https://c:1/v1/traces?token=t"
    assert endpoint.display == "https://c:1/v1/traces"
    assert endpoint.basic_auth == "me:p@ss"


@pytest.mark.parametrize(
    ("endpoint", "insecure", "target", "without_tls", "address", "port"),
    [
        (None, None, "localhost:4317", True, "localhost", 4317),
        (None, False, "localhost:4317", False, "localhost", 4317),
        ("", None, "localhost:4317", True, "localhost", 4317),
        ("c:1", None, "c:1", False, "c", 1),
        ("c:1", True, "c:1", True, "c", 1),
        ("http://c:1/path", None, "c:1", True, "c", 1),
        ("http://c:1", False, "c:1", True, "c", 1),
        ("https://c:1", True, "c:1", False, "c", 1),
        ("HTTPS://c:1", None, "c:1", False, "c", 1),
        ("http://user:pw@c:1", None, "c:1", True, "c", 1),
        ("http://[::1]:4317", None, "[::1]:4317", True, "::1", 4317),
        ("https://c", None, "c", False, "c", 443),
        ("dns:///c:1", True, "dns:///c:1", True, "c", 1),
        ("unix:/run/c.sock", True, "unix:/run/c.sock", True, "/run/c.sock", None),
        ("unix:///run/c.sock", None, "unix:///run/c.sock", False, "///run/c.sock", None),
    ],
)
def test_grpc_endpoint(
    endpoint: str | None,
    insecure: bool | None,
    target: str,
    without_tls: bool,
    address: str,
    port: int | None,
) -> None:
    assert resolve_grpc_endpoint(endpoint, insecure) == (target, without_tls, address, port)


def test_grpc_endpoint_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GENERAL + "ENDPOINT", "http://general:1")
    monkeypatch.setenv(TRACES + "ENDPOINT", "")
    monkeypatch.setenv(GENERAL + "INSECURE", "false")
    assert resolve_grpc_endpoint(None, None)[:2] == ("general:1", True)
    monkeypatch.setenv(TRACES + "ENDPOINT", "traces:2")
    assert resolve_grpc_endpoint(None, None)[:2] == ("traces:2", False)
    monkeypatch.setenv(TRACES + "INSECURE", "TRUE")
    assert resolve_grpc_endpoint(None, None)[:2] == ("traces:2", True)
    assert resolve_grpc_endpoint(None, False)[:2] == ("traces:2", False)


def test_wrong_grpc_endpoint(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        resolve_grpc_endpoint("ftp://c:1", None)
    monkeypatch.setenv(GENERAL + "ENDPOINT", "c:port")
    assert resolve_grpc_endpoint(None, None).target == "localhost:4317"
    assert len(caplog.records) == 1


def test_insecure_takes_true_and_false_only(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(GENERAL + "INSECURE", "1")
    assert environment.resolve_insecure(None) is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", {}),
        ("a=1,b=2", {"a": "1", "b": "2"}),
        (" API-Key = k%20v , ,x=", {"api-key": "k v", "x": ""}),
        ("authorization=Basic a%3D=", {"authorization": "Basic a%3D="}),
        ("authorization=Basic%20a=b==", {"authorization": "Basic a=b=="}),
    ],
)
def test_header_list(text: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    assert environment.parse_headers(text, "TEST") == headers
    assert not caplog.records


@pytest.mark.parametrize(
    "entry",
    ["secret", "=secret", "a b=secret", "k=secret%0d%0ax:y", "k=secret%E2%82%AC", "content-length=secret"],
)
def test_wrong_header_costs_itself_and_is_not_shown(entry: str, caplog: pytest.LogCaptureFixture) -> None:
    assert environment.parse_headers(f"good=1,{entry}", "TEST") == {"good": "1"}
    assert len(caplog.records) == 1
    assert "entry 2" in caplog.text
    assert "secret" not in caplog.text


def test_headers_of_traces_replace_the_general_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GENERAL + "HEADERS", "a=1,b=2")
    assert environment.environment_headers() == {"a": "1", "b": "2"}
    monkeypatch.setenv(TRACES + "HEADERS", "b=3")
    assert environment.environment_headers() == {"b": "3"}


def test_compression(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert environment.resolve_compression(None) is Compression.NoCompression
    monkeypatch.setenv(GENERAL + "COMPRESSION", " GZIP ")
    assert environment.resolve_compression(None) is Compression.Gzip
    assert environment.resolve_compression("none") is Compression.NoCompression
    monkeypatch.setenv(TRACES + "COMPRESSION", "none")
    assert environment.resolve_compression(None) is Compression.NoCompression
    assert not caplog.records
    monkeypatch.setenv(TRACES + "COMPRESSION", "zstd")
    assert environment.resolve_compression(None) is Compression.Gzip  # the general one
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match="compression"):
        environment.resolve_compression("zstd")


def test_compression_understands_other_enums() -> None:
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    http = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http",
        reason="opentelemetry-exporter-otlp-proto-http is not installed",
    )
    for ours in Compression:
        assert compression_from(getattr(http.Compression, ours.name)) is ours
        assert compression_from(getattr(grpc.Compression, ours.name)) is ours


def test_protocol(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    assert environment.resolve_protocol() == "http/protobuf"
    monkeypatch.setenv(GENERAL + "PROTOCOL", "grpc")
    assert environment.resolve_protocol() == "grpc"
    monkeypatch.setenv(TRACES + "PROTOCOL", "HTTP/Protobuf")
    assert environment.resolve_protocol() == "http/protobuf"
    assert not caplog.records
    monkeypatch.setenv(TRACES + "PROTOCOL", "http/json")
    assert environment.resolve_protocol() == "grpc"
    assert len(caplog.records) == 1


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    there = tmp_path / "ca.pem"
    there.write_text("")
    assert environment.resolve_file(None, "certificate_file", "CERTIFICATE") is None
    monkeypatch.setenv(GENERAL + "CERTIFICATE", str(there))
    found = environment.resolve_file(None, "certificate_file", "CERTIFICATE")
    assert found is not None
    assert found.path == str(there)
    monkeypatch.setenv(TRACES + "CERTIFICATE", str(tmp_path / "missing.pem"))
    assert environment.resolve_file(None, "certificate_file", "CERTIFICATE") is None
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match="certificate_file"):
        environment.resolve_file(tmp_path / "missing.pem", "certificate_file", "CERTIFICATE")


TAKEN, REFUSED, USELESS = "taken", "refused", "taken, and every export fails"
ARGUMENTS: list[tuple[str, Any, str]] = [
    ("endpoint", "", TAKEN),
    ("endpoint", "http://c:4318/v1/traces", TAKEN),
    ("endpoint", "c:4318", USELESS),
    ("endpoint", 5, USELESS),
    ("timeout", 0, TAKEN),
    ("timeout", 0.5, TAKEN),
    ("timeout", 1e20, TAKEN),
    ("timeout", -1, USELESS),
    ("timeout", float("nan"), USELESS),
    ("timeout", "5", USELESS),
    ("headers", {}, TAKEN),
    ("headers", {"a": "b"}, TAKEN),
    ("headers", {"a": 5}, USELESS),
    ("compression", "zstd", REFUSED),
    ("max_request_size", 0, TAKEN),
    ("max_request_size", -1, TAKEN),
]
"""Arguments of the official HTTP exporter, and what it does. nanospan's refuses what makes every export fail."""


@pytest.mark.parametrize(("name", "value", "fate"), ARGUMENTS)
def test_arguments_are_taken_where_the_official_exporter_can_send(name: str, value: Any, fate: str) -> None:
    official = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        reason="opentelemetry-exporter-otlp-proto-http is not installed",
    )
    if fate == REFUSED:
        with pytest.raises((TypeError, ValueError, AttributeError)):
            official.OTLPSpanExporter(**{name: value})
    elif name != "endpoint" or isinstance(value, str):
        official.OTLPSpanExporter(**{name: value}).shutdown()
    if fate == TAKEN:
        OTLPSpanExporter(**{name: value}).shutdown()
    else:
        with pytest.raises((TypeError, ValueError), match=f"^{name}"):
            OTLPSpanExporter(**{name: value})
