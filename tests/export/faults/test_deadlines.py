"""The timeout of an export bounds the whole of it: look-up, addresses, connect, TLS, proxy, request, answer, retries."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.receivers import DONE, FAILED, WAIT, HttpReceiver, answer, batch, hang
from support.transports import WAYS, Grpc, Http, Pipeline

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection import name_lookup
from nanospan.export._transport.connection.name_lookup import look_up
from nanospan.export.http import OTLPSpanExporter

TIMEOUT = 0.4
SLACK = WAIT / 2
"""Seconds that a busy machine may add, less than the smallest sum of parts that each take the timeout."""

ADDRESSES = 200

Resolver = Callable[..., list[Any]]


def resolve(monkeypatch: pytest.MonkeyPatch, function: Callable[[], list[Any]]) -> None:
    """Let the name collector.test resolve to what ``function`` returns."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        return function() if host == "collector.test" else real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def never(until: threading.Event) -> Callable[[], list[Any]]:
    """A resolver that answers when the test is over."""

    def wait() -> list[Any]:
        until.wait(WAIT)
        return []

    return wait


def stream(place: Any) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", place)


@pytest.fixture
def deaf() -> Iterator[Any]:
    """An address that takes no connection and refuses none: the queue of its listener is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    yield listener.getsockname()
    for opened in (*fillers, listener):
        opened.close()


@pytest.mark.parametrize("way", WAYS)
def test_addresses_of_which_none_answers(way: str, deaf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, lambda: [stream(deaf)] * ADDRESSES)
    endpoint = "http://collector.test:4318/v1/traces"
    with Pipeline(way, Http(), endpoint=endpoint, timeout=TIMEOUT) as pipeline:
        began = time.monotonic()
        pipeline.send()
        assert TIMEOUT * 0.9 < time.monotonic() - began < TIMEOUT + SLACK < TIMEOUT * ADDRESSES
        pipeline.check_account(0)


@pytest.mark.parametrize("way", WAYS)
def test_a_look_up_that_takes_for_ever(way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    resolved = threading.Event()
    resolve(monkeypatch, never(resolved))
    with Pipeline(way, Http(), endpoint="http://collector.test:4318/v1/traces", timeout=TIMEOUT) as pipeline:
        began = time.monotonic()
        pipeline.send()
        pipeline.send()
        assert time.monotonic() - began < 2 * TIMEOUT + SLACK
        running = [thread for thread in threading.enumerate() if thread.name.startswith("nanospan-")]
        assert len([thread for thread in running if thread.name != "nanospan-export"]) <= 2, "one thread for all look-ups"
        pipeline.check_account(0)
    resolved.set()
    assert "within the time" in caplog.text


def test_the_answer_of_a_look_up_that_was_late_is_used(monkeypatch: pytest.MonkeyPatch, no_backoff: list[int]) -> None:
    asked: list[int] = []
    resolved = threading.Event()
    with HttpReceiver() as receiver:

        def late() -> list[Any]:
            asked.append(1)
            resolved.wait(WAIT)
            return [stream(("127.0.0.1", receiver.port))]

        resolve(monkeypatch, late)
        sender = OTLPSpanExporter("http://collector.test:4318/v1/traces", timeout=WAIT)
        assert sender.export_encoded(batch(), timeout=0.1) == FAILED
        resolved.set()
        assert sender.export_encoded(batch()) == DONE
    assert asked == [1]


def test_a_look_up_of_the_parent_is_not_waited_for_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()
    resolve(monkeypatch, never(resolved))
    with pytest.raises(TimeoutError):
        look_up("collector.test", 1, Deadline(0.05))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            resolve(monkeypatch, lambda: [stream(("127.0.0.1", 1))])
            status = 0 if look_up("collector.test", 1, Deadline(WAIT)) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    resolved.set()
    name_lookup._under_way.clear()


def test_without_threads_the_caller_looks_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    resolve(monkeypatch, lambda: [stream(("127.0.0.1", 1))])
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert look_up("collector.test", 1, Deadline(WAIT)) == [stream(("127.0.0.1", 1))]


@pytest.mark.parametrize("dead", ["deaf", "refusing", "of no family"])
def test_another_address_is_taken_where_the_first_is_dead(dead: str, deaf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with HttpReceiver() as receiver, socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()
        closed.close()
        first = {"deaf": stream(deaf), "refusing": stream(refusing), "of no family": (99, 1, 6, "", ("?", 1))}[dead]
        resolve(monkeypatch, lambda: [first, stream(("127.0.0.1", receiver.port))])
        sender = OTLPSpanExporter("http://collector.test:4318/v1/traces", timeout=WAIT)
        began = time.monotonic()
        assert sender.export_encoded(batch()) == DONE
        assert time.monotonic() - began < SLACK
        assert receiver.connections == 1


def test_a_name_that_moves_is_followed_by_new_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    old = HttpReceiver()
    with HttpReceiver() as new:
        port = old.port
        resolve(monkeypatch, lambda: [stream(("127.0.0.1", port))])
        sender = OTLPSpanExporter("http://collector.test:4318/v1/traces", timeout=WAIT)
        assert sender.export_encoded(batch()) == DONE
        port = new.port
        old.close()
        assert sender.export_encoded(batch()) == DONE
        assert (len(old.requests), len(new.requests)) == (1, 1)


@pytest.mark.parametrize("part", ["handshake", "tunnel", "tunnel, byte by byte"])
def test_a_peer_that_is_silent_at_another_step(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while not stopping.wait(0.02):
                if part == "tunnel, byte by byte" and select.select([], [connection], [], 0)[1]:
                    connection.sendall(b"H")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    if part != "handshake":
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    sender = OTLPSpanExporter(f"https://127.0.0.1:{port}/v1/traces", timeout=TIMEOUT)
    began = time.monotonic()
    assert sender.export_encoded(batch()) == FAILED
    assert TIMEOUT * 0.9 < time.monotonic() - began < TIMEOUT + SLACK
    stopping.set()
    thread.join(WAIT)
    listener.close()


@pytest.mark.parametrize("way", WAYS)
def test_retries_and_their_pauses_count(way: str) -> None:
    with (
        HttpReceiver([answer(503)]) as receiver,
        Pipeline(way, Http(), endpoint=receiver.url, timeout=TIMEOUT * 2) as pipeline,
    ):
        began = time.monotonic()
        pipeline.send()
        assert time.monotonic() - began < TIMEOUT * 2 + SLACK
        pipeline.check_account(0)


@pytest.mark.parametrize("way", WAYS)
def test_a_receiver_that_does_not_read(way: str) -> None:
    """The request fills the buffers, and nothing takes it."""

    class Deaf(HttpReceiver):
        def serve(self, connection: socket.socket, *rest: Any) -> bool:
            return hang(connection, self)

    with Deaf() as receiver, Pipeline(way, Http(), endpoint=receiver.url, timeout=TIMEOUT) as pipeline:
        began = time.monotonic()
        pipeline.send("x" * 4_000_000)
        assert time.monotonic() - began < TIMEOUT + SLACK
        pipeline.check_account(0)


@pytest.mark.parametrize("way", WAYS)
def test_grpc_with_a_name_that_has_no_live_address(way: str, deaf: Any) -> None:
    host, port = deaf
    with Pipeline(way, Grpc(), endpoint=f"ipv4:{host}:{port},{host}:{port}", insecure=True, timeout=TIMEOUT) as pipeline:
        began = time.monotonic()
        pipeline.send()
        assert time.monotonic() - began < TIMEOUT + SLACK
        pipeline.check_account(0)
