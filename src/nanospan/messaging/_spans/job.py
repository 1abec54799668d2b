"""`job_span`: the root span of a run that nobody's request caused, such as a cron job's."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, TracerProvider, get_current_span, set_span_in_context

from nanospan._common.arguments import check_text
from nanospan._common.version import own_version
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._conventions.metrics import SCOPE
from nanospan.messaging._conventions.vocabulary import SCHEMA_URL
from nanospan.messaging._spans.scope import check_first_use, detach_quietly, mark_failed

__all__ = ["JobSpan", "job_span"]


class JobSpan:
    """Context manager around a run. The span has no parent, and a link to the span that was current, if there was one.

    An exception of the block goes on to the caller; it sets the status, `error.type`, and an event.
    """

    __slots__ = ("_attributes", "_entered", "_kind", "_name", "_provider", "_token", "span")

    def __init__(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, provider: TracerProvider | None
    ) -> None:
        check_text("name", name)
        self._entered = False
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._provider = provider
        self._token: Token[Context] | None = None
        self.span: Span = INVALID_SPAN

    def __enter__(self) -> Self:
        try:
            check_first_use(self._entered)
            self._entered = True
            caller = get_current_span().get_span_context()
            root = Context()
            self.span = trace.get_tracer(SCOPE, own_version(), self._provider, SCHEMA_URL).start_span(
                self._name,
                root,
                kind=self._kind,
                attributes=dict(self._attributes or ()),
                links=[Link(caller)] if caller.is_valid else (),
            )
            self._token = context_api.attach(set_span_in_context(self.span, root))
        except Exception:
            log_failure("the start of a job's span")
        return self

    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach_quietly(token)
        try:
            try:
                if error is not None and not isinstance(error, GeneratorExit):
                    mark_failed(self.span, error)
            finally:
                self.span.end()
        except Exception:
            log_failure("the end of a job's span")


def job_span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    tracer_provider: TracerProvider | None = None,
) -> JobSpan:
    """A context manager that begins a trace for one run of a job.

    Args:
        name: The name of the span: of the job, not of the run.
        kind: The kind of the span.
        attributes: Its attributes.
        tracer_provider: The provider; the global one if None.

    Raises:
        TypeError, ValueError: if the name is no text.
    """
    return JobSpan(name, kind, attributes, tracer_provider)
