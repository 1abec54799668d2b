"""The private names of the OpenTelemetry API and SDK that nanospan uses.

tests/compat/test_sdk_private.py checks each against the installed release. The private names of the official OTLP exporters,
which are optional packages, are in `nanospan._compat.otlp_exporters`.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api_trace
from opentelemetry.attributes import _clean_attribute_value as clean_attribute_value
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace import _TracerConfiguratorT as TracerConfigurator
from opentelemetry.sdk.trace import sampling as sdk_sampling
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.sampling import AlwaysRecordSampler, Decision, ParentBased, Sampler, StaticSampler
from opentelemetry.util._once import Once

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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
    "STOOD_FOR",
    "SUPPRESS_INSTRUMENTATION_KEY",
    "TRACER_FIELDS",
    "TracerConfigurator",
    "allow_another_provider",
    "always_record_root",
    "clean_attribute_value",
    "composed_propagators",
    "context_variable",
    "counts_nothing",
    "foreign_id_generator",
    "foreign_sampler",
    "forget_logger_provider",
    "forget_meter_provider",
    "global_tracer_provider",
    "handed_out_tracers",
    "initialize_components",
    "known_samplers",
    "next_component_number",
    "outlive_its_pool",
    "parent_based_delegates",
    "registered",
    "registered_names",
    "sdk_configurator",
    "serving_tracer_provider",
    "stand_for_no_provider",
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


CONFIGURATION_NAMES = (
    "TracerProvider",
    "_get_exporter_names",
    "_import_id_generator",
    "_import_sampler",
    "_init_logging",
    "_init_metrics",
    "_initialize_components",
)
"""Global names of the module that configures the SDK from variables; its functions look them up at run time."""


def tracing_built_with(
    provider: type,
    exporter_names: Callable[[str], list[str]],
    failed: Callable[[str, Exception], None],
    unusable: Collection[str] = (),
) -> AbstractContextManager[None]:
    """A context in which the SDK's configuration instantiates ``provider`` as its tracer provider.

    It loads the entry points that ``exporter_names`` returns for a signal. If it cannot configure metrics or logs, it calls
    ``failed`` and goes on. Its logs do not see the variables ``unusable``. Global names of its modules are replaced inside
    the context, because no argument of its functions reaches them. A copy of these functions would need a dozen private
    names, and would miss additions of later releases.

    Raises LookupError if the installed SDK lacks the names; nothing is replaced then.
    """
    from opentelemetry.sdk import _configuration
    from opentelemetry.sdk._logs import _internal

    usable = {name: value for name, value in os.environ.items() if name not in unusable}
    for name in CONFIGURATION_NAMES:
        if not hasattr(_configuration, name):
            raise LookupError(f"opentelemetry.sdk._configuration has no {name} in the installed release")
    if not hasattr(_internal, "environ"):
        raise LookupError("opentelemetry.sdk._logs._internal has no environ in the installed release")

    def alone(signal: str, initialize: Callable[..., None]) -> Callable[..., None]:
        def initialize_alone(*arguments: Any, **named: Any) -> None:
            try:
                with _with_names(_internal, {"environ": usable}):
                    initialize(*arguments, **named)
            except Exception as error:
                failed(signal, error)

        return initialize_alone

    return _with_names(
        _configuration,
        {
            "TracerProvider": provider,
            "_get_exporter_names": exporter_names,
            "_init_logging": alone("logs", _configuration._init_logging),
            "_init_metrics": alone("metrics", _configuration._init_metrics),
        },
    )


@contextmanager
def _with_names(module: Any, names: Mapping[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in names}
    vars(module).update(names)
    try:
        yield
    finally:
        vars(module).update(before)


def initialize_components(**arguments: Any) -> None:
    """The SDK's configuration from variables, whether or not one names a configuration file."""
    from opentelemetry.sdk import _configuration

    _configuration._initialize_components(**arguments)


def foreign_sampler(name: str) -> Sampler | None:
    """The sampler that another package registers under this name; None, after the SDK's warning, if it fails."""
    from opentelemetry.sdk import _configuration

    return _configuration._import_sampler(name)


def foreign_id_generator(name: str) -> Any:
    """The id generator that another package registers under this name. Raises what it raises, or RuntimeError."""
    from opentelemetry.sdk import _configuration

    return _configuration._import_id_generator(name)


def registered(group: str, name: str) -> EntryPoint | None:
    """The entry point of that name, or else of the name in lower case."""
    from importlib.metadata import entry_points  # not for every `import nanospan`

    for one in dict.fromkeys((name, name.lower())):
        if found := next(iter(entry_points(group=group, name=one)), None):
            return found
    return None


def registered_names(group: str) -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group=group)}


def forget_meter_provider() -> None:
    """Let the API be as if no meter provider had been set; without effect where it has changed."""
    from opentelemetry.metrics import _internal as metrics

    if hasattr(metrics, "_METER_PROVIDER_SET_ONCE") and hasattr(metrics._PROXY_METER_PROVIDER, "_real_meter_provider"):
        metrics._METER_PROVIDER, metrics._METER_PROVIDER_SET_ONCE = None, Once()
        metrics._PROXY_METER_PROVIDER._real_meter_provider = None


def forget_logger_provider() -> None:
    """Let the API be as if no logger provider had been set; without effect where it has changed."""
    from opentelemetry._logs import _internal as logs

    if hasattr(logs, "_LOGGER_PROVIDER_SET_ONCE"):
        logs._LOGGER_PROVIDER, logs._LOGGER_PROVIDER_SET_ONCE = None, Once()


def global_tracer_provider() -> Any:
    """The provider that was set, or None; unlike ``get_tracer_provider`` it loads none."""
    return api_trace._TRACER_PROVIDER


def serving_tracer_provider() -> Any:
    """`global_tracer_provider`, or what `stand_for_no_provider` has put behind the API's proxy, or None."""
    return api_trace._TRACER_PROVIDER or getattr(getattr(api_trace, "_PROXY_TRACER_PROVIDER", None), STOOD_FOR, None)


STOOD_FOR = "_nanospan_default"
"""The attribute with the provider that a proxy of nanospan's serves."""


def stand_for_no_provider(proxy: api_trace.ProxyTracerProvider) -> bool:
    """Forget the global provider, and let ``get_tracer_provider`` return ``proxy`` while there is none.

    Without effect, and False, if the API has changed.
    """
    if not (hasattr(api_trace, "_PROXY_TRACER_PROVIDER") and hasattr(api_trace, "_TRACER_PROVIDER_SET_ONCE")):
        return False
    api_trace._PROXY_TRACER_PROVIDER = proxy
    api_trace._TRACER_PROVIDER = None
    allow_another_provider()
    return True


def allow_another_provider() -> None:
    """Let the next ``set_tracer_provider`` replace the provider that was set; without effect if the API has changed."""
    if hasattr(api_trace, "_TRACER_PROVIDER_SET_ONCE"):
        api_trace._TRACER_PROVIDER_SET_ONCE = Once()


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
    return getattr(composite, "_propagators", ())
