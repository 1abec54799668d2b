"""What the receiver writes down: which spans arrived in which request, and what it said to it."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from records import Lines
from spans import identity_of, pack, problem_of, spans_of

__all__ = ["Arrival", "Journal"]


@dataclass(frozen=True)
class Arrival:
    """A request that has arrived whole.

    What was said to it (`settle`) is one of ``acknowledged``, ``refused`` (for good), ``again`` (a status that asks for a
    repeat, or for smaller requests), ``silent`` (nothing that could be understood), ``broken`` (an acknowledgement that did
    not get through).
    """

    journal: Journal
    number: int
    spans: int

    def settle(self, fate: str, rejected: int = 0) -> None:
        self.journal.note(answered=self.number, fate=fate, rejected=rejected)


class Journal:
    """The append-only file of the receiver; for any thread."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def note(self, **facts: Any) -> None:
        with self._lock:
            self._lines.write(at=time.monotonic(), **facts)

    def arrive(self, via: str, service: str, fault: str, body: bytes) -> Arrival:
        try:
            spans = spans_of(body)
        except DecodeError as error:
            self.note(torn=f"a request of {service} by {via} cannot be read: {error}")
            return Arrival(self, next(self._numbers), 0)
        by_process: dict[str, list[Any]] = {}
        for span in spans:
            if problem := problem_of(span):
                self.note(torn=f"{span.name!r} by {via}: {problem}")
                continue
            process, identity = identity_of(span)
            by_process.setdefault(process, []).append(identity)
        if len(by_process) > 1:
            self.note(torn=f"one request with spans of {sorted(by_process)}")
        with self._lock:
            number = next(self._numbers)
            for process, identities in by_process.items():
                self._lines.write(
                    at=time.monotonic(), request=number, via=via, fault=fault, process=process, spans=pack(identities)
                )
        return Arrival(self, number, len(spans))
