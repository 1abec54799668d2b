"""Messages to send, and a check of those that came."""

from __future__ import annotations

from typing import Any

TRACE_HEADERS = ("traceparent", "tracestate", "baggage")
MALFORMED: list[dict[str, Any]] = [
    {"traceparent": 5},
    {"traceparent": b"\xff\xfe"},
    {"traceparent": "00-zz-1-01"},
    {"traceparent": {"a": 1}, "baggage": "a=" + "x" * 9000},
    {"traceparent": [], "tracestate": True},
]
"""Headers of messages that nobody traced."""


END = b"end"
"""The last message of a queue."""


def malformed(number: int) -> bool:
    return number % 50 == 7


def body_of(number: int) -> bytes:
    return b"%d:" % number + bytes(range(256)) * (number % 3)


def number_of(body: bytes) -> int:
    return int(body.partition(b":")[0])


def headers_of(number: int, binary: type[Any] = bytes) -> dict[str, Any]:
    """``binary`` is the type that the client takes for bytes."""
    headers = {"mine": number, "text": "é", "raw": b"\xff\x00", "table": {"a": [1, "b"]}}
    headers |= MALFORMED[number // 50 % len(MALFORMED)] if malformed(number) else {}
    return {name: binary(value) if isinstance(value, bytes) else value for name, value in headers.items()}


class Received:
    """The messages that came."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.total = 0
        self.changed: list[int] = []
        self.parents: list[str] = []

    def add(self, body: bytes, headers: Any) -> None:
        number = number_of(body)
        self.numbers.add(number)
        self.total += 1
        foreign = {name: value for name, value in headers.items() if name not in TRACE_HEADERS}
        if body != body_of(number) or foreign != {n: v for n, v in headers_of(number).items() if n not in TRACE_HEADERS}:
            self.changed.append(number)
        if isinstance(headers.get("traceparent"), str):
            self.parents.append(headers["traceparent"])
