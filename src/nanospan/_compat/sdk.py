"""The private names of the API and the SDK that nanospan uses, and what takes the place of one that is not there.

tests/compat/test_sdk_private.py checks each against the installed release; `nanospan._compat.parts` lists them. The private
names of the official OTLP exporters, which are optional packages, are in `nanospan._compat.otlp_exporters`.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any

from opentelemetry import attributes as api_attributes
from opentelemetry import context as api_context
from opentelemetry import trace as api_trace
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace import sampling as sdk_sampling
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler

from nanospan._compat import older
from nanospan._compat.parts import SDK_RELEASE, is_usable

__all__ = [
    "BOUNDED_ATTRIBUTES_DICT",
    "BOUNDED_ATTRIBUTES_IMMUTABLE",
    "BOUNDED_LIST_DEQUE",
    "CALLS_ON_ENDING",
    "LEFT_OUT",
    "LINK_ATTRIBUTES",
    "LINK_CONTEXT",
    "READABLE_SPAN_FIELDS",
    "RECORDS_NATIVELY",
    "RESOURCE_ATTRIBUTES",
    "RUNTIME_CONTEXT",
    "SCHEMA_URL",
    "SCOPE_ATTRIBUTES",
    "SCOPE_NAME",
    "SCOPE_VERSION",
    "SPAN_FIELDS",
    "STATUS_CODE",
    "STATUS_DESCRIPTION",
    "STOOD_FOR",
    "STORES_ANY_VALUE",
    "SUPPRESS_INSTRUMENTATION_KEY",
    "TRACER_FIELDS",
    "allow_another_provider",
    "always_record_root",
    "clean_attribute_value",
    "composed_propagators",
    "context_variable",
    "counts_nothing",
    "end_metrics_argument",
    "forget_logger_provider",
    "forget_meter_provider",
    "global_tracer_provider",
    "handed_out_tracers",
    "known_samplers",
    "next_component_number",
    "outlive_its_pool",
    "parent_based_delegates",
    "read_directly",
    "real_tracer",
    "serving_tracer_provider",
    "set_clean_item",
    "stand_for_no_provider",
    "static_decision",
    "trace_id_is_random",
]

RECORDS_NATIVELY = is_usable("recording")
"""Whether nanospan's tracers can record; otherwise `nanospan.TracerProvider` has the SDK's tracers."""


class _Nothing:
    """A class without instances."""


def read_directly(cls: type) -> type:
    """``cls``, whose instances the encoder reads by their fields; a class without instances if a field has moved."""
    return cls if is_usable("reading") else _Nothing


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

LINK_CONTEXT = "_context"
LINK_ATTRIBUTES = "_attributes"
"""The fields of ``Link`` behind ``context`` and ``attributes``, the second of which the SDK assigns."""

STATUS_CODE = "_status_code"
STATUS_DESCRIPTION = "_description"
"""The fields of ``Status`` behind ``status_code`` and ``description``."""

RESOURCE_ATTRIBUTES = "_attributes"
SCHEMA_URL = "_schema_url"
SCOPE_NAME = "_name"
SCOPE_VERSION = "_version"
SCOPE_ATTRIBUTES = "_attributes"
"""The fields of ``Resource`` and ``InstrumentationScope`` behind their properties, which are Python code."""


STORES_ANY_VALUE = not (hasattr(api_attributes, "_clean_attribute") and SDK_RELEASE < (1, 45))
"""Whether an attribute may be None, bytes, a mapping or a list of mixed types, as from 1.45 on."""

clean_attribute_value: Callable[..., Any] = (
    getattr(api_attributes, "_clean_attribute_value", older.clean_value) if STORES_ANY_VALUE else older.clean_value
)
"""Of a value and the limit of the length of strings; before 1.45 of the key, too."""

LEFT_OUT = older.LEFT_OUT
"""What `clean_attribute_value` returns before 1.45 for a value that is not stored."""

set_clean_item: Callable[[Any, Any, Any], None] = (
    getattr(api_attributes.BoundedAttributes, "_setitem_locked", older.set_clean_item)
    if STORES_ANY_VALUE
    else older.set_clean_item
)
"""Sets a clean value in a ``BoundedAttributes``."""

CALLS_ON_ENDING = SDK_RELEASE >= (1, 40)
"""Whether span processors have the method ``_on_ending``."""

SUPPRESS_INSTRUMENTATION_KEY: str = getattr(api_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")

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
    if is_usable("samplers"):
        return sampler._decision
    return sampler.should_sample(None, 1, "").decision


def parent_based_delegates(sampler: ParentBased) -> tuple[Sampler, ...]:
    """The five samplers of a ParentBased of the SDK, in the order of its constructor's arguments; empty if unknown."""
    if not is_usable("samplers"):
        return tuple(getattr(sampler, "_given_delegates", ()))
    return (
        sampler._root,
        sampler._remote_parent_sampled,
        sampler._remote_parent_not_sampled,
        sampler._local_parent_sampled,
        sampler._local_parent_not_sampled,
    )


def always_record_root(sampler: Any) -> Any:
    """The sampler that an AlwaysRecordSampler of the SDK asks; the sampler itself if that is unknown."""
    return getattr(sampler, "_root", getattr(sampler, "_given_root", sampler))


def trace_id_is_random(id_generator: Any) -> bool:
    """Whether the ids of a generator are random, by its own word; before 1.42 the SDK does not ask."""
    says = getattr(id_generator, "is_trace_id_random", None)
    return says is not None and bool(says())


def end_metrics_argument(record_end_metrics: Callable[[], None]) -> dict[str, Any]:
    """The argument of the SDK's span for what it calls when it ends; from 1.40 on."""
    return {"record_end_metrics": record_end_metrics} if SDK_RELEASE >= (1, 40) else {}


def outlive_its_pool(composite: ConcurrentMultiSpanProcessor) -> None:
    """Let a composite call its processors in the caller's thread once the interpreter has ended its thread pool.

    That is before exit handlers run, and while non-daemon threads do; the composite would raise RuntimeError.
    """
    if not is_usable("concurrent processor"):
        return
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


try:
    from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics as _NoOpTracerMetrics
except ImportError:
    _NoOpTracerMetrics = _Nothing  # type: ignore[assignment,misc]


def counts_nothing(tracer_metrics: object) -> bool:
    """Whether the metrics of a tracer are the SDK's no-op metrics. (1.40 and 1.41 have none: they always count.)"""
    return type(tracer_metrics) in (_NoOpTracerMetrics, older.NoTracerMetrics)


_own_numbers: Counter[str] = Counter()


def next_component_number(component_type: str) -> int:
    """The next number for ``otel.component.name`` of this component type, from the SDK's own counter if it has one."""
    try:
        from opentelemetry.sdk._shared_internal._processor_metrics import _component_counter as numbers
    except ImportError:
        numbers = _own_numbers
    number = numbers[component_type]
    numbers[component_type] += 1
    return number


def forget_meter_provider() -> None:
    """Let the API be as if no meter provider had been set; without effect where it has changed."""
    from opentelemetry.metrics import _internal as metrics

    if is_usable("metrics and logs"):
        metrics._METER_PROVIDER = None
        metrics._METER_PROVIDER_SET_ONCE = type(metrics._METER_PROVIDER_SET_ONCE)()
        metrics._PROXY_METER_PROVIDER._real_meter_provider = None


def forget_logger_provider() -> None:
    """Let the API be as if no logger provider had been set; without effect where it has changed."""
    from opentelemetry._logs import _internal as logs

    if is_usable("metrics and logs"):
        logs._LOGGER_PROVIDER, logs._LOGGER_PROVIDER_SET_ONCE = None, type(logs._LOGGER_PROVIDER_SET_ONCE)()


def global_tracer_provider() -> Any:
    """The provider that was set, or None; unlike ``get_tracer_provider`` it loads none."""
    if is_usable("global provider"):
        return api_trace._TRACER_PROVIDER
    provider = api_trace.get_tracer_provider()
    return None if isinstance(provider, api_trace.ProxyTracerProvider) else provider


def real_tracer(tracer: Any) -> Any:
    """The tracer behind a proxy of the API, or ``tracer`` itself."""
    return getattr(tracer, "_tracer", tracer) if type(tracer) is api_trace.ProxyTracer else tracer


def serving_tracer_provider() -> Any:
    """`global_tracer_provider`, or what `stand_for_no_provider` has put behind the API's proxy, or None."""
    return global_tracer_provider() or getattr(getattr(api_trace, "_PROXY_TRACER_PROVIDER", None), STOOD_FOR, None)


STOOD_FOR = "_nanospan_default"
"""The attribute with the provider that a proxy of nanospan's serves."""


def stand_for_no_provider(proxy: api_trace.ProxyTracerProvider) -> bool:
    """Forget the global provider, and let ``get_tracer_provider`` return ``proxy`` while there is none.

    Without effect, and False, if the API has changed.
    """
    if not is_usable("global provider"):
        return False
    api_trace._PROXY_TRACER_PROVIDER = proxy
    api_trace._TRACER_PROVIDER = None
    allow_another_provider()
    return True


def allow_another_provider() -> None:
    """Let the next ``set_tracer_provider`` replace the provider that was set; without effect if the API has changed."""
    if is_usable("global provider"):
        api_trace._TRACER_PROVIDER_SET_ONCE = type(api_trace._TRACER_PROVIDER_SET_ONCE)()


def handed_out_tracers(provider: TracerProvider) -> dict[Any, Any]:
    """The tracers that a provider of the SDK returns again for the same scope; empty if the attribute is missing."""
    tracers = getattr(provider, "_tracers", None)
    return tracers if isinstance(tracers, dict) else {}


def known_samplers() -> dict[str, Any]:
    """The SDK's table of samplers by the value of ``OTEL_TRACES_SAMPLER``; empty if it is missing."""
    table = getattr(sdk_sampling, "_KNOWN_SAMPLERS", None)
    return table if isinstance(table, dict) else {}


def composed_propagators(composite: Any) -> Sequence[Any]:
    """The members of a ``CompositePropagator``, in order; empty if the attribute is missing."""
    return getattr(composite, "_propagators", ()) if is_usable("propagators") else ()
