"""Errors of connections as sentences: host, port and cause, from whatever urllib3, requests or the system raises."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl

import pytest
import urllib3.exceptions as urllib3_errors
from hypothesis import given
from hypothesis import strategies as st

from nanospan.export._transport.failure import Peer, explain
from nanospan.export._transport.grpc_failure import failure_reason

PEER = Peer("http", "collector", 4318)
PRIVATE = re.compile(r"<|object at 0x|(?<![A-Za-z0-9])_[A-Za-z]|Error\(|Connection\(|Pool\(")


def tls_error(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[SSL: {reason}] in words (_ssl.c:1006)")
    error.reason = reason
    return error


def wrapped(cause: BaseException) -> BaseException:
    """As requests hands it on: an error of an error of an error, each with the text of the one within."""
    connection = type("_BriskConnection", (), {"__repr__": lambda self: "<_BriskConnection object at 0x7f00>"})()
    inner = urllib3_errors.NewConnectionError(connection, f"Failed to establish a new connection: {cause}")
    inner.__cause__ = cause
    return OSError(urllib3_errors.MaxRetryError(connection, "/v1/traces", inner))


CASES: list[tuple[BaseException, str, str]] = [
    (socket.gaierror(-2, "Name or service not known"), "lookup", "the name collector cannot be resolved: Name or service"),
    (UnicodeError("label too long"), "lookup", "'collector' is not a valid host name"),
    (TimeoutError("timed out"), "lookup", "the name collector was not resolved within the time"),
    (TimeoutError("timed out"), "connect", "no connection to collector:4318 within the time"),
    (TimeoutError("timed out"), "tunnel", "the proxy made no connection to collector:4318 within the time"),
    (TimeoutError("timed out"), "tls", "collector:4318 did not agree on TLS within the time"),
    (TimeoutError("timed out"), "answer", "collector:4318 did not answer within the time"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connect", "no connection to collector:4318: Conn"),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), "connect", "no connection to collector:4318: Network is"),
    (
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        "answer",
        "collector:4318 broke the connection",
    ),
    (OSError("Tunnel connection failed: 407 Who"), "tunnel", "the proxy did not connect to collector:4318: 407 Who"),
    (http.client.RemoteDisconnected("Remote end closed"), "answer", "collector:4318 closed the connection without"),
    (http.client.BadStatusLine("SSH-2.0"), "answer", "the answer of collector:4318 is not HTTP/1.1: it begins with 'SSH"),
    (http.client.BadStatusLine("\0\0\x18\x04" + "\0" * 29), "answer", "collector:4318 looks like a gRPC port"),
    (http.client.IncompleteRead(b"half"), "answer", "collector:4318 broke off its answer"),
    (http.client.LineTooLong("header line"), "answer", "collector:4318 gave an answer that breaks the rules of HTTP"),
    (
        tls_error("CERTIFICATE_VERIFY_FAILED", ssl.SSLCertVerificationError),
        "tls",
        "the certificate of collector:4318",
    ),
    (tls_error("WRONG_VERSION_NUMBER"), "tls", "collector:4318 does not speak TLS; did you mean http://collector:4318?"),
    (tls_error("TLSV1_ALERT_NO_APPLICATION_PROTOCOL"), "tls", "collector:4318 looks like a gRPC port"),
    (tls_error("SSLV3_ALERT_BAD_CERTIFICATE"), "tls", "TLS with collector:4318 failed: SSLV3_ALERT_BAD_CERTIFICATE"),
]


@pytest.mark.parametrize(("error", "step", "sentence"), CASES)
def test_sentences(error: BaseException, step: str, sentence: str) -> None:
    for shown in (error, wrapped(error)):
        reason = explain(shown, PEER, step).reason
        assert reason.startswith(sentence)
        assert not PRIVATE.search(reason)


def test_a_port_of_the_other_protocol_by_its_number() -> None:
    gone = http.client.RemoteDisconnected("Remote end closed")
    assert "did you mean https://c:4318?" in explain(gone, Peer("https", "c", 4317), "answer").reason
    closed = "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:1.2.3.4:4318: Socket closed"
    assert "did you mean http://c:4317?" in failure_reason("UNAVAILABLE", closed, "c:4318")
    assert "did you mean" not in failure_reason("UNAVAILABLE", closed, "c:4317")


def test_ipv6_in_brackets() -> None:
    assert "[::1]:4318" in explain(TimeoutError(), Peer("http", "::1", 4318), "connect").reason
    page = "Trying to connect an http1.x server (HTTP status 400)"
    assert "did you mean http://[::1]:4317?" in failure_reason("UNAVAILABLE", page, "[::1]:4318")


def test_an_error_that_is_its_own_cause() -> None:
    error = RuntimeError("round")
    error.__cause__ = error
    assert explain(error, PEER).reason == "round"


@given(st.text())
def test_other_errors_show_no_objects(text: str) -> None:
    reason = explain(RuntimeError(f"{text} <_Pool object at 0x7f0012> _BriskConnection(host='a', port=1) x._y"), PEER).reason
    assert "object at 0x" not in reason.removeprefix(text.strip())
    assert "_Brisk" not in reason


@given(st.text(), st.text(min_size=1))
def test_no_details_of_grpc_raise(details: str, target: str) -> None:
    assert "\n" not in failure_reason("UNKNOWN", details, target)
