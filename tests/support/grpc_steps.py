"""What the gRPC tests share: an exporter for a receiver, and the steps of a receiver's script. Needs grpcio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from support.receivers import WAIT, GrpcReceiver

from nanospan.export.grpc import OTLPSpanExporter

Step = Callable[[bytes, Any], bytes]


def exporter(receiver: GrpcReceiver, **arguments: Any) -> OTLPSpanExporter:
    arguments.setdefault("timeout", WAIT)
    arguments.setdefault("insecure", True)
    return OTLPSpanExporter(receiver.target, **arguments)


def accept(body: bytes, context: Any) -> bytes:
    return b""


def fail(code: grpc.StatusCode, detail: str = "no thanks", trailing: tuple[tuple[str, Any], ...] = ()) -> Step:
    def step(body: bytes, context: Any) -> bytes:
        context.set_trailing_metadata(trailing)
        context.abort(code, detail)
        return b""

    return step
