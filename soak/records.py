"""What processes write down while they run, so that a kill at any moment leaves it behind.

Lines of JSON, each written by one system call to a file opened for appending; and per thread two counters in shared
memory, which the kernel keeps when the process is gone.
"""

from __future__ import annotations

import json
import mmap
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spans import Identity, identity_of, pack, spans_of

__all__ = ["CurrentRecord", "Lines", "ProcessRecord", "read_counters", "read_lines", "record_batches"]

MAX_THREADS = 16
_COUNTERS_BYTES = MAX_THREADS * 2 * 8


class Lines:
    """An append-only file of JSON objects."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, **facts: Any) -> None:
        line = (json.dumps(facts, separators=(",", ":")) + "\n").encode()
        written = os.write(self._file, line)
        if written != len(line):
            raise OSError("a line of the record was written in part: is the disk full?")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


class ProcessRecord:
    """The record of one traced process: ``<key>.jsonl`` and ``<key>.counters``."""

    def __init__(self, folder: Path, key: str, **facts: Any) -> None:
        self.folder, self.key = folder, key
        self._lines = Lines(folder / f"{key}.jsonl")
        path = folder / f"{key}.counters"
        path.write_bytes(bytes(_COUNTERS_BYTES))
        with path.open("r+b") as file:
            self._counters = memoryview(mmap.mmap(file.fileno(), _COUNTERS_BYTES)).cast("Q")
        self._batches = 0
        self.write(process=key, pid=os.getpid(), parent=os.getppid(), **facts)

    def write(self, **facts: Any) -> None:
        self._lines.write(at=time.monotonic(), **facts)

    def spans_begun(self, thread: int, count: int) -> None:
        """Each thread writes its own counters only, so that nothing needs a lock."""
        self._counters[2 * thread] += count

    def span_ended(self, thread: int) -> None:
        self._counters[2 * thread + 1] += 1

    def write_promise(self) -> None:
        """Writes how many spans each thread has ended by now."""
        self.write(promised=self._counters[1::2].tolist())

    @property
    def ended(self) -> int:
        return sum(self._counters[1::2])

    def next_batch(self) -> int:
        self._batches += 1
        return self._batches


def read_counters(path: Path) -> tuple[list[int], list[int]]:
    """How many spans each thread began, and how many it ended."""
    counters = memoryview(path.read_bytes()).cast("Q").tolist()
    return counters[::2], counters[1::2]


class CurrentRecord:
    """The record of the process that runs; a forked child puts its own in place."""

    def __init__(self, record: ProcessRecord) -> None:
        self.record = record


def record_batches(exporter: Any, current: CurrentRecord, timeout: float) -> None:
    """Write down what ``exporter`` is given and what it says became of it; ``timeout`` in seconds is its own.

    Assigned on the instance: the class stays nanospan's, and with it the way of the bytes.
    """
    deliver = exporter.export_encoded
    transport = exporter._delivery.transport
    attempt = transport.send
    under_way = 0

    def send(body: Any, limit: float | None) -> Any:
        reply = attempt(body, limit)
        if reply.interrupted:
            # Nobody knows what was said to this request.
            current.record.write(interrupted=under_way)
        return reply

    def export_encoded(batch: Any, limit: float | None = None) -> Any:
        nonlocal under_way
        record = current.record
        number = under_way = record.next_batch()
        identities: list[Identity] = []
        for span in spans_of(memoryview(batch)):
            process, identity = identity_of(span)
            if process != record.key:
                record.write(problem=f"a span of {process} in a batch of {record.key}")
            identities.append(identity)
        bound = timeout if limit is None else min(timeout, limit)
        record.write(batch=number, count=batch.count, spans=pack(identities), timeout=bound)
        outcome = deliver(batch, limit)
        record.write(settled=number, outcome=list(outcome), worker=threading.current_thread().name)
        return outcome

    exporter.export_encoded = export_encoded
    transport.send = send
