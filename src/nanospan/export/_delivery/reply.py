"""The outcome of one attempt to send a request, for HTTP and gRPC."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from nanospan._common.log import one_line
from nanospan.export._delivery.backoff import retry_after_seconds

__all__ = ["PartialSuccess", "Reply", "Verdict", "partial_success", "reply_to_http_status"]

RETRYABLE_STATUSES = frozenset({429, 502, 503, 504})
_PAYLOAD_TOO_LARGE = 413
_MAX_PAGE = 16 * 1024
_MARKUP = re.compile(rb"<(?:style|script)\b.*?</(?:style|script)>|<!--.*?-->|<[^<>]*>?", re.DOTALL | re.IGNORECASE)


class Verdict(enum.Enum):
    """What to do after an attempt."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    SPLIT = "split"
    """Too large for the receiver: send the halves."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one attempt."""

    verdict: Verdict
    error_type: str = ""
    """``error.type`` of the metrics; empty when accepted."""
    reason: str = ""
    """The failure in one line, for the log."""
    status: Mapping[str, str | int] = field(default_factory=dict)
    """The transport's status code as metric attributes."""
    retry_after: float | None = None
    """Delay in seconds that the receiver requested; None for the backoff."""
    connection_lost: bool = False
    """Whether an open connection broke: the first retry over a new one needs no delay."""
    interrupted: bool = False
    """Whether this process interrupted the attempt, which is then repeated at once and not counted."""
    body: bytes | None = b""
    """Response body of an accepted request; None if it exceeded the read limit."""


def reply_to_http_status(
    status: int, phrase: str | None, retry_after: str | None, location: str | None, body: bytes | None
) -> Reply:
    """The reply for an HTTP response.

    Only 2xx is a success. Redirects are not followed: the spans are lost, with a log message.
    Only 429, 502, 503 and 504 are retried (opentelemetry-proto, docs/specification.md, "Failures").
    """
    if 200 <= status < 300:
        return Reply(Verdict.ACCEPTED, body=body)
    reason = f"{status} {one_line(phrase or '')}".rstrip()
    if 300 <= status < 400:
        reason += f" (redirects are not followed; it points to {one_line(location or 'nowhere')})"
    elif excerpt := _excerpt(body or b""):
        reason += f": {excerpt}"
    if status == _PAYLOAD_TOO_LARGE:
        verdict = Verdict.SPLIT
    elif status in RETRYABLE_STATUSES:
        verdict = Verdict.RETRY
    else:
        verdict = Verdict.REFUSED
    return Reply(
        verdict,
        error_type=str(status),
        reason=reason,
        status={"http.response.status_code": status},
        retry_after=retry_after_seconds(retry_after),
    )


def _excerpt(body: bytes) -> str:
    """What an error's body says, in one line: the text of a page, without its markup."""
    if body.lstrip()[:1] == b"<":
        body = _MARKUP.sub(b" ", body[:_MAX_PAGE])
    return one_line(body)


class PartialSuccess(NamedTuple):
    """The partial success in the response to an accepted request."""

    rejected: int
    message: str


def partial_success(body: bytes) -> PartialSuccess | None:
    """The partial success in a serialised ExportTraceServiceResponse; None if it is absent or empty.

    Raises ValueError if the body is not such a message.
    """
    if not body:
        return None
    # Imported here: most receivers return an empty body, and most processes never load protobuf.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError as error:
        raise ValueError("not an ExportTraceServiceResponse") from error
    if not partial.rejected_spans and not partial.error_message:
        return None
    return PartialSuccess(partial.rejected_spans, partial.error_message)
