"""The provider that was configured for the program gives way to one that the program sets itself.

The API takes the first provider and refuses later ones. Under `nanospan run` the first is the default, and the program means
its own, with its exporters. Tracers that instrumentations have got from the default then start spans of the program's
provider.

Packages that find a provider add their processor to it; those that find none construct one, with a resource and a sampler of
their own. Unless the variables say where the default's spans go, these packages find none, as without nanospan.
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER, OTEL_TRACES_EXPORTER
from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT

from nanospan._common.environment import variable_text
from nanospan._compat.sdk import (
    STOOD_FOR,
    allow_another_provider,
    global_tracer_provider,
    handed_out_tracers,
    stand_for_no_provider,
)

OTEL_CONFIG_FILE = "OTEL_CONFIG_FILE"  # older releases of the SDK have no name for it

__all__ = ["give_way_to_the_programs", "is_configured_by_variables"]


def is_configured_by_variables() -> bool:
    """Whether the user has said by variables where spans go."""
    if OTEL_PYTHON_TRACER_PROVIDER in os.environ or variable_text(OTEL_CONFIG_FILE):
        return True
    exporters = [name.strip().lower() for name in variable_text(OTEL_TRACES_EXPORTER).split(",")]
    if exporters != [""]:
        return exporters != ["none"]
    return bool(variable_text(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) or variable_text(OTEL_EXPORTER_OTLP_ENDPOINT))


def give_way_to_the_programs(*, is_hidden: bool) -> None:
    """Let the next call of ``set_tracer_provider`` replace the global provider, if there is one.

    ``is_hidden``: whether ``isinstance(get_tracer_provider(), ProxyTracerProvider)``, by which packages ask whether there is
    a provider, holds until then.
    """
    default: Any = global_tracer_provider()
    if default is None:
        return
    set_provider = trace.set_tracer_provider
    gives_way = default
    if is_hidden and stand_for_no_provider(DefaultProvider(default)):
        gives_way = None

    def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
        """Sets the current global TracerProvider; the one of `nanospan run` gives way to it, any other does not."""
        if isinstance(tracer_provider, DefaultProvider):
            return  # what the program got from get_tracer_provider
        if global_tracer_provider() is gives_way and tracer_provider is not default:
            allow_another_provider()
            set_provider(tracer_provider)
            _redirect(default, tracer_provider)
        else:
            set_provider(tracer_provider)

    trace.set_tracer_provider = set_tracer_provider


class DefaultProvider(trace.ProxyTracerProvider):
    """What ``get_tracer_provider`` returns while the program has set none. It is in all else the default provider."""

    def __init__(self, default: Any) -> None:
        setattr(self, STOOD_FOR, default)

    def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
        """A tracer of the program's provider, once that is set, or of the default."""
        provider = global_tracer_provider()
        if provider is not None:
            tracer: trace.Tracer = provider.get_tracer(*arguments, **named)
            return tracer
        real = getattr(self, STOOD_FOR).get_tracer(*arguments, **named)
        if (proxy := getattr(real, _PROXY, None)) is None:
            proxy = DefaultTracer(real, *arguments, **named)
            setattr(real, _PROXY, proxy)
        return proxy

    def __getattr__(self, name: str) -> Any:
        return _of_the_default(self, name)

    def __repr__(self) -> str:
        return f"<default of nanospan run: {getattr(self, STOOD_FOR)!r}>"


class DefaultTracer(trace.ProxyTracer):
    """A tracer of the default provider that packages take for one of no provider, as they do the API's.

    The methods that start spans are those of the default's tracer, which cost nothing more.
    """

    def __init__(self, real: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        setattr(self, STOOD_FOR, real)
        _follow(self, real)

    def __getattr__(self, name: str) -> Any:
        return _of_the_default(self, name)


_PROXY = "_nanospan_proxy"
"""The attribute of a tracer of the default provider with its DefaultTracer."""


def _of_the_default(proxy: Any, name: str) -> Any:
    if name == STOOD_FOR or name.startswith("__"):  # while it is unpickled or copied
        raise AttributeError(name)
    return getattr(getattr(proxy, STOOD_FOR), name)


def _follow(tracer: Any, real: trace.Tracer) -> None:
    tracer.start_span = real.start_span
    tracer.start_as_current_span = real.start_as_current_span


def _redirect(default: Any, provider: trace.TracerProvider) -> None:
    for scope, tracer in list(handed_out_tracers(default).items()):
        real = provider.get_tracer(scope.name, scope.version, scope.schema_url, scope.attributes)
        _follow(tracer, real)
        if (proxy := getattr(tracer, _PROXY, None)) is not None:
            _follow(proxy, real)
    default.get_tracer = provider.get_tracer
