# ruff: noqa: E402 - what may be missing is looked for before it is imported
"""Odd ends of a gRPC call, in each way of use: nanospan's pipeline, its exporter behind the stock processor, the official
one adopted.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed (the extra grpc)")

from google.rpc.error_details_pb2 import RetryInfo
from support.accounting import given_time
from support.grpc_steps import accept, fail
from support.receivers import WAIT, GrpcReceiver, levels, names, partial_success, unused_port
from support.transports import WAYS, Grpc, Http, Pipeline

SHORT = 0.5
"""The timeout where nothing ever answers."""
SLACK = WAIT / 2
"""Seconds that a busy machine may add."""

Code = grpc.StatusCode


@dataclass(frozen=True)
class Kind:
    """A kind of end. Expectations: the batches that are acknowledged, and the calls that a receiver sees for them."""

    script: list[Any]
    acknowledged: int = 1
    calls: int = 1
    batches: int = 1
    between: Callable[[GrpcReceiver], None] | None = None
    """What the receiver does between two batches."""
    timeout: float = WAIT
    says: str = ""


def hang(body: bytes, context: Any) -> bytes:
    """Never answers; ends when nobody waits any more."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(2 * WAIT)
    return b""


def restart(receiver: GrpcReceiver) -> None:
    receiver.stop_listening()
    receiver.listen()


NO_DELAY = (("google.rpc.retryinfo-bin", RetryInfo().SerializeToString()),)

KINDS: dict[str, Kind] = {
    "unavailable, then accepted": Kind([fail(Code.UNAVAILABLE), accept], calls=2),
    "unavailable with a delay": Kind([fail(Code.UNAVAILABLE, trailing=NO_DELAY), accept], calls=2),
    "aborted, then accepted": Kind([fail(Code.ABORTED), accept], calls=2),
    "internal": Kind([fail(Code.INTERNAL)], 0, says="INTERNAL"),
    "unauthenticated": Kind([fail(Code.UNAUTHENTICATED)], 0, says="UNAUTHENTICATED"),
    "exhausted": Kind([fail(Code.RESOURCE_EXHAUSTED)], 0, says="RESOURCE_EXHAUSTED"),
    "exhausted with a delay": Kind([fail(Code.RESOURCE_EXHAUSTED, trailing=NO_DELAY), accept], calls=2),
    "accepted with garbage": Kind([lambda body, context: b"\xff\xff"], says="cannot be read"),
    "accepted with a message": Kind([lambda body, context: partial_success(0, "old")], says="old"),
    "connection ended while idle": Kind([accept], 2, 2, 2, restart),
    "silence": Kind([hang], 0, timeout=SHORT, says="DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_grpc(kind: str, way: str, no_backoff: list[int], caplog: pytest.LogCaptureFixture) -> None:
    given_time(KINDS[kind].timeout, lambda timeout: check_grpc(KINDS[kind], timeout, way, caplog))


def check_grpc(case: Kind, timeout: float, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    with GrpcReceiver(*case.script) as receiver:
        with Pipeline(way, Grpc(), endpoint=receiver.target, insecure=True, timeout=timeout) as pipeline:
            for number in range(case.batches):
                if number and case.between is not None:
                    case.between(receiver)
                pipeline.send()
            bodies = list(receiver.bodies)
            pipeline.check_account(case.acknowledged)
        if case.timeout == WAIT:
            assert len(bodies) == case.calls
        if case.acknowledged:
            assert names(bodies[-1]) == [f"s{case.batches - 1}"]
    assert case.says in caplog.text
    assert (logging.ERROR in levels(caplog)) == (case.acknowledged < case.batches)


@contextmanager
def port_that_says(text: bytes | None) -> Iterator[int]:
    """A port that reads, answers each connection with ``text`` and closes; None: never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            if text is not None:
                connection.recv(65536)
                connection.sendall(text)
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(WAIT)
    for opened in [listener, *kept]:
        opened.close()


NO_GRPC = {
    "HTTP/1.1 400": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "looks like an HTTP port"),
    "HTTP/1.0 505": (b"HTTP/1.0 505 Version\r\n\r\n", "looks like an HTTP port"),
    "a page": (b"<!DOCTYPE html>\n<html lang='en'></html>", "looks like an HTTP port"),
    "SSH": (b"SSH-2.0-nonsense\r\n", "does not speak gRPC"),
    "a close": (b"", "UNAVAILABLE"),
    "silence": (None, "UNAVAILABLE|DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", NO_GRPC)
def test_port_of_another_protocol(kind: str, way: str, no_backoff: list[int], caplog: pytest.LogCaptureFixture) -> None:
    text, sentence = NO_GRPC[kind]

    def check(timeout: float) -> None:
        caplog.clear()
        with port_that_says(text) as port:
            began = time.monotonic()
            with Pipeline(way, Grpc(), endpoint=f"127.0.0.1:{port}", insecure=True, timeout=timeout) as pipeline:
                pipeline.send()
                pipeline.check_account(0)
            assert time.monotonic() - began < timeout + SLACK
        assert any(word in caplog.text for word in sentence.split("|"))
        if "HTTP port" in sentence:
            assert "did you mean http://127.0.0.1:4317?" in caplog.text

    given_time(SHORT, check)


@pytest.mark.parametrize("way", WAYS)
def test_http_exporter_at_a_grpc_port(way: str, caplog: pytest.LogCaptureFixture) -> None:
    with GrpcReceiver() as receiver:
        endpoint = f"http://127.0.0.1:{receiver.port}/v1/traces"
        with Pipeline(way, Http(), endpoint=endpoint, timeout=WAIT) as pipeline:
            pipeline.send()
            pipeline.check_account(0)
    sentence = f"127.0.0.1:{receiver.port} looks like a gRPC port: this exporter sends OTLP over HTTP/1.1"
    assert f"{sentence}; did you mean http://127.0.0.1:4318?" in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_nobody_at_the_port(way: str, no_backoff: list[int], caplog: pytest.LogCaptureFixture) -> None:
    target = f"127.0.0.1:{unused_port()}"
    with Pipeline(way, Grpc(), endpoint=target, insecure=True, timeout=WAIT) as pipeline:
        pipeline.send()
        pipeline.check_account(0)
    assert f"not delivered to {target}: UNAVAILABLE" in caplog.text
