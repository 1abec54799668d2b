"""The spans of a test, and assertions on how they hang together."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer

from nanospan.testing.tree import draw
from nanospan.testing.wire import Transport, wire

if TYPE_CHECKING:
    from nanospan.contract import Conventions, Redaction

__all__ = ["Traces"]


class _Recorder(SpanProcessor):
    """Passes spans on to the `Traces` of the moment: a provider cannot lose a processor again."""

    def __init__(self) -> None:
        self.traces: Traces | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self.traces is not None:
            self.traces._started(span)

    def on_end(self, span: ReadableSpan) -> None:
        if self.traces is not None:
            self.traces._ended(span)


_recorders: weakref.WeakKeyDictionary[Any, _Recorder] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _recorder_of(provider: Any) -> _Recorder:
    with _lock:
        if (recorder := _recorders.get(provider)) is None:
            recorder = _recorders[provider] = _Recorder()
            provider.add_span_processor(recorder)
        return recorder


class Traces:
    """Records the sampled spans of one provider, nanospan's or the SDK's, from its creation until `close`.

    Where an argument is a span, its name does as well, if one span alone has it.
    """

    def __init__(self, provider: TracerProvider) -> None:
        if not callable(getattr(provider, "add_span_processor", None)):
            raise TypeError(f"provider must be a TracerProvider of nanospan or the SDK, not {type(provider).__name__}")
        self.provider = provider
        self._open: dict[int, Span] = {}
        self._spans: list[ReadableSpan] = []
        self._changed = threading.RLock()  # the collector may close a generator, and end its span, while it is held
        self._recorder = _recorder_of(provider)
        self._recorder.traces = self

    def _started(self, span: Span) -> None:
        with self._changed:
            self._open[span.get_span_context().span_id] = span

    def _ended(self, span: ReadableSpan) -> None:
        own = span.get_span_context()
        with self._changed:
            # One that began before is none of this test's.
            if own is not None and self._open.pop(own.span_id, None) is not None:
                self._spans.append(span)

    @property
    def tracer(self) -> Tracer:
        """A tracer of the provider, for the test's own spans."""
        return self.provider.get_tracer("nanospan.testing")

    def close(self) -> None:
        """Record no more; what was recorded stays."""
        if self._recorder.traces is self:
            self._recorder.traces = None

    def clear(self) -> None:
        """Forget what was recorded so far."""
        with self._changed:
            self._spans.clear()

    # --- what is there --------------------------------------------------------------------------------------------------

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, in this order."""
        with self._changed:
            return list(self._spans)

    @property
    def open(self) -> list[Span]:
        """The spans that have not ended yet."""
        with self._changed:
            return list(self._open.values())

    def tree(self) -> str:
        """The spans as a text, each below its parent."""
        return draw([*self.spans, *self.open])

    def named(self, name: str) -> list[ReadableSpan]:
        """The ended spans of that name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only ended span of that name. Raises AssertionError if there is none, or more than one."""
        found = self.named(name)
        self._require(len(found) == 1, f"{len(found) or 'no'} spans are named {name!r}, not one")
        return found[0]

    # --- assertions -----------------------------------------------------------------------------------------------------

    def assert_whole(self) -> None:
        """Every span has ended, each parent of this process is there, and each trace has one root here."""
        spans, unended = self.spans, self.open
        self._require(not unended, f"not ended: {', '.join(span.name for span in unended)}")
        known = {_key(span) for span in spans}
        lost = [span.name for span in spans if span.parent and not span.parent.is_remote and _parent(span) not in known]
        self._require(not lost, f"the parent is not there of: {', '.join(lost)}")
        roots: dict[int, list[str]] = {}
        for span in spans:
            if _parent(span) not in known:
                roots.setdefault(_key(span)[0], []).append(span.name)
        for names in roots.values():
            self._require(len(names) == 1, f"a trace is in pieces, which begin with: {', '.join(names)}")

    def assert_child(self, span: ReadableSpan | str, *, of: ReadableSpan | str) -> None:
        """``span`` is a child of ``of``, not only a descendant."""
        child, parent = self._span(span), self._span(of)
        self._require(_parent(child) == _key(parent), f"{child.name!r} is no child of {parent.name!r}")

    def assert_linked(self, consumer: ReadableSpan | str, producer: ReadableSpan | str) -> None:
        """``consumer`` has exactly one link to ``producer``."""
        one, other = self._span(consumer), self._span(producer)
        links = [link for link in one.links if (link.context.trace_id, link.context.span_id) == _key(other)]
        self._require(len(links) == 1, f"{one.name!r} has {len(links) or 'no'} links to {other.name!r}, not one")

    def assert_ends_before(self, first: ReadableSpan | str, second: ReadableSpan | str) -> None:
        """``first`` ends before ``second`` starts, as a producer's span before its consumer's."""
        one, other = self._span(first), self._span(second)
        in_order = one.end_time is not None and other.start_time is not None and one.end_time <= other.start_time
        self._require(in_order, f"{one.name!r} has not ended before {other.name!r} starts")

    def assert_conventions(self, conventions: Conventions | None = None) -> None:
        """The spans keep to the semantic conventions: no finding of the level violation. ``conventions``: by default
        those of the newest version, as `nanospan.contract.Conventions()`."""
        found = _checks().against_conventions(self.spans, conventions)
        self._require(not found, "\n".join(found))

    def assert_no_secrets(self, *canaries: str, redaction: Redaction | None = None) -> None:
        """No field of a span holds one of ``canaries``, texts that the test planted, or what ``redaction`` would redact.

        ``redaction``: by default `nanospan.contract.Redaction.default()`. A failure names spans and rules, and no secret.
        """
        __tracebackhide__ = True
        found = _checks().with_secrets(self.spans, canaries, redaction)
        if found:
            raise AssertionError("\n".join(found))  # without the tree, which would show the secret

    def assert_granular(self, *, max_children: int = 100) -> None:
        """No span has more than ``max_children`` children."""
        found = _checks().too_many_children(self.spans, max_children)
        self._require(not found, "\n".join(found))

    def wire(self, headers: Any, transport: Transport = "kafka") -> Any:
        """`nanospan.testing.wire`: the headers as the broker hands them back."""
        return wire(headers, transport)

    def _span(self, span: ReadableSpan | str) -> ReadableSpan:
        return self.one(span) if isinstance(span, str) else span

    def _require(self, condition: bool, text: str) -> None:
        __tracebackhide__ = True
        if not condition:
            raise AssertionError(f"{text}\n\n{self.tree()}")


def _checks() -> Any:
    from nanospan.testing import checks  # not for every test: it imports the rules

    return checks


def _key(span: ReadableSpan) -> tuple[int, int]:
    own = span.get_span_context()
    return (0, 0) if own is None else (own.trace_id, own.span_id)


def _parent(span: ReadableSpan) -> tuple[int, int] | None:
    return None if span.parent is None else (span.parent.trace_id, span.parent.span_id)
