"""A tracer with tail sampling behind it, and what a receiver got, for the tests of tail sampling."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, Tracer, TraceState
from opentelemetry.trace import set_span_in_context as context_with
from support.accounting import WAIT, check_balance, spans_in
from support.receivers import HttpReceiver

import nanospan
from nanospan import sampling, tail
from nanospan.export.http import OTLPSpanExporter

__all__ = ["ERRORS", "LONG", "Pipeline", "context_with", "fail", "remote_parent"]

ERRORS = [tail.StatusCode("ERROR")]
LONG = 3600.0
"""Seconds that no test waits for."""


class Pipeline:
    """A tracer, and what the receiver got of it."""

    def __init__(
        self, receiver: HttpReceiver, provider_class: type = nanospan.TracerProvider, sampler: Any = sampling.ALWAYS_ON
    ) -> None:
        self._receiver = receiver
        self._provider_class = provider_class
        self._sampler = sampler

    def start(self, policies: list[Any], **settings: Any) -> Tracer:
        settings = {"decision_wait": LONG, "decision_wait_after_root_ended": LONG} | settings
        self.processor = nanospan.BatchSpanProcessor(
            OTLPSpanExporter(self._receiver.url, timeout=WAIT),
            schedule_delay_millis=600_000,
            tail_sampling=tail.TailSampling(policies, **settings),
        )
        self.provider = self._provider_class(sampler=self._sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        return self.provider.get_tracer("tail")

    def stats(self) -> dict[str, Any]:
        stats = self.processor.stats()
        check_balance(stats)
        return stats

    def received(self) -> dict[str, Any]:
        """The spans that have arrived, by name, after a flush."""
        assert self.processor.force_flush(int(WAIT * 1000))
        return {span.name: span for span in spans_in(request.body for request in self._receiver.requests)}

    def tail(self) -> dict[str, Any]:
        return self.stats()["detail"]["tail"]


def fail(span: Any) -> None:
    span.set_status(Status(StatusCode.ERROR))


def remote_parent(trace_id: int = 0xABC, state: TraceState | None = None, flags: int = 1) -> Any:
    context = SpanContext(trace_id, 0xDEF, is_remote=True, trace_flags=TraceFlags(flags), trace_state=state)
    return context_with(NonRecordingSpan(context))
