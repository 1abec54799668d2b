from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

SHAPES: dict[str | None, int]

def bind_propagators(
    *,
    composite: type[TextMapPropagator],
    trace: type[TextMapPropagator],
    baggage: type[TextMapPropagator],
    members: Callable[[Any], Iterable[Any]],
) -> None: ...
def context_of_headers(shape: int, headers: Any, with_baggage: bool = True) -> Any: ...
def fields_of_context(context: Context) -> dict[str, str] | None: ...
def set_in_pairs(headers: Any, fields: Mapping[str, str]) -> Any: ...
def set_in_dict(headers: Any, fields: Mapping[str, str]) -> Any: ...

class Found: ...

class NativeLinkList:
    def __init__(self, limit: int) -> None: ...
    @property
    def merged(self) -> int: ...
    @property
    def left_out(self) -> int: ...
    def add(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None: ...
    def made(self, count_name: str) -> list[Link]: ...

def bind_facts(
    known: Iterable[str],
    refuse: Callable[[str], None],
    text: Callable[[object], str],
    old_names: Callable[[str, dict[str, Any]], None],
    *,
    message_id: str,
    partition: str,
    conversation_id: str,
    body_size: str,
    envelope_size: str,
    batch_count: str,
) -> None: ...
def bind_scope(
    *,
    failure: Callable[[str], None],
    mark: Callable[[Span, BaseException | str], str],
    detach: Callable[[Token[Context]], None],
) -> None: ...
def check_facts(facts: Any) -> None: ...
def add_facts(attributes: dict[str, Any], facts: Any, system: str, both_sets: bool) -> None: ...

class NativeScope:
    _client: Any
    _operation: Any
    _facts: Any
    _token: Token[Context] | None
    _error_type: str | None
    span: Span
    _began: float
    _entered: bool
    _ended: bool
    def __init__(self, client: Any, operation: Any, facts: Any) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def _start(
        self,
        kind: SpanKind,
        links: Sequence[Link],
        batch: int | None = None,
        parent: Context | None = None,
        more: dict[str, Any] | None = None,
    ) -> Context: ...
    def _activate(self, context: Context) -> None: ...
    def _finish(self, error: BaseException | None) -> None: ...
