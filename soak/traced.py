"""What every traced process of a soak has: nanospan's provider and processor, a record, threads that end spans."""

from __future__ import annotations

import atexit
import os
import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from records import CurrentRecord, ProcessRecord, record_batches
from spans import begin_trace

import nanospan
from nanospan import tail

__all__ = ["Tracing", "TracingConfig"]

TAIL_KEPT = 0.3


@dataclass(frozen=True)
class TracingConfig:
    """How a process traces."""

    folder: str
    key: str
    seed: int
    via: str
    """``http`` or ``grpc``."""
    port: int
    tail: bool = False
    timeout: float = 3.0
    """Seconds for one batch, the exporter's."""
    queue: int = 2048
    """Spans; with tail sampling `tail_bytes` bounds it instead."""
    queue_bytes: int = 64 << 20
    tail_bytes: int = 4 << 20
    tail_traces: int = 2000
    """That tail sampling holds at most before it decides on some early."""
    delay_millis: float = 500.0
    stock_provider: bool = False


def _exporter(config: TracingConfig) -> Any:
    service = {"soak-service": config.key}
    if config.via == "grpc":
        from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(f"127.0.0.1:{config.port}", insecure=True, headers=service, timeout=config.timeout)
    from nanospan.export.http import OTLPSpanExporter as HttpExporter

    endpoint = f"http://127.0.0.1:{config.port}/v1/traces"
    return HttpExporter(endpoint, headers=service, timeout=config.timeout)


def _tail_sampling(config: TracingConfig) -> tail.TailSampling:
    policies = [tail.StatusCode("ERROR"), tail.Probabilistic(TAIL_KEPT)]
    return tail.TailSampling(policies, decision_wait=2.0, num_traces=config.tail_traces, max_bytes=config.tail_bytes)


class Tracing:
    """One provider with one processor, and the record of what they do in this process."""

    def __init__(self, config: TracingConfig) -> None:
        self.config = config
        self.current = CurrentRecord(ProcessRecord(Path(config.folder), config.key, tail=config.tail))
        exporter = _exporter(config)
        record_batches(exporter, self.current, config.timeout)
        self.processor = nanospan.BatchSpanProcessor(
            exporter,
            max_queue_size=config.queue,
            max_queue_bytes=config.queue_bytes,
            schedule_delay_millis=config.delay_millis,
            export_timeout_millis=1000 * config.timeout,
            tail_sampling=_tail_sampling(config) if config.tail else None,
        )
        # Before the provider registers its own handler, so that it runs after that one.
        atexit.register(self.write_account)
        arguments: dict[str, Any] = {"sampler": ALWAYS_ON, "resource": Resource({"service.name": config.key})}
        if config.stock_provider:
            from opentelemetry.sdk.trace import TracerProvider

            self.provider: Any = TracerProvider(id_generator=nanospan.RandomIdGenerator(), **arguments)
        else:
            self.provider = nanospan.TracerProvider(**arguments)
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("soak", "1.0")

    @property
    def record(self) -> ProcessRecord:
        return self.current.record

    def forked(self, key: str) -> None:
        """This is a forked child: it has a record of its own, and must have an account of its own."""
        self.current.record = ProcessRecord(self.record.folder, key, tail=self.config.tail, first=self.processor.stats())

    def write_account(self) -> None:
        self.record.write(account=self.processor.stats(), ended=self.record.ended)

    def write_snapshot(self) -> None:
        self.record.write(snapshot=self.processor.stats())

    def end_trace(self, thread: int, trace: int, hold: float = 0.0, stop: threading.Event | None = None) -> None:
        """One whole trace. With ``hold`` one of its spans ends so many seconds after its root."""
        record = self.record
        spans = begin_trace(self.tracer, record.key, thread, trace)
        record.spans_begun(thread, len(spans))
        if hold:
            spans.append(spans.pop(1))
        for span in reversed(spans[1:-1] if hold else spans):
            span.end()
            record.span_ended(thread)
        if hold:
            spans[0].end()
            record.span_ended(thread)
            if stop is not None:
                stop.wait(hold)
            spans[-1].end()
            record.span_ended(thread)


class Threads:
    """Threads of one process that end traces at a random pace until told to stop."""

    def __init__(self, tracing: Tracing, count: int, pace: float, daemon: bool = False, first: int = 0) -> None:
        """``pace``: mean seconds between two traces of a thread; ``first``: the number of the first."""
        self._tracing = tracing
        self._pace = pace
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=daemon, name=f"traced-{number}")
            for number in range(first, first + count)
        ]

    def start(self) -> None:
        """Apart from the constructor: a signal handler that strikes meanwhile has something to stop."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def _run(self, thread: int) -> None:
        tracing = self._tracing
        process = os.getpid()
        chance = random.Random(f"{tracing.config.seed}/{tracing.record.key}/{thread}")
        trace = 0
        while not self._stop.is_set() and os.getpid() == process:
            draw = chance.random()
            # A burst is more than the queue takes.
            for _ in range(800 if draw < 0.0007 else 1):
                tracing.end_trace(thread, trace, hold=1.5 * chance.random() if draw > 0.995 else 0.0, stop=self._stop)
                trace += 1
            self._stop.wait(chance.expovariate(1 / self._pace))
