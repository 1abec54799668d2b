"""An embedded OTLP trace receiver for development, tests and benchmarks; not a collector.

`Receiver` listens in this process, `ReceiverProcess` in a process of its own, so that receiving does not
share the interpreter lock with the program under observation. Both speak OTLP/HTTP with protobuf bodies and,
when grpcio is installed, OTLP/gRPC. What arrives is counted and, unless only counting was asked for, the
newest traces are kept within a bound of bytes.
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
