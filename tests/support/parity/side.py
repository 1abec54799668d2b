"""One side of a comparison: a provider of one implementation, its spans, and what it logs."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.trace import get_current_span
from support.parity.drawn import copy_of
from support.parity.implementation import Implementation
from support.parity.pipeline import FOREIGN_PROCESSORS, SAMPLERS, CountingIds, Recorder, collecting_batches
from support.parity.portrait import Names, of_request, of_span, typed

import nanospan

_SDK_LOGGER = logging.getLogger("opentelemetry")


@dataclass(frozen=True)
class Setup:
    """What both sides are made with."""

    sampler: str = "default"
    processors: Sequence[str] = ("recorder",)
    limits: dict[str, int | None] = field(default_factory=dict)
    counted_ids: bool = True
    declares_random: bool = True
    batch: bool = False


class _Listener(logging.Handler):
    """Keeps what the SDK's loggers say."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append((record.name, record.levelname, record.getMessage()))


class Side:
    """Runs calls in a context of its own, so that two sides activate spans without seeing each other's."""

    def __init__(self, implementation: Implementation, setup: Setup) -> None:
        self.implementation = implementation
        self.names = Names(rename=not setup.counted_ids)
        self.spans: list[Any] = []
        self.snapshots: list[ReadableSpan] = []
        self.activations: list[Any] = []
        self.given: list[Any] = []
        self.calls: list[tuple[Any, ...]] = []
        self.recorders: list[Recorder] = []
        self._context = contextvars.Context()
        self.limits = SpanLimits(**setup.limits)
        self.ids = CountingIds(setup.declares_random) if setup.counted_ids else None
        self.provider = implementation.provider(
            sampler=SAMPLERS[setup.sampler](), span_limits=self.limits, id_generator=self.ids
        )
        self.batches: nanospan.BatchSpanProcessor | None = None
        for kind in setup.processors:
            self.add_processor(kind)
        if setup.batch:
            self.batches, self.collector = collecting_batches()
            self.provider.add_span_processor(self.batches)
        self.tracers = [
            self.provider.get_tracer("parity", "1.0"),
            self.provider.get_tracer("parity.other", None, "https://example.com/schema", {"scope": "attribute"}),
        ]

    def add_processor(self, kind: str) -> None:
        processor: SpanProcessor
        if kind == "recorder":
            processor = Recorder(f"recorder {len(self.recorders)}", self.calls)
            self.recorders.append(processor)
        else:
            processor = FOREIGN_PROCESSORS[kind]()
        self.provider.add_span_processor(processor)
        if self.batches is not None and not self.implementation.is_native:
            # nanospan's provider gives its own processors the span after all others; the SDK's has to be told.
            composite = self.provider._active_span_processor
            others = [one for one in composite._span_processors if one is not self.batches]
            composite._span_processors = (*others, self.batches)

    def give(self, value: Any) -> Any:
        """A copy for this side, kept so that it can be changed behind the span's back."""
        copied = copy_of(value)
        self.given.append(copied)
        return copied

    def call(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, list[tuple[str, str, str]]]:
        """What a call gives, or the type of what it raises, and what was logged meanwhile."""
        listener = _Listener()
        propagate, _SDK_LOGGER.propagate = _SDK_LOGGER.propagate, False
        _SDK_LOGGER.addHandler(listener)
        try:
            outcome = "returned", typed(self._context.run(function, *arguments))
        except BaseException as error:
            outcome = "raised", type(error).__name__
        finally:
            _SDK_LOGGER.removeHandler(listener)
            _SDK_LOGGER.propagate = propagate
        return outcome, listener.heard

    def portraits(self) -> dict[str, Any]:
        """Every span that was made or handed to a processor, and the calls that processors got."""
        shown: dict[str, Any] = {"calls": [typed(call) for call in self.calls], "current": self._current()}
        for number, span in enumerate(self.spans):
            shown[f"span {number}"] = of_span(span, self.names)
        for number, span in enumerate(self.snapshots):
            shown[f"snapshot {number}"] = of_span(span, self.names)
        for recorder in self.recorders:
            for number, span in enumerate(recorder.ended):
                shown[f"{recorder.name}, ended {number}"] = of_span(span, self.names)
            shown[f"{recorder.name}, started"] = [type(span).__mro__[-1].__name__ for span in recorder.started]
        if self.ids is not None:
            shown["ids asked for"] = list(self.ids.asked)
        return shown

    def _current(self) -> tuple[Any, list[int]]:
        """The active span, by its number, and how many keys the context holds beside it."""
        context = self._context.run(get_current)
        active = self._context.run(get_current_span)
        return len(context), [number for number, span in enumerate(self.spans) if span is active]

    def exported(self) -> dict[str, Any]:
        """The bytes of everything that ended."""
        found = {recorder.name: of_request(nanospan.encode_spans(recorder.ended), self.names) for recorder in self.recorders}
        if self.batches is not None:
            assert self.batches.force_flush()
            found["batches"] = [of_request(body, self.names) for body in self.collector.bodies]
        return found

    def close(self) -> None:
        while self.activations:
            self.call(self.activations.pop().__exit__, None, None, None)
        self.provider.shutdown()
