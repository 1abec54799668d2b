"""Spans with a live BatchSpanProcessor and OTLP/HTTP export: each implementation in its process, rounds in turn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from common.interleave import Series

from nanospan.receiver import ReceiverProcess

SPANS = 10_000
_BENCHMARKS = Path(__file__).parents[1]
_ARRIVAL_SECONDS = 10.0


class LiveContender:
    """A process that makes spans when it is told to, with a receiver of its own. A context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._receiver = ReceiverProcess(grpc_port=None)
        command = [sys.executable, "-m", "live.live_worker", name, self._receiver.endpoint_http]
        self._process = subprocess.Popen(command, cwd=_BENCHMARKS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._sent = 0

    def round(self, code: str, spans: int = SPANS) -> tuple[float, float]:
        """Nanoseconds a span: wall time of the application's thread, CPU of the process. RuntimeError for a loss."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{code} {spans}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or "{}")
        if not answer.get("flushed"):
            raise RuntimeError(f"{self.name} ended or did not flush; its messages are on standard error")
        self._sent += spans
        self._receiver.wait_for_spans(self._sent, _ARRIVAL_SECONDS)
        arrived = self._receiver.stats()["spans"]
        if arrived != self._sent:
            raise RuntimeError(f"{self.name}: {arrived} spans arrived of {self._sent}")
        return answer["wall"], answer["cpu"]

    def __enter__(self) -> LiveContender:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._receiver.stop()


def measure_live(
    code: str, rounds: int, spans: int = SPANS, names: Sequence[str] = ("stock", "nanospan")
) -> tuple[dict[str, Series], dict[str, Series]]:
    """Wall time on the application's thread and CPU of the process, by implementation."""
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as processes:
        contenders = [processes.enter_context(LiveContender(name)) for name in names]
        for contender in contenders:
            contender.round(code, spans)
        for _ in range(rounds):
            for contender in contenders:
                one_wall, one_cpu = contender.round(code, spans)
                wall[contender.name].append(one_wall)
                cpu[contender.name].append(one_cpu)
    return {n: Series(v) for n, v in wall.items()}, {n: Series(v) for n, v in cpu.items()}
