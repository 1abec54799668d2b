"""Certificates and keys that are renewed on disk while the exporter runs, and TLS connections that are kept."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from support.receivers import DONE, FAILED, WAIT, GrpcReceiver, HttpReceiver, answer, batch, head, levels
from support.transports import WAYS, Http, Pipeline

from nanospan.export._settings.watched_files import WatchedFiles
from nanospan.export.http import OTLPSpanExporter

trustme: Any = pytest.importorskip("trustme", reason="trustme is not installed")


class Files:
    """The files that the settings name, and what is renewed into them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert("127.0.0.1", "localhost")
        self.ca, self.key, self.chain = (folder / name for name in ("ca.pem", "key.pem", "chain.pem"))
        self.trust(self.authority)

    def trust(self, authority: Any) -> None:
        _replace(self.ca, authority.cert_pem.bytes())

    def identify(self, name: str) -> None:
        """Renew the client's pair."""
        key, chain = self.pair(name)
        _replace(self.key, key)
        _replace(self.chain, chain)

    def pair(self, name: str) -> tuple[bytes, bytes]:
        issued = self.authority.issue_cert(f"{name}.test", common_name=name)
        return issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes()

    @property
    def arguments(self) -> dict[str, str]:
        return {
            "certificate_file": str(self.ca),
            "client_key_file": str(self.key),
            "client_certificate_file": str(self.chain),
        }

    def server_context(self, authority: Any = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (self.server if authority is None else authority.issue_cert("127.0.0.1")).configure_cert(context)
        context.verify_mode = ssl.CERT_REQUIRED
        self.authority.configure_trust(context)
        return context


def _replace(path: Path, content: bytes) -> None:
    """As tools that renew certificates do: a new file takes the place of the old."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.replace(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(tmp_path)
    found.identify("old")
    return found


def note_and_close(seen: list[str]) -> Any:
    """Note the client's name, accept, and close, so that the next request makes a handshake."""

    def step(connection: Any, server: HttpReceiver) -> bool:
        subject = dict(pair[0] for pair in connection.getpeercert()["subject"])
        seen.append(subject["commonName"])
        connection.sendall(head(200, 0, Connection="close"))
        return False

    return step


@pytest.mark.parametrize("way", WAYS)
def test_a_new_handshake_uses_what_the_files_hold_then(way: str, files: Files) -> None:
    seen: list[str] = []
    with (
        HttpReceiver([note_and_close(seen)], tls=files.server_context()) as receiver,
        Pipeline(way, Http(), endpoint=receiver.url, timeout=WAIT, **files.arguments) as pipeline,
    ):
        pipeline.send()
        files.identify("new")
        pipeline.send()
        pipeline.check_account(2)
    assert seen == ["old", "new"]


@pytest.mark.parametrize("named_by", ["argument", "OTEL_EXPORTER_OTLP_CERTIFICATE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_authorities_are_renewed(
    named_by: str, files: Files, monkeypatch: pytest.MonkeyPatch, no_backoff: list[int]
) -> None:
    arguments = files.arguments
    if named_by != "argument":
        monkeypatch.setenv(named_by, arguments.pop("certificate_file"))
    later = trustme.CA()
    accept = answer(200, close=True)
    with HttpReceiver([accept], tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **arguments)
        assert sender.export_encoded(batch()) == DONE
        receiver.tls = files.server_context(later)
        assert sender.export_encoded(batch()) == FAILED, "the server's certificate is of an authority not trusted yet"
        files.trust(later)
        assert sender.export_encoded(batch()) == DONE


def test_links_that_are_swapped_are_followed(files: Files, tmp_path: Path) -> None:
    """Kubernetes renews a secret by one rename of a link to a folder."""
    for name in ("old", "new"):
        folder = tmp_path / name
        folder.mkdir()
        files.identify(name)
        for path in (files.ca, files.key, files.chain):
            shutil.copy(path, folder)
    (tmp_path / "data").symlink_to("old")
    arguments = {name: str(tmp_path / "data" / Path(path).name) for name, path in files.arguments.items()}
    seen: list[str] = []
    with HttpReceiver([note_and_close(seen)], tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **arguments)
        assert sender.export_encoded(batch()) == DONE
        (tmp_path / "data.new").symlink_to("new")
        (tmp_path / "data.new").replace(tmp_path / "data")
        assert sender.export_encoded(batch()) == DONE
    assert seen == ["old", "new"]


def break_files(files: Files, how: str) -> None:
    key, chain = files.pair("new")
    if how == "half written":
        files.chain.write_bytes(chain[: len(chain) // 2])
    elif how == "empty":
        files.ca.write_bytes(b"")
    elif how == "of two pairs":
        _replace(files.key, key)
    elif how == "gone":
        files.chain.unlink()
    else:
        files.key.write_bytes(b"\0" * 100)


BROKEN = ["half written", "empty", "of two pairs", "gone", "binary"]


@pytest.mark.parametrize("how", BROKEN)
def test_while_the_files_are_renewed_the_last_good_ones_are_used(
    how: str, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    with HttpReceiver([note_and_close(seen)], tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        break_files(files, how)
        for _ in range(3):
            assert sender.export_encoded(batch()) == DONE
        assert levels(caplog) == [logging.WARNING], "once"
        files.trust(files.authority)
        files.identify("new")
        assert sender.export_encoded(batch()) == DONE
        break_files(files, how)
        assert sender.export_encoded(batch()) == DONE
        assert levels(caplog) == [logging.WARNING] * 2, "once for each time"
    assert seen == ["old"] * 3 + ["new"] * 2


def test_a_key_with_a_password_is_refused_without_asking(files: Files) -> None:
    encrypted = (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    files.key.write_text(encrypted)
    with pytest.raises(ValueError, match="client_key_file"):
        OTLPSpanExporter("https://127.0.0.1:1/v1/traces", **files.arguments)


def test_a_kept_connection_stays(files: Files) -> None:
    with HttpReceiver(tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        assert sender.export_encoded(batch()) == DONE
        files.identify("new")
        assert sender.export_encoded(batch()) == DONE
        assert receiver.connections == 1


def test_files_that_change_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    made: list[str] = []

    def make() -> str:
        made.append(path.read_text())
        if len(made) == 2:
            path.write_text("three!")
        return made[-1]

    watched = WatchedFiles([str(path)], make)
    assert [watched.current(), watched.current()] == ["one", "one"]
    path.write_text("two")
    assert [watched.current() for _ in range(3)] == ["two", "three!", "three!"]
    assert made == ["one", "two", "three!"]


# --- kept TLS connections ---------------------------------------------------------------------------------------------


class Talkative(HttpReceiver):
    def say(self, text: bytes, notify: bool) -> None:
        for connection in self._open.values():
            if text:
                connection.sendall(text)
            if notify and isinstance(connection, ssl.SSLSocket):
                connection.settimeout(0.0)
                with contextlib.suppress(ssl.SSLError, OSError):
                    connection.unwrap()  # sends close_notify, and does not wait for the peer's


@pytest.mark.parametrize(
    ("text", "notify"), [(head(408, 0), False), (b"H", False), (head(200, 0) * 1000, False), (b"", True)]
)
def test_what_comes_over_an_idle_connection_ends_it(text: bytes, notify: bool, files: Files) -> None:
    with Talkative(tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        assert sender.export_encoded(batch()) == DONE
        receiver.say(text, notify)
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 2]


@pytest.mark.parametrize("behind", [head(413, 0), head(200, 0) * 1000])
def test_what_comes_with_the_answer_ends_the_connection(behind: bytes, files: Files) -> None:
    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(head(200, 0) + behind)
        return True

    with HttpReceiver([step, answer(200)], tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 2]


def test_what_openssl_holds_behind_the_answer_ends_the_connection(files: Files) -> None:
    """The answer fills the buffer of the reader exactly, and the rest of its record is in neither buffer nor kernel."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        start = head(200, 8000)
        body = bytes(8192 - len(start))
        connection.sendall(head(200, len(body)) + body + head(413, 0))
        return True

    with HttpReceiver([step, answer(200)], tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 2]


def test_a_large_request_over_tls(files: Files) -> None:
    sent = batch(1, size=3_000_000)
    with HttpReceiver(tls=files.server_context()) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT, **files.arguments)
        assert sender.export_encoded(sent) == DONE
        assert receiver.requests[0].raw == sent


# --- gRPC -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def grpc_files(files: Files, monkeypatch: pytest.MonkeyPatch) -> Files:
    pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
    for name, path in (("CERTIFICATE", files.ca), ("CLIENT_KEY", files.key), ("CLIENT_CERTIFICATE", files.chain)):
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", str(path))
    return files


def grpc_receiver(files: Files, seen: list[str]) -> GrpcReceiver:
    import grpc

    def step(body: bytes, context: Any) -> bytes:
        seen.append(context.auth_context()["x509_common_name"][0].decode())
        return b""

    pair = (files.server.private_key_pem.bytes(), files.server.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], files.authority.cert_pem.bytes(), require_client_auth=True)
    return GrpcReceiver(step, credentials=credentials)


def test_grpc_uses_what_the_files_hold_at_each_export(grpc_files: Files) -> None:
    from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

    seen: list[str] = []
    with grpc_receiver(grpc_files, seen) as receiver:
        sender = GrpcExporter(f"https://localhost:{receiver.port}", timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        grpc_files.identify("new")
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        sender.shutdown()
    assert seen == ["old", "new", "new"]


@pytest.mark.parametrize("how", BROKEN)
def test_grpc_uses_the_last_good_files_while_they_are_renewed(
    how: str, grpc_files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

    seen: list[str] = []
    with grpc_receiver(grpc_files, seen) as receiver:
        sender = GrpcExporter(f"https://localhost:{receiver.port}", timeout=WAIT)
        break_files(grpc_files, how)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert levels(caplog) == [logging.WARNING], "once"
        grpc_files.trust(grpc_files.authority)
        grpc_files.identify("new")
        assert sender.export_encoded(batch()) == DONE
        sender.shutdown()
    assert seen == ["old", "old", "new"]


def test_grpc_of_unusable_files_does_without_them(
    grpc_files: Files, caplog: pytest.LogCaptureFixture, no_backoff: list[int]
) -> None:
    from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

    os.truncate(grpc_files.key, 0)
    GrpcExporter("https://localhost:1", timeout=WAIT)
    assert levels(caplog) == [logging.WARNING]
    assert "OTEL_EXPORTER_OTLP_CLIENT_KEY" in caplog.text
