"""Every private name of the OpenTelemetry API and SDK that nanospan leans on, in one place.

tests/compat/test_sdk_private.py checks each of them against the installed release and fails loudly when one has moved.
(The private names of the official OTLP exporters are in ``_official_private``, because those are optional packages.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry.attributes import _clean_attribute_value as clean_attribute_value
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import _TracerConfiguratorT as TracerConfigurator
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler

__all__ = [
    "BOUNDED_ATTRIBUTES_DICT",
    "BOUNDED_ATTRIBUTES_IMMUTABLE",
    "BOUNDED_LIST_DEQUE",
    "READABLE_SPAN_FIELDS",
    "RUNTIME_CONTEXT",
    "SPAN_FIELDS",
    "STATUS_CODE",
    "STATUS_DESCRIPTION",
    "SUPPRESS_INSTRUMENTATION_KEY",
    "TracerConfigurator",
    "clean_attribute_value",
    "composed_propagators",
    "context_variable",
    "counts_nothing",
    "next_component_number",
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
"""The instance attributes behind the properties of ``ReadableSpan``: read by the encoder, which saves twelve calls of
Python functions a span. Only for exact instances of ReadableSpan; anything else is asked through its properties. Interned: a
lookup by the very string that the instance's keys hold compares no characters."""

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
"""Every instance attribute of the SDK's ``Span``: a native span has them as properties."""

BOUNDED_ATTRIBUTES_DICT = "_dict"
"""The dict inside ``BoundedAttributes``: iterated natively instead of through ``MutableMapping.items``."""

BOUNDED_ATTRIBUTES_IMMUTABLE = "_immutable"
"""The flag of ``BoundedAttributes`` that an ended span sets."""

BOUNDED_LIST_DEQUE = "_dq"
"""The deque inside ``BoundedList``: its length says, without a Python call, that there are no events or links."""

STATUS_CODE = "_status_code"
STATUS_DESCRIPTION = "_description"
"""The fields of ``Status`` behind ``status_code`` and ``description``."""


RUNTIME_CONTEXT = "_RUNTIME_CONTEXT"
"""The variable of ``opentelemetry.context`` that holds the runtime context in use."""


def context_variable(runtime_context: object) -> ContextVar[Any] | None:
    """The ContextVar that holds the current Context, or None for a runtime context that is not exactly the API's own."""
    if type(runtime_context) is not ContextVarsRuntimeContext:
        return None
    variable = getattr(runtime_context, "_current_context", None)
    return variable if isinstance(variable, ContextVar) else None


def static_decision(sampler: StaticSampler) -> Decision:
    """What a StaticSampler of the SDK always decides."""
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


def counts_nothing(tracer_metrics: object) -> bool:
    """Whether the metrics of a tracer are the ones that do nothing."""
    return type(tracer_metrics) is NoOpTracerMetrics


def next_component_number(component_type: str) -> int:
    """The number that tells components of one type apart in ``otel.component.name``, counted with the SDK's own."""
    from opentelemetry.sdk._shared_internal._processor_metrics import _component_counter

    number = _component_counter[component_type]
    _component_counter[component_type] += 1
    return number


def sdk_configurator() -> Any:
    """The class that distributions derive their configurators from. Imports metrics and logs as well: not for every day."""
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    return _OTelSDKConfigurator


def tracing_built_with(provider: type, otlp_exporter: Callable[[str], str]) -> AbstractContextManager[None]:
    """While it is entered, the SDK's configuration makes its tracer provider from the class ``provider``, and loads for the
    traces exporter ``otlp`` the entry point that ``otlp_exporter`` returns for the name of the official one.

    Names of the module are replaced for that long, because no argument of its functions reaches them. The alternative, to
    repeat what the functions do, leans on a dozen of its private names and misses what a later release adds.

    Raises LookupError, before anything is replaced, if the installed SDK has not got the names.
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
    """The propagators that a ``CompositePropagator`` asks, in order; empty if the API keeps them elsewhere."""
    return getattr(composite, "_propagators", ())
