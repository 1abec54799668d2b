"""Forks beside calls of grpcio: no child hangs, nor does the fork; the call that was broken off is made again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.accounting import check_balance, spans_in
from support.launcher import Finished, Launcher, Running, check_orderly, names
from support.receivers import WAIT, GrpcReceiver

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")

SPANS = 10
FORKS = 30
CLOSES = 100


@pytest.fixture(autouse=True)
def support(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """GRPC_ENABLE_FORK_SUPPORT as users have it, and as `each_support` asks for."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    if value := getattr(request, "param", None):
        monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", value)


each_support = pytest.mark.parametrize("support", [None, "1"], indirect=True, ids=["unset", "1"])


@pytest.fixture
def receiver() -> Iterator[GrpcReceiver]:
    with GrpcReceiver() as receiver:
        yield receiver


def accept(body: bytes, context: Any) -> bytes:
    return b""


def hang(body: bytes, context: Any) -> bytes:
    """Never answers; ends when nobody waits any more."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(WAIT)
    return b""


def take_time(body: bytes, context: Any) -> bytes:
    time.sleep(0.005)
    return b""


def unavailable(body: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
    return b""


def start(launcher: Launcher, scenario: str, receiver: GrpcReceiver, *arguments: str) -> Running:
    return launcher.start("grpc_forks.py", scenario, receiver.target, *arguments)


def received(receiver: GrpcReceiver) -> Counter[str]:
    return Counter(span.name for span in spans_in(receiver.bodies))


@each_support
@pytest.mark.parametrize("exporter", ["own", "official"])
def test_fork_while_a_grpc_export_hangs(launcher: Launcher, receiver: GrpcReceiver, exporter: str) -> None:
    if exporter == "official":
        reason = "opentelemetry-exporter-otlp-proto-grpc is not installed"
        pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason=reason)
    receiver.script = (hang, accept)
    running = start(launcher, "export_hangs", receiver, *(["official"] if exporter == "official" else []))
    receiver.wait_for(lambda: len(receiver.bodies) == 1)
    running.proceed()
    finished = running.finish()
    check_orderly(finished, processes=2)
    assert (finished.reported("flushed"), finished.reported("child_code")) == ([True], [0])
    assert received(receiver) == names("parent", SPANS) + names("parent", SPANS) + names("child", SPANS)


def test_fork_from_a_thread_while_several_grpc_exports_hang(launcher: Launcher, receiver: GrpcReceiver) -> None:
    receiver.script = (hang, hang, accept)
    running = start(launcher, "several_hang", receiver)
    receiver.wait_for(lambda: len(receiver.bodies) == 2)
    running.proceed()
    finished = running.finish()
    check_orderly(finished, processes=2)
    assert (finished.reported("flushed"), finished.reported("child_code")) == ([True] * 3, [0])
    twice, once = names("parent", SPANS) + names("other", SPANS), names("child", SPANS) + names("other-child", SPANS)
    assert received(receiver) == twice + twice + once


def test_fork_while_a_grpc_export_waits_to_try_again(launcher: Launcher, receiver: GrpcReceiver) -> None:
    receiver.script = (unavailable, accept)
    finished = start(launcher, "waits_to_try_again", receiver).finish()
    check_orderly(finished, processes=2)
    assert (finished.reported("flushed"), finished.reported("child_code")) == ([True], [0])
    assert received(receiver) == names("parent", SPANS) + names("parent", SPANS) + names("child", SPANS)


@each_support
def test_forks_while_a_thread_exports_by_grpc_without_pause(launcher: Launcher, receiver: GrpcReceiver) -> None:
    receiver.script = (take_time,)
    finished = start(launcher, "many", receiver).finish()
    grandchildren = len(range(0, FORKS, 3))
    check_orderly(finished, processes=1 + FORKS + grandchildren)
    assert finished.reported("child_code") == [0] * (FORKS + grandchildren)
    expected = names("busy", finished.reported("ended_busy")[0])
    for number in range(FORKS):
        if number % 3 == 0:
            expected += names(f"child{number}", finished.reported(f"ended_child{number}")[0])
            expected += names(f"grandchild{number}", SPANS)
        else:
            expected += names(f"child{number}", 1)
    arrived = received(receiver)
    assert set(arrived) == set(expected)
    # Each was in one batch, which is sent again only if a fork broke its call off.
    assert arrived.total() <= expected.total() + FORKS + grandchildren


@each_support
def test_forks_after_the_last_grpc_channel_was_closed(launcher: Launcher, receiver: GrpcReceiver) -> None:
    finished = start(launcher, "after_shutdown", receiver).finish()
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.reported("child_code") == [0] * CLOSES
    assert finished.reported("flushed") == [True] * CLOSES
    assert received(receiver).total() == 2 * CLOSES


@pytest.mark.parametrize("support", ["0"], indirect=True)
def test_grpc_in_a_child_without_fork_support_is_refused(launcher: Launcher, receiver: GrpcReceiver) -> None:
    finished: Finished = start(launcher, "without_support", receiver).finish()
    assert (finished.code, finished.reported("flushed"), finished.reported("child_code")) == (0, [True], [0])
    assert finished.stderr.count("GRPC_ENABLE_FORK_SUPPORT=0") == 1
    child, parent = finished.accounts_at_exit
    check_balance(child)
    assert (child["ended"], child["dropped"]["export_failed"]) == (SPANS, SPANS)
    assert parent["exported"] == parent["ended"] == 2 * SPANS
    assert received(receiver) == names("parent", SPANS) + names("later", SPANS)
