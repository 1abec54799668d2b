"""Which private names of the API and the SDK nanospan uses, for which part, and what it does without them.

A release that nobody has tried and that has moved one costs speed: nanospan uses the SDK's own code for that part. The names
are looked up once, when nanospan is imported; those of modules that only some programs load, when the part is used first.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from opentelemetry.sdk.version import __version__ as sdk_version

__all__ = ["PARTS", "SDK_RELEASE", "Name", "Part", "is_usable", "missing_names", "report_missing"]

logger = logging.getLogger("nanospan")

OLDEST = (1, 39)
NEVER = (1 << 31, 0)


def _release(version: str) -> tuple[int, int]:
    """Major and minor number. A version without them counts as the newest."""
    try:
        major, minor = (int(number) for number in version.split(".")[:2])
    except ValueError:
        return NEVER[0] - 1, 0
    return major, minor


SDK_RELEASE = _release(sdk_version)
"""The release of the SDK that is installed, as (1, 45)."""


class Name(NamedTuple):
    """A private name, and the releases that have it."""

    owner: str
    """A module, or ``module:Class`` for an attribute of the class or of its instances."""
    name: str
    since: tuple[int, int] = OLDEST
    until: tuple[int, int] = NEVER

    def __str__(self) -> str:
        return f"{self.owner.replace(':', '.')}.{self.name}"

    @property
    def is_of_this_release(self) -> bool:
        """Whether the installed release is one that has the name, or that nobody has tried."""
        return self.since <= SDK_RELEASE < self.until


class Part(NamedTuple):
    """What nanospan does with private names."""

    names: tuple[Name, ...]
    without: str
    """What is different without one of them: a clause for the log."""
    at_import: bool = True


def _names(owner: str, names: str, since: tuple[int, int] = OLDEST, until: tuple[int, int] = NEVER) -> tuple[Name, ...]:
    return tuple(Name(owner, name, since, until) for name in names.split())


_TRACE, _SAMPLING = "opentelemetry.sdk.trace", "opentelemetry.sdk.trace.sampling"
_ATTRIBUTES, _CONFIGURATION = "opentelemetry.attributes", "opentelemetry.sdk._configuration"

_SPAN = (
    *_names(
        f"{_TRACE}:ReadableSpan",
        "_attributes _context _end_time _events _instrumentation_info _instrumentation_scope _kind _links _name _parent "
        "_resource _start_time _status",
    ),
    *_names(f"{_ATTRIBUTES}:BoundedAttributes", "_dict"),
    *_names("opentelemetry.sdk.util:BoundedList", "_dq"),
    *_names("opentelemetry.trace:Status", "_description _status_code"),
    *_names("opentelemetry.sdk.resources:Resource", "_attributes _schema_url"),
    *_names("opentelemetry.sdk.util.instrumentation:InstrumentationScope", "_attributes _name _schema_url _version"),
)

PARTS: dict[str, Part] = {
    "reading": Part(_SPAN, "spans of the SDK are encoded through their public properties, which costs more per span"),
    "recording": Part(
        (
            *_SPAN,
            *_names(
                f"{_TRACE}:Span",
                "_add_event _add_link _limits _lock _new_links _readable_span _record_exception _sampler "
                "_set_status_on_exception _span_processor _trace_config",
            ),
            *_names(f"{_TRACE}:Span", "_record_end_metrics", since=(1, 40)),
            *_names(f"{_TRACE}:SpanProcessor", "_on_ending", since=(1, 40)),
            *_names(f"{_TRACE}:SynchronousMultiSpanProcessor", "_span_processors"),
            *_names(f"{_TRACE}:Tracer", "_instrumentation_scope _span_limits"),
            *_names(f"{_TRACE}:Tracer", "_is_enabled _tracer_metrics", since=(1, 40)),
            *_names(f"{_TRACE}:Tracer", "_set_tracer_config _tracer_config", since=(1, 41)),
            *_names(f"{_TRACE}:TracerProvider", "_active_span_processor _atexit_handler _disabled _resource _span_limits"),
            *_names(f"{_TRACE}:TracerProvider", "_meter_provider _tracer_configurator", since=(1, 40)),
            *_names(
                f"{_TRACE}:TracerProvider",
                "_apply_tracer_configurator _set_tracer_configurator _tracers _tracers_lock",
                since=(1, 41),
            ),
            *_names(f"{_ATTRIBUTES}:BoundedAttributes", "_immutable"),
            *_names(f"{_ATTRIBUTES}:BoundedAttributes", "_setitem_locked", since=(1, 43)),
            *_names(_ATTRIBUTES, "_clean_attribute", until=(1, 45)),
            *_names(_ATTRIBUTES, "_clean_attribute_value", since=(1, 45)),
            *_names("opentelemetry.trace:NonRecordingSpan", "_context"),
        ),
        "the SDK's own tracers record the spans, which costs more per span",
    ),
    "context": Part(
        (
            *_names("opentelemetry.context", "_RUNTIME_CONTEXT"),
            *_names("opentelemetry.context.contextvars_context:ContextVarsRuntimeContext", "_current_context"),
        ),
        "the API looks the current span up, which costs more per span",
    ),
    "suppression": Part(
        _names("opentelemetry.context", "_SUPPRESS_INSTRUMENTATION_KEY"),
        "instrumentations of HTTP and gRPC clients may make spans of the exports",
    ),
    "samplers": Part(
        (
            *_names(f"{_SAMPLING}:StaticSampler", "_decision"),
            *_names(
                f"{_SAMPLING}:ParentBased",
                "_local_parent_not_sampled _local_parent_sampled _remote_parent_not_sampled _remote_parent_sampled _root",
            ),
            *_names(f"{_SAMPLING}:AlwaysRecordSampler", "_root", since=(1, 45)),
        ),
        "the SDK's samplers decide in Python, which costs more per span",
    ),
    "known samplers": Part(
        _names(_SAMPLING, "_KNOWN_SAMPLERS"),
        "providers of the SDK that OTEL_TRACES_SAMPLER gives a sampler get the SDK's",
    ),
    "concurrent processor": Part(
        _names(f"{_TRACE}:ConcurrentMultiSpanProcessor", "_executor"),
        "a ConcurrentMultiSpanProcessor loses the spans that end while the interpreter does",
    ),
    "tracer metrics": Part(
        (Name(f"{_TRACE}._tracer_metrics", "NoOpTracerMetrics", since=(1, 42)),),
        "the SDK's metrics of spans are called for each span even when they count nothing",
    ),
    "component numbers": Part(
        (Name("opentelemetry.sdk._shared_internal._processor_metrics", "_component_counter", since=(1, 41)),),
        "processors of the SDK and of nanospan may have the same otel.component.name in metrics",
    ),
    "global provider": Part(
        _names("opentelemetry.trace", "_TRACER_PROVIDER _TRACER_PROVIDER_SET_ONCE _PROXY_TRACER_PROVIDER"),
        "the provider of nanospan run does not give way to one that the program sets",
    ),
    "propagators": Part(
        _names("opentelemetry.propagators.composite:CompositePropagator", "_propagators"),
        "the API's propagators stay in use, which cost more per request",
        at_import=False,
    ),
    "trace state": Part(
        _names("opentelemetry.trace:TraceState", "_dict"),
        "members of tracestate with keys of W3C Trace Context level 2 are left out",
    ),
    "metrics and logs": Part(
        (
            *_names("opentelemetry.metrics._internal", "_METER_PROVIDER _METER_PROVIDER_SET_ONCE _PROXY_METER_PROVIDER"),
            *_names("opentelemetry.metrics._internal:_ProxyMeterProvider", "_real_meter_provider"),
            *_names("opentelemetry._logs._internal", "_LOGGER_PROVIDER _LOGGER_PROVIDER_SET_ONCE"),
        ),
        "a program under nanospan run cannot set its own providers of metrics and logs",
        at_import=False,
    ),
    "configuration": Part(
        (
            *_names(
                _CONFIGURATION,
                "TracerProvider _OTelSDKConfigurator _get_exporter_names _import_id_generator _import_sampler _init_logging "
                "_init_metrics _initialize_components",
            ),
            *_names(_CONFIGURATION, "BatchSpanProcessor", until=(1, 40)),
            *_names("opentelemetry.sdk._logs._internal", "environ"),
        ),
        "the SDK's tracer provider is used, which costs more per span",
        at_import=False,
    ),
}
"""In each, the names that it needs; a name may be in several."""


def _owner(path: str) -> Any:
    """The module or class; None if it is not there."""
    module, _, name = path.partition(":")
    try:
        found = sys.modules.get(module) or import_module(module)
    except ImportError:
        return None
    if not name:
        return found
    cls = getattr(found, name, None)
    # A program that imports nanospan again finds nanospan's class under the SDK's name.
    while cls is not None and cls.__module__.partition(".")[0] == "nanospan":
        cls = next((base for base in cls.__mro__[1:] if base.__name__ == name.lstrip("_")), None)
    return cls


def _has(name: Name) -> bool:
    owner = _owner(name.owner)
    if owner is None:
        return False
    if hasattr(owner, name.name) or not isinstance(owner, type):
        return hasattr(owner, name.name)
    return any(_assigns(base, name.name) for base in owner.__mro__)


def _assigns(cls: type, name: str) -> bool:
    """Whether a method of ``cls`` names the attribute: no instance is made, which may have costs of its own."""
    for method in (vars(cls).get("__init__"), *vars(cls).values()):
        while (wrapped := getattr(method, "__wrapped__", None)) is not None:
            method = wrapped
        code = getattr(method, "__code__", None)
        if code is not None and name in code.co_names:
            return True
    return False


def _missing_of(part: Part) -> Iterator[Name]:
    return (name for name in part.names if name.is_of_this_release and not _has(name))


_missing: dict[str, tuple[Name, ...]] = {}


def missing_names(part: str) -> tuple[Name, ...]:
    """The names of the part that the installed release does not have."""
    if part not in _missing:
        _missing[part] = tuple(_missing_of(PARTS[part]))
    return _missing[part]


def is_usable(part: str) -> bool:
    """Whether the installed release has every name of the part; a warning, once, for a part that is used first now."""
    is_known = part in _missing
    missing = missing_names(part)
    if missing and not is_known and not PARTS[part].at_import:
        _warn([part])
    return not missing


def report_missing() -> None:
    """Say in one warning what the installed release does not have; called when nanospan is imported."""
    affected = [name for name, part in PARTS.items() if part.at_import and missing_names(name)]
    if affected:
        _warn(affected)


def _warn(parts: list[str]) -> None:
    names = dict.fromkeys(str(name) for part in parts for name in missing_names(part))
    logger.warning(
        "opentelemetry-sdk %s does not have %s: %s. Tracing works; please report the release.",
        sdk_version,
        ", ".join(names),
        "; ".join(PARTS[part].without for part in parts),
    )
