"""The configurator that ``opentelemetry-instrument`` runs for ``OTEL_PYTHON_CONFIGURATOR=nanospan``.

It runs the SDK's own configuration, so that all variables of the SDK, its metrics, its logs and additions of later releases
work. It changes three things:

* It passes nanospan's sampler and id generator as arguments, unless the environment names non-standard ones.
* It passes nanospan's BatchSpanProcessor as an argument.
* It replaces the SDK's TracerProvider, and the exporter ``otlp`` by nanospan's exporters. The SDK has no arguments for these
  (see `nanospan._compat.sdk.tracing_built_with`).

If a release of the SDK does not allow the replacement, a warning is logged and the application uses the SDK's provider with
nanospan's processor, sampler and ids.

With a configuration file (``OTEL_CONFIG_FILE``) it runs the package opentelemetry-configuration, and replaces the classes in
the module that builds tracer providers (see `nanospan.configurator._declarative`). If a release of that package does not
allow it, a warning is logged and tracing is the SDK's.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.environment_variables import OTEL_PYTHON_ID_GENERATOR
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.environment_variables import OTEL_CONFIG_FILE
from opentelemetry.sdk.trace.export import SpanExporter

from nanospan._compat.sdk import composed_propagators, sdk_configurator, tracing_built_with
from nanospan._compat.stock import stock_class
from nanospan.export._settings.environment import read
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.sampling.configuration.environment import standard_sampler
from nanospan.trace.provider import TracerProvider

__all__ = ["Configurator"]

logger = logging.getLogger(__name__)

GRPC = "nanospan_otlp_grpc"
HTTP = "nanospan_otlp_http"
_OWN_EXPORTERS = {"otlp_proto_grpc": GRPC, "otlp_proto_http": HTTP}
_CREDENTIAL_PROVIDER = re.compile(r"OTEL_PYTHON_EXPORTER_OTLP_(HTTP|GRPC)_(TRACES_)?CREDENTIAL_PROVIDER")
_SDK_CONFIGURATOR: Any = sdk_configurator()


class Configurator(_SDK_CONFIGURATOR):  # type: ignore[misc]  # a private class of the SDK, typed as Any
    """Configures OpenTelemetry from the environment, with nanospan for the traces.

    ``configure`` takes the keyword arguments of the SDK's configurator; ``sampler``, ``id_generator`` and
    ``export_span_processor`` take precedence over nanospan's.
    """

    # The base class caches its singleton in this attribute; without its own, this class would return the SDK's instance.
    _instance = None

    def _configure(self, **kwargs: Any) -> None:
        if os.environ.get(OTEL_CONFIG_FILE):
            scope = _tracing_of_the_file()
            with scope or nullcontext():
                super()._configure(**kwargs)
            if scope is not None:
                _check_provider()
            _replace_trace_context_propagator()
            return
        _set_native_arguments(kwargs)
        try:
            scope = tracing_built_with(TracerProvider, lambda name: _own_exporter(name, kwargs))
        except LookupError as error:
            logger.warning("The SDK's tracer provider is used, which costs more per span: %s", error)
            super()._configure(**kwargs)
        else:
            with scope:
                super()._configure(**kwargs)
            _check_provider()
        _replace_trace_context_propagator()


def _tracing_of_the_file() -> AbstractContextManager[None] | None:
    """A context in which a configuration file builds nanospan's tracing; None if the package does not allow it."""
    from nanospan.configurator._declarative import file_tracing_built_natively

    try:
        return file_tracing_built_natively(own_exporters=not _needs_official_exporter({}))
    except LookupError as error:
        logger.warning("Tracing is configured by the SDK and not by nanospan, which costs more per span: %s", error)
    except ImportError:
        # The SDK reports which package is missing.
        pass
    return None


def _check_provider() -> None:
    provider = trace.get_tracer_provider()
    # A file without a tracer_provider leaves the proxy in place.
    if not isinstance(provider, (TracerProvider, trace.ProxyTracerProvider)):
        kind = type(provider)
        logger.warning("The tracer provider in use is %s.%s, not nanospan's", kind.__module__, kind.__qualname__)


def _set_native_arguments(arguments: dict[str, Any]) -> None:
    """Set the arguments of the SDK's configuration for which nanospan has its own objects."""
    if arguments.get("sampler") is None:
        arguments["sampler"] = standard_sampler()
    generator = os.environ.get(OTEL_PYTHON_ID_GENERATOR, "").strip()
    if arguments.get("id_generator") is None and generator in ("", "random"):
        arguments["id_generator"] = RandomIdGenerator()
    if arguments.get("export_span_processor") is None:
        arguments["export_span_processor"] = BatchSpanProcessor


def _own_exporter(official: str, arguments: dict[str, Any]) -> str:
    """The name of nanospan's exporter that replaces the official one behind ``otlp``.

    The official exporter is kept if a setting needs it.
    """
    own = _OWN_EXPORTERS.get(official, official)
    if _needs_official_exporter(arguments):
        return official
    if own == GRPC and read("PROTOCOL") is None and find_spec("grpc") is None:
        # gRPC is the SDK's default, not a choice of the user.
        logger.warning("grpcio is not installed: sending OTLP over HTTP, as with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        return HTTP
    return own


def _needs_official_exporter(arguments: dict[str, Any]) -> bool:
    if any(value and _CREDENTIAL_PROVIDER.fullmatch(name) for name, value in os.environ.items()):
        return True
    return any(
        issubclass(cls, SpanExporter) and cls.__module__.startswith("opentelemetry.exporter.otlp.")
        for cls in arguments.get("exporter_args_map") or ()
    )


def _replace_trace_context_propagator() -> None:
    """Replace the API's W3C propagator inside the global composite propagator by nanospan's."""
    propagator = propagate.get_global_textmap()
    if type(propagator) is not CompositePropagator:
        return
    members = composed_propagators(propagator)
    replaced = stock_class(TraceContextTextMapPropagator)
    if any(type(member) is replaced for member in members):
        native = [TraceContextTextMapPropagator() if type(member) is replaced else member for member in members]
        propagate.set_global_textmap(CompositePropagator(native))
