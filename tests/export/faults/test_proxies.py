"""Proxies of the environment, and the forms of NO_PROXY, each held against requests where that has it."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.receivers import DONE, FAILED, WAIT, HttpReceiver, answer, batch

from nanospan.export._settings.proxy import bypasses
from nanospan.export.http import OTLPSpanExporter

PORT = 4318

# The text of NO_PROXY, the host, and whether the host is reached directly.
FORMS = [
    ("example.com", "example.com", True),
    ("example.com", "api.example.com", True),
    ("example.com", "badexample.com", False),
    (".example.com", "api.example.com", True),
    (".example.com", "example.com", True),
    (".example.com", "badexample.com", False),
    ("EXAMPLE.com", "api.Example.COM", True),
    ("example.com", "example.org", False),
    ("example.com:4318", "example.com", True),
    ("example.com:4317", "example.com", False),
    (".example.com:4318", "api.example.com", True),
    ("localhost, example.com", "example.com", True),
    (" , ,example.com, ", "example.com", True),
    (",", "example.com", False),
    ("", "example.com", False),
    (".", "example.com", False),
    ("*", "example.com", True),
    ("*", "10.1.2.3", True),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3", "10.1.2.34", False),
    (".10.1.2.3", "10.1.2.3", True),
    ("2.3", "10.1.2.3", True),
    ("0.1.2.3", "10.1.2.3", False),
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.0.0.0/8", "11.1.2.3", False),
    ("10.1.2.3/8", "10.9.9.9", True),
    ("10.1.2.3/32", "10.1.2.3", True),
    ("10.1.2.0/33", "10.1.2.3", False),
    ("10.1.2/24", "10.1.2.3", False),
    ("10.0.0.0/8", "example.com", False),
    ("10.0.0.0/8", "10.1", True),
    ("::1", "::1", True),
]
"""The forms that requests accepts."""

MORE_FORMS = [
    ("*.example.com", "api.example.com", True),
    ("*.example.com", "example.com", False),
    ("a.com,*,b.com", "example.com", True),
    ("example.com.", "example.com", True),
    ("example.com", "example.com.", True),
    ("a.com example.com\tb.com", "example.com", True),
    ("10.1.2.3:4318", "10.1.2.3", True),
    ("10.1.2.3:4317", "10.1.2.3", False),
    ("0.0.0.0/0", "10.1.2.3", True),
    ("[::1]", "::1", True),
    ("[::1]:4318", "::1", True),
    ("[::1]:4317", "::1", False),
    ("0:0:0:0:0:0:0:1", "::1", True),
    ("fd00::/8", "fd12::1", True),
    ("[fd00::]/8", "fd12::1", True),
    ("fd00::/8", "fe80::1", False),
    ("fd00::/8", "10.1.2.3", False),
    ("10.0.0.0/8", "::ffff:10.1.2.3", True),
    ("10.0.0.0/x", "10.1.2.3", False),
    ("[", "10.1.2.3", False),
    ("example.com:port", "example.com", False),
]
"""The forms that only curl or Go accept, and odd ones."""


@pytest.mark.parametrize(("exceptions", "host", "direct"), FORMS + MORE_FORMS)
def test_forms_of_no_proxy(exceptions: str, host: str, direct: bool) -> None:
    assert bypasses(exceptions, host, PORT) is direct


@pytest.mark.parametrize(("exceptions", "host", "direct"), FORMS)
def test_the_table_is_that_of_requests(exceptions: str, host: str, direct: bool) -> None:
    utils = pytest.importorskip("requests.utils", reason="requests is not installed")
    url = f"http://[{host}]:{PORT}/x" if ":" in host else f"http://{host}:{PORT}/x"
    assert utils.should_bypass_proxies(url, exceptions) is direct


_LABELS = st.sampled_from(["a", "b", "aa", "example", "com", "10", "1"])
_HOSTS = st.lists(_LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map(str)
_ENTRIES = (
    _HOSTS
    | _HOSTS.map(".{}".format)
    | st.tuples(st.ip_addresses(v=4), st.integers(1, 32)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    | st.sampled_from(["", " ", "*", ",", "."])
)


@given(st.lists(_ENTRIES, max_size=4).map(",".join), _HOSTS)
def test_whatever_requests_reaches_directly_is_reached_directly(exceptions: str, host: str) -> None:
    utils = pytest.importorskip("requests.utils", reason="requests is not installed")
    if utils.should_bypass_proxies(f"http://{host}:{PORT}/x", exceptions):
        assert bypasses(exceptions, host, PORT)


@given(st.text(), st.text(min_size=1), st.integers(1, 65535))
def test_no_text_raises(exceptions: str, host: str, port: int) -> None:
    bypasses(exceptions, host, port)


@pytest.mark.parametrize(
    ("variables", "to_proxy"),
    [
        ({"http_proxy": "{}"}, True),
        ({"HTTP_PROXY": "{}"}, True),
        ({"all_proxy": "{}"}, True),
        ({"ALL_PROXY": "{}"}, True),
        ({"https_proxy": "{}"}, False),
        ({"http_proxy": "{}", "no_proxy": "127.0.0.0/8"}, False),
        ({"http_proxy": "{}", "NO_PROXY": "127.0.0.0/8"}, False),
        ({"http_proxy": "{}", "no_proxy": "example.com", "NO_PROXY": "*"}, True),
        ({"http_proxy": "{}", "no_proxy": "", "NO_PROXY": "*"}, False),
        ({"http_proxy": ""}, False),
    ],
)
def test_variables(variables: dict[str, str], to_proxy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as proxy, HttpReceiver() as receiver:
        for name, value in variables.items():
            monkeypatch.setenv(name, value.format(f"http://127.0.0.1:{proxy.port}"))
        assert OTLPSpanExporter(receiver.url, timeout=WAIT).export_encoded(batch()) == DONE
        assert (len(proxy.requests), len(receiver.requests)) == ((1, 0) if to_proxy else (0, 1))


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_forwarding_proxy_gets_the_whole_url_and_keeps_its_connection(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpReceiver() as proxy:
        monkeypatch.setenv("http_proxy", f"{scheme}us%40er:p%3Ass@127.0.0.1:{proxy.port}")
        sender = OTLPSpanExporter("http://collector.invalid:4318/v1/traces?a=b", timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        first, second = proxy.requests
    assert first.line == "POST http://collector.invalid:4318/v1/traces?a=b HTTP/1.1"
    assert first.headers["host"] == "collector.invalid:4318"
    credentials = base64.b64decode(first.headers["proxy-authorization"].removeprefix("Basic "))
    assert credentials == b"us@er:p:ss"
    assert first.connection == second.connection


class Tunnels:
    """A proxy that answers CONNECT with ``status`` and, if that is 200, joins the connections. ``tls``: its own TLS."""

    def __init__(self, status: int = 200, tls: ssl.SSLContext | None = None) -> None:
        self.status = status
        self.tls = tls
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        text = b""
        while b"\r\n\r\n" not in text:
            text += connection.recv(1)
        self.heads.append(text)
        connection.sendall(b"HTTP/1.1 %d Scripted\r\n\r\n" % self.status)
        if self.status != 200:
            connection.close()
            return
        host, port = text.split()[1].split(b":")
        other = socket.create_connection((host.decode(), int(port)))
        threading.Thread(target=_pump, args=(other, connection), daemon=True).start()
        _pump(connection, other)

    def __enter__(self) -> Tunnels:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ssl.SSLContext, str]]:
    """A server's context, and the file of its authority."""
    trustme = pytest.importorskip("trustme", reason="trustme is not installed")
    authority: Any = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path: Path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    yield context, str(path)


def test_https_goes_through_a_tunnel(tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = tls
    with Tunnels() as proxy, HttpReceiver(tls=context) as receiver:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        sender = OTLPSpanExporter(receiver.url, certificate_file=authority, timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert [request.connection for request in receiver.requests] == [1, 1]
        assert "proxy-authorization" not in receiver.requests[0].headers
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1." % receiver.port)
    assert b"Proxy-Authorization: Basic " in proxy.heads[0].replace(b"proxy-authorization", b"Proxy-Authorization")


def test_https_goes_through_the_tunnel_of_an_https_proxy(
    tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    sent = batch(1, size=1_000_000)
    with Tunnels(tls=context) as proxy, HttpReceiver(tls=context) as receiver:
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT)
        assert sender.export_encoded(sent) == DONE
        assert sender.export_encoded(sent) == DONE
        assert [request.raw == sent for request in receiver.requests] == [True, True]
    assert len(proxy.heads) == 1


def test_http_goes_through_an_https_proxy(tls: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = tls
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    with HttpReceiver(tls=context) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"https://127.0.0.1:{proxy.port}")
        assert OTLPSpanExporter("http://collector.invalid/v1/traces", timeout=WAIT).export_encoded(batch()) == DONE
        assert proxy.requests[0].line == "POST http://collector.invalid/v1/traces HTTP/1.1"


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_named(
    status: int, no_backoff: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Tunnels(status) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:secret@127.0.0.1:{proxy.port}")
        sender = OTLPSpanExporter("https://collector.invalid/v1/traces", timeout=WAIT)
        assert sender.export_encoded(batch()) == FAILED
    assert f"the proxy did not connect to collector.invalid:443: {status} Scripted" in caplog.text
    assert "secret" not in caplog.text


def test_a_proxy_that_is_not_there_is_named(
    no_backoff: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
    assert OTLPSpanExporter("http://collector.invalid/v1/traces", timeout=WAIT).export_encoded(batch()) == FAILED
    assert f"no connection to 127.0.0.1:{port}: Connection refused" in caplog.text


def test_netrc_is_not_read_and_cookies_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with HttpReceiver([answer(200, Set_Cookie="a=b")]) as receiver:
        sender = OTLPSpanExporter(receiver.url, timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        for request in receiver.requests:
            assert not {"authorization", "cookie"} & request.headers.keys()
