# ruff: noqa: E402 - what may be missing is looked for before it is imported
"""The gRPC exporter against servers that refuse, hang, vanish, or answer nonsense."""

from __future__ import annotations

import logging
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (the extra grpc)")
pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed (the extra grpc)")

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from support.grpc_steps import accept, exporter, fail
from support.receivers import DONE, FAILED, WAIT, GrpcReceiver, batch, levels, names, partial_success, unused_port

from nanospan.export.grpc import OTLPSpanExporter


def retry_info(seconds: int, nanos: int = 0) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.seconds = seconds
    info.retry_delay.nanos = nanos
    return info


def plainly(info: RetryInfo) -> tuple[tuple[str, bytes], ...]:
    return (("google.rpc.retryinfo-bin", info.SerializeToString()),)


def in_details(info: RetryInfo) -> tuple[tuple[str, bytes], ...]:
    detail = AnyMessage()
    detail.Pack(info)
    return (("grpc-status-details-bin", Status(code=8, details=[AnyMessage(), detail]).SerializeToString()),)


@pytest.mark.parametrize("code", ["CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"])
def test_transient_failures_are_retried(code: str, no_backoff: list[int]) -> None:
    step = fail(grpc.StatusCode[code])
    with GrpcReceiver(step, step, accept) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == (2, 0, 0)
        assert receiver.span_names() == ["s0", "s1"] * 3
    assert no_backoff == [0, 1]


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "INTERNAL", "UNIMPLEMENTED"])
def test_other_failures_are_not(code: str, caplog: pytest.LogCaptureFixture) -> None:
    with GrpcReceiver(fail(grpc.StatusCode[code]), accept) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == (0, 0, 2)
        assert len(receiver.bodies) == 1
    assert levels(caplog) == [logging.ERROR]
    assert f"{code}: no thanks" in caplog.text
    assert receiver.target in caplog.text


def test_at_most_six_attempts(no_backoff: list[int]) -> None:
    with GrpcReceiver(fail(grpc.StatusCode.ABORTED)) as receiver:
        assert exporter(receiver).export_encoded(batch()) == FAILED
        assert len(receiver.bodies) == 6


def test_retryable_codes_of_the_argument(no_backoff: list[int]) -> None:
    with GrpcReceiver(fail(grpc.StatusCode.INTERNAL), accept) as receiver:
        sender = exporter(receiver, retryable_error_codes=[grpc.StatusCode.INTERNAL])
        assert sender.export_encoded(batch()) == DONE
    with GrpcReceiver(fail(grpc.StatusCode.ABORTED), accept) as receiver:
        sender = exporter(receiver, retryable_error_codes=[grpc.StatusCode.INTERNAL])
        assert sender.export_encoded(batch()) == FAILED


def test_retryable_codes_of_the_environment(
    no_backoff: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES"
    monkeypatch.setenv(name, "internal, UNKNOWN")
    with GrpcReceiver(fail(grpc.StatusCode.INTERNAL), accept) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    caplog.clear()
    monkeypatch.setenv(name, "NO_SUCH_CODE")
    with GrpcReceiver(fail(grpc.StatusCode.ABORTED), accept) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert name in caplog.text


@pytest.mark.parametrize("where", [plainly, in_details])
@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_retry_info_replaces_the_backoff(where: Any, code: str, no_backoff: list[int]) -> None:
    with GrpcReceiver(fail(grpc.StatusCode[code], trailing=where(retry_info(0, 1000))), accept) as receiver:
        assert exporter(receiver).export_encoded(batch(4)) == (4, 0, 0)
        assert [len(names(body)) for body in receiver.bodies] == [4, 4]
    assert not no_backoff


@pytest.mark.parametrize("where", [plainly, in_details])
def test_delay_that_does_not_fit_gives_up_at_once(where: Any) -> None:
    step = fail(grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=where(retry_info(99999)))
    with GrpcReceiver(step, accept) as receiver:
        assert exporter(receiver).export_encoded(batch(4)) == (0, 0, 4)
        assert len(receiver.bodies) == 1


def test_unreadable_details_leave_the_backoff(no_backoff: list[int]) -> None:
    step = fail(grpc.StatusCode.UNAVAILABLE, trailing=(("google.rpc.retryinfo-bin", b"\xff\xff"),))
    with GrpcReceiver(step, accept) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert no_backoff == [0]


def test_resource_exhausted_splits_the_batch() -> None:
    def at_most_three(body: bytes, context: Any) -> bytes:
        if len(names(body)) > 3:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
        return b""

    with GrpcReceiver(at_most_three) as receiver:
        assert exporter(receiver).export_encoded(batch(8)) == (8, 0, 0)
        assert [len(names(body)) for body in receiver.bodies] == [8, 4, 2, 2, 2, 2]


def test_message_limit_of_a_real_server() -> None:
    with GrpcReceiver(options=[("grpc.max_receive_message_length", 3000)]) as receiver:
        # One span of the four is larger than the server takes at all.
        sent = batch(4, size=700, large={3: 5000})
        assert exporter(receiver).export_encoded(sent) == (3, 0, 1)
        assert receiver.span_names() == ["s0", "s1", "s2"]


def test_exhausted_for_everything_does_not_ask_about_every_span(caplog: pytest.LogCaptureFixture) -> None:
    with GrpcReceiver(fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota")) as receiver:
        assert exporter(receiver).export_encoded(batch(512)) == (0, 0, 512)
        assert len(receiver.bodies) < 40
    assert levels(caplog) == [logging.ERROR]


def test_partial_success() -> None:
    with GrpcReceiver(lambda body, context: partial_success(2, "too old")) as receiver:
        assert exporter(receiver).export_encoded(batch(5)) == (3, 2, 0)
        assert len(receiver.bodies) == 1


def test_garbage_in_an_acceptance_is_success_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with GrpcReceiver(lambda body, context: b"\xff\xff\xff") as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
    assert levels(caplog) == [logging.WARNING]


def test_server_that_never_answers() -> None:
    def hang(body: bytes, context: Any) -> bytes:
        receiver.stopping.wait(WAIT)
        return b""

    with GrpcReceiver(hang) as receiver:
        assert exporter(receiver, timeout=0.3).export_encoded(batch()) == FAILED
        assert exporter(receiver, timeout=3600).export_encoded(batch(), timeout=0.3) == FAILED


def test_refused_connection_gives_up_after_six_attempts(no_backoff: list[int]) -> None:
    sender = OTLPSpanExporter(f"127.0.0.1:{unused_port()}", insecure=True, timeout=WAIT)
    assert sender.export_encoded(batch(2)) == (0, 0, 2)
    assert no_backoff == [0, 1, 2, 3, 4, 5]


def test_server_that_comes_back_is_found_again(no_backoff: list[int]) -> None:
    with GrpcReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
    assert sender.export_encoded(batch()) == FAILED
    with GrpcReceiver(port=receiver.port):
        assert sender.export_encoded(batch()) == DONE
