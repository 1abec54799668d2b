"""The HTTP exporter against receivers that refuse, break off, or answer nonsense on a real socket."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from typing import Any

import pytest
from support.receivers import (
    DONE,
    FAILED,
    WAIT,
    HttpReceiver,
    answer,
    batch,
    hang,
    levels,
    names,
    partial_success,
    raw,
    reset,
    reset_in_answer,
    unused_port,
)

from nanospan.export.http import OTLPSpanExporter


def exporter(receiver: HttpReceiver, **arguments: Any) -> OTLPSpanExporter:
    arguments.setdefault("timeout", WAIT)
    return OTLPSpanExporter(receiver.url, **arguments)


def test_reset_after_the_body_is_retried_until_acknowledged(no_backoff: list[int]) -> None:
    with HttpReceiver([reset, reset, reset, answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == (2, 0, 0)
        assert receiver.span_names() == ["s0", "s1"] * 4
    assert no_backoff == [0, 1]


def test_half_an_acknowledgement_is_none(no_backoff: list[int]) -> None:
    with HttpReceiver([reset_in_answer(200), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
        assert len(receiver.requests) == 2


def test_half_a_refusal_is_one(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([reset_in_answer(400), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 1
    assert "400" in caplog.text


def test_refused_connection_gives_up_after_six_attempts(no_backoff: list[int], caplog: pytest.LogCaptureFixture) -> None:
    sender = OTLPSpanExporter(f"http://127.0.0.1:{unused_port()}/v1/traces", timeout=WAIT)
    assert sender.export_encoded(batch(3)) == (0, 0, 3)
    assert no_backoff == [0, 1, 2, 3, 4, 5]
    assert levels(caplog) == [logging.WARNING, logging.ERROR]
    caplog.clear()
    assert sender.export_encoded(batch(3)) == (0, 0, 3)
    assert not levels(caplog), "the window keeps a dead collector from filling the log"


def test_receiver_that_never_answers() -> None:
    with HttpReceiver([hang]) as receiver:
        assert exporter(receiver, timeout=0.2).export_encoded(batch()) == FAILED
        receiver.wait_for(lambda: len(receiver.requests) == 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 500, 501])
def test_refusals_are_not_retried(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(status, b"no\r\nthanks"), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == (0, 0, 2)
        assert len(receiver.requests) == 1
    assert levels(caplog) == [logging.ERROR]
    assert f"{status} Scripted: no thanks" in caplog.text
    assert receiver.url in caplog.text


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize(
    ("path", "meant"),
    [("", "/v1/traces"), ("/", "/v1/traces"), ("/otlp", "/otlp/v1/traces"), ("/v1/traces/v1/traces", "/v1/traces")],
)
def test_a_wrong_path_is_told_what_to_write(path: str, meant: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(status)]) as receiver:
        base = receiver.url.removesuffix("/v1/traces")
        assert OTLPSpanExporter(base + path).export_encoded(batch()) == FAILED
    assert f"{status} Scripted; did you mean {base}{meant}?" in caplog.text


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_failures_and_not_followed(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver() as other, HttpReceiver([answer(status, Location=other.url), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 1
        assert not other.requests
    assert "redirects are not followed" in caplog.text


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_transient_refusals_are_retried(status: int, no_backoff: list[int]) -> None:
    with HttpReceiver([answer(status), answer(status), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
        assert len(receiver.requests) == 3
    assert no_backoff == [0, 1]


def test_at_most_six_attempts(no_backoff: list[int]) -> None:
    with HttpReceiver([answer(503)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 6


@pytest.mark.parametrize("value", ["0", "-5", "0.01", formatdate(0, usegmt=True)])
def test_retry_after_replaces_the_backoff(value: str, no_backoff: list[int]) -> None:
    with HttpReceiver([answer(429, Retry_After=value), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
        assert len(receiver.requests) == 2
    assert not no_backoff


def test_retry_after_is_waited_for() -> None:
    arrivals: list[float] = []

    def note(step: Any) -> Any:
        def noting(connection: Any, server: Any) -> bool:
            arrivals.append(time.monotonic())
            return bool(step(connection, server))

        return noting

    with HttpReceiver([note(answer(429, Retry_After="1")), note(answer(200))]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert arrivals[1] - arrivals[0] >= 0.99


@pytest.mark.parametrize("value", ["999", formatdate(4e9, usegmt=True)])
def test_wait_that_does_not_fit_gives_up_at_once(value: str) -> None:
    with HttpReceiver([answer(429, Retry_After=value), answer(200)]) as receiver:
        assert exporter(receiver, timeout=WAIT).export_encoded(batch()) == FAILED
        assert len(receiver.requests) == 1


def test_unreadable_retry_after_leaves_the_backoff(no_backoff: list[int]) -> None:
    with HttpReceiver([answer(503, Retry_After="later"), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE
    assert no_backoff == [0]


def test_garbage_in_an_acceptance_is_success_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(200, b"OK, thank you")]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
    assert levels(caplog) == [logging.WARNING]


def test_oversized_acceptance_is_success_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(200, bytes(5 * 1024 * 1024)), answer(200)]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        assert sender.export_encoded(batch()) == DONE
        assert receiver.connections == 2, "a body that was not read to its end must not stay in the connection"
    assert "longer than 4 MiB" in caplog.text
    assert levels(caplog) == [logging.WARNING]


def test_garbage_instead_of_http(no_backoff: list[int]) -> None:
    with HttpReceiver([raw(b"SSH-2.0-nonsense\r\n\r\n"), answer(200)]) as receiver:
        assert exporter(receiver).export_encoded(batch()) == DONE


def test_chunked_answer_is_read() -> None:
    body = partial_success(1, "one too many")
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with HttpReceiver([raw(text)]) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == (1, 1, 0)


def test_partial_success_is_counted_and_never_resent(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(200, partial_success(2, "too old"))]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch(5)) == (3, 2, 0)
        assert sender.export_encoded(batch(5)) == (3, 2, 0)
        assert len(receiver.requests) == 2
    assert levels(caplog) == [logging.WARNING]
    assert "rejected 2 of 5" in caplog.text
    assert "too old" in caplog.text


def test_message_without_rejects_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(200, partial_success(0, "old protocol"))]) as receiver:
        assert exporter(receiver).export_encoded(batch(5)) == (5, 0, 0)
    assert levels(caplog) == [logging.WARNING]
    assert "old protocol" in caplog.text


@pytest.mark.parametrize(("claimed", "outcome"), [(9, (0, 2, 0)), (-9, (2, 0, 0))])
def test_absurd_numbers_of_rejects_keep_the_account_balanced(claimed: int, outcome: tuple[int, int, int]) -> None:
    with HttpReceiver([answer(200, partial_success(claimed, ""))]) as receiver:
        assert exporter(receiver).export_encoded(batch(2)) == outcome


def test_huge_error_body_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(400, b"e" * 100_000), answer(200)]) as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == FAILED
        assert sender.export_encoded(batch()) == DONE
        assert receiver.connections == 2
    assert len(caplog.records[0].getMessage()) < 400


def too_large_above(limit: int) -> Any:
    def step(connection: Any, server: HttpReceiver) -> bool:
        refused = len(names(server.requests[-1].body)) > limit
        return answer(413 if refused else 200)(connection, server)

    return step


def test_413_splits_the_batch() -> None:
    with HttpReceiver([too_large_above(3)]) as receiver:
        assert exporter(receiver).export_encoded(batch(8)) == (8, 0, 0)
        sizes = [len(names(request.body)) for request in receiver.requests]
        delivered = [name for request in receiver.requests if len(names(request.body)) <= 3 for name in names(request.body)]
    assert sizes == [8, 4, 2, 2, 2, 2], "four are refused once; the other four are not tried again"
    assert delivered == [f"s{number}" for number in range(8)]


def test_413_for_one_span_loses_that_span(caplog: pytest.LogCaptureFixture) -> None:
    def above_a_kilobyte(connection: Any, server: HttpReceiver) -> bool:
        return answer(413 if len(server.requests[-1].raw) > 1000 else 200)(connection, server)

    with HttpReceiver([above_a_kilobyte]) as receiver:
        assert exporter(receiver).export_encoded(batch(4, large={2: 2000})) == (3, 0, 1)
        assert [names(request.body) for request in receiver.requests[1:]] == [
            ["s0", "s1"],
            ["s2", "s3"],
            ["s2"],
            ["s3"],
        ]
    assert "413" in caplog.text


def test_413_for_everything_does_not_ask_about_every_span() -> None:
    with HttpReceiver([answer(413)]) as receiver:
        assert exporter(receiver).export_encoded(batch(1024, size=10)) == (0, 0, 1024)
        assert len(receiver.requests) < 40


def test_outcomes_of_the_parts_add_up() -> None:
    def by_content(connection: Any, server: HttpReceiver) -> bool:
        held = names(server.requests[-1].body)
        if len(held) > 2:
            return answer(413)(connection, server)
        if "s0" in held:
            return answer(200, partial_success(1, "no s0"))(connection, server)
        return answer(400 if "s2" in held else 200)(connection, server)

    with HttpReceiver([by_content]) as receiver:
        assert exporter(receiver).export_encoded(batch(8)) == (5, 1, 2)
