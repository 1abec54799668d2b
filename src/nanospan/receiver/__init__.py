"""An embedded OTLP trace receiver for development, tests and benchmarks; not a collector.

`Receiver` listens in this process. `ReceiverProcess` listens in its own process, so that it does not share the GIL with the
program under observation. Both accept OTLP/HTTP with protobuf bodies and, if grpcio is installed, OTLP/gRPC. They count all
spans and keep the newest traces within a limit of bytes, or count only.
"""

from __future__ import annotations

from nanospan.receiver.decode import Event, Link, Span
from nanospan.receiver.process import ReceiverProcess
from nanospan.receiver.server import Receiver
from nanospan.receiver.store import ReceiverStats, TraceStore, TraceSummary

__all__ = [
    "Event",
    "Link",
    "Receiver",
    "ReceiverProcess",
    "ReceiverStats",
    "Span",
    "TraceStore",
    "TraceSummary",
]
