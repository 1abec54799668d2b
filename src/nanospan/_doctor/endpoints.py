"""Where exporters send, and what the receiver answers to an empty request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import attach, detach, set_value

from nanospan._common.log import one_line
from nanospan._compat.sdk import SUPPRESS_INSTRUMENTATION_KEY
from nanospan._doctor.report import Finding, Level
from nanospan.export._delivery.delivery import Delivery, Transport
from nanospan.export._delivery.exporter import DeliveringExporter
from nanospan.export._delivery.reply import Reply, Verdict, partial_success
from nanospan.export._settings.endpoint import TRACES_PATH
from nanospan.export._transport.official import wrap_official

__all__ = ["Answer", "ask", "check_answer", "endpoint_of", "transport_of"]

EMPTY_REQUEST = b"\x0a\x00"
"""An ExportTraceServiceRequest of one ResourceSpans without content: no span. Some servers refuse a body of no bytes, and
nanospan's HTTP connection sends the head of a request with the first bytes of its body."""

_WHAT_TO_DO = {
    "400": "If the receiver refuses empty requests only, nothing; else look at its log.",
    "401": "Set the credentials in OTEL_EXPORTER_OTLP_HEADERS, as the receiver's documentation says.",
    "403": "Set the credentials in OTEL_EXPORTER_OTLP_HEADERS, as the receiver's documentation says.",
    "404": "Correct the path: OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/traces appended, the argument endpoint= and the variable "
    "for traces do not.",
    "405": "Correct the path; for OTLP over HTTP it ends in /v1/traces.",
    "429": "The receiver limits requests: sample, or raise its limit.",
    "UNAUTHENTICATED": "Set the credentials in OTEL_EXPORTER_OTLP_HEADERS, as the receiver's documentation says.",
    "PERMISSION_DENIED": "Set the credentials in OTEL_EXPORTER_OTLP_HEADERS, as the receiver's documentation says.",
    "UNIMPLEMENTED": "The server is none for OTLP traces: correct host and port, 4317 by default.",
}
_DOUBTFUL = {"400", "408", "429", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"}
"""Refusals that may be of the empty request, or of this moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered."""

    reached: bool
    accepted: bool
    code: str
    """The HTTP status or the name of the gRPC status; empty if there is none."""
    text: str

    def as_dict(self) -> dict[str, Any]:
        return {"reached": self.reached, "accepted": self.accepted, "code": self.code, "text": self.text}


def transport_of(exporter: Any) -> Transport | None:
    """The transport of nanospan's exporters, and one with the settings of an official exporter; None for any other."""
    if isinstance(exporter, DeliveringExporter):
        return exporter._delivery.transport
    # Made anew: the transport that the export thread uses for an official exporter is for one thread.
    delivery = getattr(wrap_official(exporter), "_delivery", None)
    return delivery.transport if isinstance(delivery, Delivery) else None


def endpoint_of(exporter: Any, transport: Transport | None) -> str | None:
    """The endpoint without credentials; for exporters of others, by the usual attributes, None if they have none."""
    if transport is not None:
        return transport.display
    endpoint = getattr(exporter, "_endpoint", None) or getattr(exporter, "endpoint", None)
    # Without user and password, and without a query, which may hold a key.
    return one_line(endpoint.partition("?")[0].rpartition("@")[2]) if isinstance(endpoint, str) else None


def ask(transport: Transport, timeout: float) -> Answer:
    """Send a request without spans and wait ``timeout`` seconds at most for the answer."""
    token = attach(set_value(SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        reply = transport.send(transport.pack(memoryview(EMPTY_REQUEST)), timeout)
    except Exception as error:
        return Answer(False, False, "", one_line(f"{type(error).__name__}: {error}"))
    finally:
        detach(token)
    return _answer(reply)


def _answer(reply: Reply) -> Answer:
    if reply.verdict is Verdict.ACCEPTED:
        return Answer(True, *_acknowledged(reply.body))
    code = str(next(iter(reply.status.values()), ""))
    # grpcio reports with these two that no server was reached.
    reached = bool(code) and code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    return Answer(reached, False, code, reply.reason or reply.error_type)


def _acknowledged(body: bytes | None) -> tuple[bool, str, str]:
    try:
        if body is None:
            raise ValueError("its answer is longer than 4 MiB")
        partial = partial_success(body)
    except ValueError:
        return False, "", f"answers, but not as OTLP: {one_line(body or b'', 60)}"
    return True, "", "answers" if partial is None else f"answers, and says: {one_line(partial.message)}"


# As the exporters say it of a port that speaks another protocol.
_MEANT = re.compile(r"did you mean (https?://[^\s?,]+)")


def check_answer(endpoint: str, answer: Answer) -> Iterator[Finding]:
    if answer.accepted:
        return
    if (meant := _MEANT.search(answer.text)) is not None:
        do = f"Set OTEL_EXPORTER_OTLP_ENDPOINT={meant[1]}, or the protocol that this port speaks."
        if meant[1].endswith(TRACES_PATH):
            do = f"Set OTEL_EXPORTER_OTLP_ENDPOINT={meant[1].removesuffix(TRACES_PATH)}, which gets {TRACES_PATH} appended."
        yield Finding(Level.ERROR, "endpoint", f"{endpoint} does not take spans: {answer.text}", do)
        return
    if not answer.reached:
        says = f"{endpoint} is not reached: {answer.text}"
        do = "Start the receiver (`nanospan receive` to try), or set OTEL_EXPORTER_OTLP_ENDPOINT to where it listens."
        yield Finding(Level.ERROR, "endpoint", says, do)
        return
    level = Level.WARNING if answer.code in _DOUBTFUL else Level.ERROR
    do = _WHAT_TO_DO.get(answer.code, "Look at the receiver's log, and whether the endpoint is one of OTLP.")
    verb = "refuses an empty request" if answer.code else "is none of OTLP"
    yield Finding(level, "endpoint", f"{endpoint} {verb}: {answer.text}", do)
