"""`_on_ending`: the span has its end time and may still be changed, by the callbacks alone (SpanProcessor.OnEnding)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, StatusCode
from support.parity.pipeline import Recorder, collecting_batches, spans_in_order

import nanospan


class Late(SpanProcessor):
    """Makes every change while the span ends."""

    def _on_ending(self, span: Span) -> None:
        assert span.is_recording()
        assert span.end_time is not None
        span.set_attribute("late", 1)
        span.set_attributes({"text": [object, "x"], "": 2})
        span.add_event("late event", {"a": 1})
        span.add_link(SpanContext(1, 2, True))
        span.record_exception(ValueError("late"))
        span.update_name("late name")
        span.set_status(StatusCode.ERROR, "late status")


def processors_of(kind: str, *members: SpanProcessor) -> dict[str, Any]:
    if kind == "concurrent":
        together = ConcurrentMultiSpanProcessor(2)
        for member in members:
            together.add_span_processor(member)
        return {"active_span_processor": together}
    return {}


@pytest.mark.parametrize("kind", ["own", "concurrent"])
@pytest.mark.parametrize(
    "look", [lambda span: None, lambda span: (span.attributes, span.events)], ids=["pairs", "containers"]
)
def test_changes_reach_every_exporter(kind: str, look: Callable[[Any], Any]) -> None:
    recorder = Recorder()
    batches, collector = collecting_batches()
    members = (Late(), recorder, batches)
    provider = nanospan.TracerProvider(shutdown_on_exit=False, **processors_of(kind, *members))
    if kind == "own":
        for member in members:
            provider.add_span_processor(member)
    span = provider.get_tracer("t").start_span("span", attributes={"early": 0})
    look(span)
    span.end()
    provider.force_flush()
    (ended,) = recorder.ended
    assert ended.name == "late name"
    assert dict(ended.attributes or {}) == {"early": 0, "late": 1, "text": (str(object), "x")}
    assert [event.name for event in ended.events] == ["late event", "exception"]
    assert len(ended.links) == 1
    assert (ended.status.status_code, ended.status.description) == (StatusCode.ERROR, "late status")
    (sent,) = spans_in_order(collector)
    assert (sent.name, len(sent.attributes), len(sent.events), len(sent.links)) == ("late name", 3, 2, 1)
    assert not span.is_recording()
    provider.shutdown()


def test_other_threads_may_not_change_it(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()

    class Asking(SpanProcessor):
        def _on_ending(self, span: Span) -> None:
            other = threading.Thread(target=lambda: (span.set_attribute("other", 1), span.add_event("other")))
            other.start()
            other.join()

    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Asking())
    provider.add_span_processor(recorder)
    provider.get_tracer("t").start_span("span").end()
    assert dict(recorder.ended[0].attributes or {}) == {}
    assert recorder.ended[0].events == ()
    assert [record.getMessage() for record in caplog.records] == [
        "Setting attribute on ended span.",
        "Tried calling _add_event on an ended span.",
    ]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nobody_may_change_it_afterwards(error: type[BaseException]) -> None:
    """Also if `_on_ending` raises, and if the span is ended in it once more."""

    class Raising(SpanProcessor):
        def _on_ending(self, span: Span) -> None:
            span.end()
            span.set_attribute("in time", 1)
            raise error

    class Closed(Recorder):
        def on_end(self, span: ReadableSpan) -> None:
            super().on_end(span)
            started[0].set_attribute("too late", 1)
            with pytest.raises(TypeError):
                span._attributes["too late"] = 1  # type: ignore[index]

    recorder = Closed()
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Raising())
    provider.add_span_processor(recorder)
    started = [provider.get_tracer("t").start_span("span")]
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            started[0].end()
    else:
        started[0].end()
    started[0].set_attribute("too late", 1)
    assert [dict(ended.attributes or {}) for ended in recorder.ended] == [{"in time": 1}]
