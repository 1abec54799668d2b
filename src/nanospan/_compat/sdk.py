"""The private names of the OpenTelemetry API and SDK that nanospan uses.

tests/compat/test_sdk_private.py checks each against the installed release. The private names of the official OTLP exporters,
which are optional packages, are in `nanospan._compat.otlp_exporters`.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.attributes import _clean_attribute_value as clean_attribute_value
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor
from opentelemetry.sdk.trace import _TracerConfiguratorT as TracerConfigurator
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.sampling import AlwaysRecordSampler, Decision, ParentBased, Sampler, StaticSampler

__all__ = [
    "BOUNDED_ATTRIBUTES_DICT",
    "BOUNDED_ATTRIBUTES_IMMUTABLE",
    "BOUNDED_LIST_DEQUE",
    "READABLE_SPAN_FIELDS",
    "RESOURCE_ATTRIBUTES",
    "RUNTIME_CONTEXT",
    "SCHEMA_URL",
    "SCOPE_ATTRIBUTES",
    "SCOPE_NAME",
    "SCOPE_VERSION",
    "SPAN_FIELDS",
    "STATUS_CODE",
    "STATUS_DESCRIPTION",
    "SUPPRESS_INSTRUMENTATION_KEY",
    "TRACER_FIELDS",
    "TracerConfigurator",
    "always_record_root",
    "clean_attribute_value",
    "composed_propagators",
    "context_variable",
    "counts_nothing",
    "next_component_number",
    "outlive_its_pool",
    "parent_based_delegates",
    "sdk_configurator",
    "static_decision",
    "tracing_built_with",
]

READABLE_SPAN_FIELDS = {
    public: sys.intern(f"_{public}")
    for public in (
        "attributes",
        "context",
        "end_time",
        "events",
        "instrumentation_scope",
        "kind",
        "links",
        "name",
        "parent",
        "resource",
        "start_time",
        "status",
    )
}
"""The instance attributes behind the properties of ``ReadableSpan``.

The encoder reads them from exact instances of ReadableSpan, which saves twelve Python calls a span. It reads the properties
of any other object. The names are interned: a dict lookup by the identical string object compares no characters."""

SPAN_FIELDS = (
    *READABLE_SPAN_FIELDS.values(),
    "_instrumentation_info",
    "_sampler",
    "_trace_config",
    "_record_exception",
    "_set_status_on_exception",
    "_span_processor",
    "_limits",
    "_lock",
    "_record_end_metrics",
)
"""All instance attributes of the SDK's ``Span``; a native span has them as properties."""

TRACER_FIELDS = (
    "sampler",
    "resource",
    "span_processor",
    "id_generator",
    "instrumentation_info",
    "_span_limits",
    "_instrumentation_scope",
    "_tracer_config",
    "_tracer_metrics",
)
"""All instance attributes of the SDK's ``Tracer``; a native tracer has them as properties."""

BOUNDED_ATTRIBUTES_DICT = "_dict"
"""The dict inside ``BoundedAttributes``; native code iterates over it instead of ``MutableMapping.items``."""

BOUNDED_ATTRIBUTES_IMMUTABLE = "_immutable"
"""The flag of ``BoundedAttributes`` that an ended span sets."""

BOUNDED_LIST_DEQUE = "_dq"
"""The deque inside ``BoundedList``; its length is read without a Python call."""

STATUS_CODE = "_status_code"
STATUS_DESCRIPTION = "_description"
"""The fields of ``Status`` behind ``status_code`` and ``description``."""

RESOURCE_ATTRIBUTES = "_attributes"
SCHEMA_URL = "_schema_url"
SCOPE_NAME = "_name"
SCOPE_VERSION = "_version"
SCOPE_ATTRIBUTES = "_attributes"
"""The fields of ``Resource`` and ``InstrumentationScope`` behind their properties, which are Python code."""


RUNTIME_CONTEXT = "_RUNTIME_CONTEXT"
"""The variable of ``opentelemetry.context`` that refers to the runtime context."""


def context_variable(runtime_context: object) -> ContextVar[Any] | None:
    """The ContextVar of the current Context; None if the runtime context is not an exact instance of the API's own class."""
    if type(runtime_context) is not ContextVarsRuntimeContext:
        return None
    variable = getattr(runtime_context, "_current_context", None)
    return variable if isinstance(variable, ContextVar) else None


def static_decision(sampler: StaticSampler) -> Decision:
    """The decision of a StaticSampler of the SDK."""
    return sampler._decision


def parent_based_delegates(sampler: ParentBased) -> tuple[Sampler, ...]:
    """The five samplers of a ParentBased of the SDK, in the order of its constructor's arguments."""
    return (
        sampler._root,
        sampler._remote_parent_sampled,
        sampler._remote_parent_not_sampled,
        sampler._local_parent_sampled,
        sampler._local_parent_not_sampled,
    )


def always_record_root(sampler: AlwaysRecordSampler) -> Sampler:
    """The sampler that an AlwaysRecordSampler of the SDK asks."""
    return sampler._root


def outlive_its_pool(composite: ConcurrentMultiSpanProcessor) -> None:
    """Let a composite call its processors in the caller's thread once the interpreter has ended its thread pool.

    That is before exit handlers run, and while non-daemon threads do; the composite would raise RuntimeError.
    """
    weak = weakref.ref(composite)

    def replace_submit() -> None:
        if (alive := weak()) is not None:
            executor: Any = alive._executor
            executor.submit = functools.partial(_submit_or_call, executor.submit)

    replace_submit()
    os.register_at_fork(after_in_child=replace_submit)  # the composite has made a new pool there


def _submit_or_call(
    submit: Callable[..., Future[Any]], function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Future[Any]:
    try:
        return submit(function, *args, **kwargs)
    except RuntimeError:  # what the function raises is in the future
        called: Future[Any] = Future()
        try:
            called.set_result(function(*args, **kwargs))
        except Exception as error:
            called.set_exception(error)
        return called


def counts_nothing(tracer_metrics: object) -> bool:
    """Whether the metrics of a tracer are the SDK's no-op metrics."""
    return type(tracer_metrics) is NoOpTracerMetrics


def next_component_number(component_type: str) -> int:
    """The next number for ``otel.component.name`` of this component type, from the SDK's own counter."""
    from opentelemetry.sdk._shared_internal._processor_metrics import _component_counter

    number = _component_counter[component_type]
    _component_counter[component_type] += 1
    return number


def sdk_configurator() -> Any:
    """The base class of configurators. The import is slow: it loads metrics and logs as well."""
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    return _OTelSDKConfigurator


def tracing_built_with(provider: type, otlp_exporter: Callable[[str], str]) -> AbstractContextManager[None]:
    """A context in which the SDK's configuration instantiates ``provider`` as its tracer provider.

    For the traces exporter ``otlp`` it loads the entry point that ``otlp_exporter`` returns for the official one's name. The
    module's global names are replaced inside the context, because no argument of its functions reaches them. A copy of these
    functions would need a dozen private names, and would miss additions of later releases.

    Raises LookupError if the installed SDK lacks the names; nothing is replaced then.
    """
    from opentelemetry.sdk import _configuration

    for name in ("TracerProvider", "_get_exporter_entry_point"):
        if not hasattr(_configuration, name):
            raise LookupError(f"opentelemetry.sdk._configuration has no {name} in the installed release")
    return _tracing_built_with(_configuration, provider, otlp_exporter)


@contextmanager
def _tracing_built_with(configuration: Any, provider: type, otlp_exporter: Callable[[str], str]) -> Iterator[None]:
    stock_provider, entry_point_name = configuration.TracerProvider, configuration._get_exporter_entry_point

    def own_entry_point_name(exporter: str, signal: str, *more: Any, **named: Any) -> str:
        chosen = entry_point_name(exporter, signal, *more, **named)
        return otlp_exporter(chosen) if exporter == "otlp" and signal == "traces" else chosen

    configuration.TracerProvider, configuration._get_exporter_entry_point = provider, own_entry_point_name
    try:
        yield
    finally:
        configuration.TracerProvider, configuration._get_exporter_entry_point = stock_provider, entry_point_name


def composed_propagators(composite: Any) -> Sequence[Any]:
    """The members of a ``CompositePropagator``, in order; empty if the attribute is missing."""
    return getattr(composite, "_propagators", ())
