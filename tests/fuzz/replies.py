"""Bytes from the network: what a receiver answers to our exporters, and what anyone sends to our receiver."""

from __future__ import annotations

import math
import zlib

from fuzz.draw import Draw
from google.protobuf.message import DecodeError

from nanospan.export._delivery.reply import Verdict, partial_success, reply_to_http_status
from nanospan.receiver.decode import spans_from_json, spans_to_json
from nanospan.receiver.http_body import Refusal, decompress
from nanospan.receiver.otlp_json import OtlpJsonError, request_from_json, request_to_json
from nanospan.receiver.store import TraceStore

try:
    from nanospan.export._transport.grpc_transport import _retry_delay
except ImportError:  # no grpcio for this interpreter, or not installed
    _retry_delay = None  # type: ignore[assignment]

STATUSES = [200, 202, 204, 301, 307, 400, 404, 413, 429, 500, 502, 503, 504, 600]
TRAILERS = ["google.rpc.retryinfo-bin", "grpc-status-details-bin", "retry-after", "other"]


def http_reply(draw: Draw) -> None:
    given = [draw.one([None, draw.text()]) for _ in range(3)]
    reply = reply_to_http_status(draw.one(STATUSES), *given, draw.rest())
    assert reply.retry_after is None or 0 <= reply.retry_after < math.inf
    assert reply.reason.isprintable() and len(reply.reason) < 700
    assert (reply.verdict is Verdict.ACCEPTED) == (not reply.error_type)


def accepted(draw: Draw) -> None:
    try:
        partial = partial_success(draw.rest())
    except ValueError:
        return
    assert partial is None or isinstance(partial.rejected, int)


def grpc_reply(draw: Draw) -> None:
    if _retry_delay is None:
        return
    trailing = [(draw.one(TRAILERS), draw.one([draw.text(), b"x"])) for _ in range(draw.byte() % 3)]
    delay = _retry_delay([*trailing, (draw.one(TRAILERS), draw.rest())])
    assert delay is None or 0 <= delay < math.inf


def received(draw: Draw) -> None:
    store = TraceStore(max_traces=4, max_bytes=1000)
    body = draw.rest()
    try:
        count = store.add(body, transport="http")
    except DecodeError:
        return
    stats = store.stats()
    assert (stats.spans, stats.bytes) == (count, len(body))
    for summary in store.summaries():
        spans = store.trace(summary.trace_id)
        assert spans and all(span.trace_id == summary.trace_id for span in spans)
        again = spans_from_json(spans_to_json(spans))
        assert spans_to_json(again) == spans_to_json(spans)


def unpacked(draw: Draw) -> None:
    encoding = draw.one(["gzip", "deflate", "zstd", "identity", draw.text()])
    body = draw.rest()
    try:
        data = decompress(body, encoding)
    except Refusal:
        return
    if encoding != "zstd":
        assert data == (body if encoding == "identity" else zlib.decompress(body, 47))


def received_json(draw: Draw) -> None:
    try:
        request = request_from_json(draw.rest()).request
    except OtlpJsonError:
        return
    again = request_from_json(request_to_json(request))
    # As bytes, because messages with a nan are never equal.
    first, second = (message.SerializeToString(deterministic=True) for message in (request, again.request))
    assert (first, again.rejected) == (second, 0)


AREAS = [http_reply, accepted, grpc_reply, received, unpacked, received_json]


def check(data: bytes) -> None:
    draw = Draw(data)
    draw.one(AREAS)(draw)
