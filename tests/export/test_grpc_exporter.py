# ruff: noqa: E402 - what may be missing is looked for before it is imported
"""What the gRPC exporter has of its own: endpoints, metadata, the channel."""

from __future__ import annotations

import builtins
import importlib
import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed (the extra grpc)")

import trustme
from support.grpc_steps import exporter
from support.receivers import DONE, FAILED, WAIT, GrpcReceiver, batch, levels, names

from nanospan.export.grpc import Compression, OTLPSpanExporter


@pytest.mark.parametrize("endpoint", ["http://{}", "http://{}/some/path", "{}", "ipv4:{}", "dns:///{}"])
def test_endpoints(endpoint: str) -> None:
    with GrpcReceiver() as receiver:
        sender = OTLPSpanExporter(endpoint.format(receiver.target), insecure=True, timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE


def test_http_scheme_wins_over_insecure_false(caplog: pytest.LogCaptureFixture) -> None:
    with GrpcReceiver() as receiver:
        sender = OTLPSpanExporter(
            f"http://{receiver.target}",
            insecure=False,
            credentials=grpc.ssl_channel_credentials(),
            timeout=WAIT,
        )
        assert sender.export_encoded(batch()) == DONE
    assert levels(caplog) == [logging.WARNING], "credentials that go unused are worth a line"


@pytest.mark.parametrize("method", ["none", "gzip", "deflate", Compression.Gzip, grpc.Compression.Gzip])
def test_compression(method: Any) -> None:
    with GrpcReceiver() as receiver:
        sent = batch(50)
        assert exporter(receiver, compression=method).export_encoded(sent) == (50, 0, 0)
        assert receiver.bodies == [sent]


@pytest.mark.parametrize("method", ["none", "gzip"])
def test_compression_of_the_environment(
    method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", method)
    with GrpcReceiver() as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert not levels(caplog)


@pytest.mark.parametrize("headers", [{"API-Key": "k=1", "b": "2"}, [("API-Key", "k=1"), ("b", "2")], "API-Key=k%3D1,b=2"])
def test_headers(headers: Any) -> None:
    with GrpcReceiver() as receiver:
        assert exporter(receiver, headers=headers).export_encoded(batch()) == DONE
        assert receiver.metadata[0]["api-key"] == "k=1"
        assert receiver.metadata[0]["b"] == "2"


def test_headers_of_the_environment(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "API-Key=k,bad!key=secret,umlaut=secret%C3%A4")
    with GrpcReceiver() as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
        assert exporter(receiver, headers={"own": "1"}).export_encoded(batch()) == DONE
        assert receiver.metadata[0]["api-key"] == "k"
        assert "api-key" not in receiver.metadata[1], "the argument replaces the variable"
    assert levels(caplog) == [logging.WARNING] * 2
    assert "secret" not in caplog.text


def test_channel_options_win() -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(receiver, channel_options=(("grpc.primary_user_agent", "mine"),))
        assert sender.export_encoded(batch()) == DONE
        assert receiver.metadata[0]["user-agent"].startswith("mine")


def test_channel_closed_by_another_thread_is_opened_again(no_backoff: list[int]) -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        transport: Any = sender._delivery.transport
        stale = transport._channel
        fresh = transport._open

        def race() -> Any:
            transport._open = fresh
            transport._discard(stale)
            return stale

        transport._open = race
        assert sender.export_encoded(batch()) == DONE
    assert not no_backoff


def test_channel_is_opened_by_the_first_export_and_anew_after_a_fork() -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(receiver)
        transport: Any = sender._delivery.transport
        assert transport._channel is None
        assert sender.export_encoded(batch()) == DONE
        first = transport._channel
        sender.after_fork()
        assert transport._channel is None
        assert sender.export_encoded(batch()) == DONE
        assert transport._channel is not first


def test_a_forked_child_exports(tmp_path: Path) -> None:
    """In a subprocess without a server of its own: grpcio lets no process fork that serves."""
    script = textwrap.dedent(
        """
        import os, sys
        sys.path.insert(0, sys.argv[2])
        from nanospan.export.grpc import OTLPSpanExporter
        from support.receivers import batch
        sender = OTLPSpanExporter(sys.argv[1], insecure=True, timeout=60)
        assert sender.export_encoded(batch()) == (1, 0, 0)
        child = os.fork()
        if child == 0:
            ok = sender.export_encoded(batch(2)) == (2, 0, 0)
            sender.shutdown()
            sys.exit(0 if ok else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0, status
        assert sender.export_encoded(batch(3)) == (3, 0, 0)
        sender.shutdown()
        """
    )
    with GrpcReceiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", script, receiver.target, str(Path(__file__).parents[1])],
            env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        assert done.returncode == 0, done.stderr
        assert [len(names(body)) for body in receiver.bodies] == [1, 2, 3]


def test_tls_and_mutual_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_backoff: list[int]) -> None:
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    ca = authority.cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(ca)
    client = authority.issue_cert("client@example.org")
    (tmp_path / "key.pem").write_bytes(client.private_key_pem.bytes())
    (tmp_path / "chain.pem").write_bytes(client.cert_chain_pems[0].bytes())
    pair = (server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], ca, require_client_auth=True)
    with GrpcReceiver(credentials=credentials) as receiver:
        endpoint = f"https://localhost:{receiver.port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "ca.pem"))
        assert OTLPSpanExporter(endpoint, timeout=WAIT).export_encoded(batch()) == FAILED
        assert not receiver.bodies
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(tmp_path / "key.pem"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(tmp_path / "chain.pem"))
        assert OTLPSpanExporter(endpoint, timeout=WAIT).export_encoded(batch()) == DONE
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CLIENT_KEY")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CERTIFICATE")
        own = grpc.ssl_channel_credentials(ca, client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes())
        sender = OTLPSpanExporter(f"localhost:{receiver.port}", credentials=own, timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE


def test_without_grpcio_the_import_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_grpcio(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name == "grpc":
            raise ModuleNotFoundError("No module named 'grpc'")
        return real(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, "nanospan.export.grpc")
    monkeypatch.setattr(builtins, "__import__", without_grpcio)
    with pytest.raises(ImportError, match=r"pip install nanospan\[grpc\]"):
        importlib.import_module("nanospan.export.grpc")
