"""The connections of the HTTP exporter: kept alive, TLS, proxies, forks, threads."""

from __future__ import annotations

import gc
import logging
import os
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.receivers import (
    DONE,
    FAILED,
    WAIT,
    HttpReceiver,
    answer,
    batch,
    levels,
    reset,
    unused_port,
)

from nanospan.export import ExportOutcome
from nanospan.export.http import OTLPSpanExporter

if TYPE_CHECKING:
    import trustme


def exporter(receiver: HttpReceiver, **arguments: Any) -> OTLPSpanExporter:
    arguments.setdefault("timeout", WAIT)
    return OTLPSpanExporter(receiver.url, **arguments)


def test_connection_is_kept_alive() -> None:
    with HttpReceiver([answer(200), answer(400, b"x" * 100), answer(204), answer(200)]) as receiver:
        sender = exporter(receiver)
        for _ in range(4):
            sender.export_encoded(batch())
        assert [request.connection for request in receiver.requests] == [1, 1, 1, 1]


def test_stale_connection_is_replaced_at_once(no_backoff: list[int]) -> None:
    with HttpReceiver([answer(200), reset, answer(200)]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 1, 2]
    assert not no_backoff, "the repeat over a fresh connection needs no waiting"


def test_connection_closed_while_idle() -> None:
    with HttpReceiver([answer(200, close=True), answer(200)]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert receiver.connections == 2


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return pytest.importorskip("trustme", reason="trustme is not installed").CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def write(path: Path, blob: trustme.Blob) -> str:
    blob.write_to_path(str(path))
    return str(path)


def test_tls_with_an_authority_of_ones_own(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca = write(tmp_path / "ca.pem", authority.cert_pem)
    with HttpReceiver(tls=server_context(authority)) as receiver:
        assert exporter(receiver, certificate_file=ca).export_encoded(batch()) == DONE
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
        assert exporter(receiver).export_encoded(batch()) == DONE
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", ca)
        assert exporter(receiver).export_encoded(batch()) == DONE
        assert len(receiver.requests) == 3


def test_unknown_authority_is_refused_without_retries(
    authority: trustme.CA, no_backoff: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    with HttpReceiver(tls=server_context(authority)) as receiver:
        assert exporter(receiver).export_encoded(batch()) == FAILED
        assert not receiver.requests
    assert not no_backoff
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_wrong_host_name_is_refused(authority: trustme.CA, tmp_path: Path, no_backoff: list[int]) -> None:
    ca = write(tmp_path / "ca.pem", authority.cert_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with HttpReceiver(tls=context) as receiver:
        assert exporter(receiver, certificate_file=ca).export_encoded(batch()) == FAILED
        assert not receiver.requests


def test_mutual_tls(authority: trustme.CA, tmp_path: Path, no_backoff: list[int]) -> None:
    ca = write(tmp_path / "ca.pem", authority.cert_pem)
    client = authority.issue_cert("client@example.org")
    key = write(tmp_path / "key.pem", client.private_key_pem)
    chain = write(tmp_path / "chain.pem", client.cert_chain_pems[0])
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with HttpReceiver(tls=context) as receiver:
        sender = exporter(receiver, certificate_file=ca, client_key_file=key, client_certificate_file=chain)
        assert sender.export_encoded(batch()) == DONE
        assert exporter(receiver, certificate_file=ca).export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 1


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        sender = OTLPSpanExporter("http://collector.invalid:4318/v1/traces", timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        assert proxy.requests[0].line == "POST http://collector.invalid:4318/v1/traces HTTP/1.1"
        assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as receiver:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert exporter(receiver).export_encoded(batch()) == DONE


def test_wrong_proxy_is_warned_about(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("http_proxy", "socks5://me:secret@127.0.0.1:1")
    with HttpReceiver() as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert levels(caplog) == [logging.WARNING]
    assert "secret" not in caplog.text


def test_a_forked_child_opens_its_own_connection() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
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


def test_a_fork_without_pythons_hooks_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        parent = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: parent + 1)
        assert sender.export_encoded(batch()) == DONE
        assert receiver.connections == 2


def test_a_forked_child_closes_its_descriptors_at_once() -> None:
    """Without the collector of cycles: the parent's connections would stay open for as long as the child has copies."""
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        gc.disable()
        try:
            sender.after_fork()
            receiver.wait_for_end_of_connections()
        finally:
            gc.enable()


def test_after_fork_keeps_a_shut_down_exporter_shut_down() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
        sender.shutdown()
        sender.after_fork()
        assert sender.export_encoded(batch()) == FAILED
        assert not receiver.requests


def test_many_threads_may_export() -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
        outcomes: list[ExportOutcome] = []
        threads = [
            threading.Thread(target=lambda: outcomes.extend(sender.export_encoded(batch()) for _ in range(10)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert outcomes == [DONE] * 80
        assert len(receiver.requests) == 80
