"""nanospan with no code at all: what ``opentelemetry-instrument`` runs for ``OTEL_PYTHON_CONFIGURATOR=nanospan``.

The SDK's own configuration does the work, so that every variable it knows is honoured, metrics and logs are set up as ever,
and what later releases add is there. Three things differ while it runs:

* the sampler and the id generator are handed to it, through arguments it has for that, unless the environment names others
  than the standard ones;
* exporters go into nanospan's BatchSpanProcessor, through an argument as well;
* its module finds nanospan's TracerProvider under the name of its own, and for the exporter ``otlp`` the names of nanospan's
  exporters. It has no arguments for these (see ``_sdk_private.tracing_built_with``).

Should a release of the SDK lack the latter, a warning is logged and the application runs on the SDK's provider, still with
nanospan's processor, sampler and ids.

With a configuration file (``OTEL_CONFIG_FILE``) the package opentelemetry-configuration does the work, and its module that
makes tracer providers finds nanospan's classes under the names of the SDK's (see ``_declarative_provider``). Should a
release of that package lack them, a warning is logged and tracing is the SDK's.
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
from opentelemetry.trace.propagation import tracecontext

from nanospan._compat.sdk import composed_propagators, sdk_configurator, tracing_built_with
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


class Configurator(_SDK_CONFIGURATOR):
    """Configures OpenTelemetry from the environment, with nanospan for the traces.

    ``configure`` takes the keyword arguments that the SDK's configurator takes; ``sampler``, ``id_generator`` and
    ``export_span_processor`` come before what nanospan would choose.
    """

    # One instance for each class of configurators: without its own, this one would be given the SDK's if that came first.
    _instance = None

    def _configure(self, **kwargs: Any) -> None:
        if os.environ.get(OTEL_CONFIG_FILE):
            scope = _tracing_of_the_file()
            with scope or nullcontext():
                super()._configure(**kwargs)
            if scope is not None:
                _check_provider()
            _adopt_trace_context()
            return
        _choose_natives(kwargs)
        try:
            scope = tracing_built_with(TracerProvider, lambda name: _own_exporter(name, kwargs))
        except LookupError as error:
            logger.warning("The SDK's tracer provider is used, which costs more per span: %s", error)
            super()._configure(**kwargs)
        else:
            with scope:
                super()._configure(**kwargs)
            _check_provider()
        _adopt_trace_context()


def _tracing_of_the_file() -> AbstractContextManager[None] | None:
    """What makes nanospan's tracing of a configuration file while it is entered; None if that cannot be done."""
    from nanospan.configurator._declarative import file_tracing_built_natively

    try:
        return file_tracing_built_natively(own_exporters=not _wants_the_official_exporter({}))
    except LookupError as error:
        logger.warning("Tracing is configured by the SDK and not by nanospan, which costs more per span: %s", error)
    except ImportError:
        # The SDK says what has to be installed.
        pass
    return None


def _check_provider() -> None:
    provider = trace.get_tracer_provider()
    # A file without a tracer_provider sets none.
    if not isinstance(provider, (TracerProvider, trace.ProxyTracerProvider)):
        kind = type(provider)
        logger.warning("The tracer provider in use is %s.%s, not nanospan's", kind.__module__, kind.__qualname__)


def _choose_natives(arguments: dict[str, Any]) -> None:
    """Fill in what the SDK's configuration takes as arguments and nanospan has its own of."""
    if arguments.get("sampler") is None:
        arguments["sampler"] = standard_sampler()
    generator = os.environ.get(OTEL_PYTHON_ID_GENERATOR, "").strip()
    if arguments.get("id_generator") is None and generator in ("", "random"):
        arguments["id_generator"] = RandomIdGenerator()
    if arguments.get("export_span_processor") is None:
        arguments["export_span_processor"] = BatchSpanProcessor


def _own_exporter(official: str, arguments: dict[str, Any]) -> str:
    """The name of nanospan's exporter in place of the official one that ``otlp`` stands for.

    The official one stays when something is set that only it understands.
    """
    own = _OWN_EXPORTERS.get(official, official)
    if _wants_the_official_exporter(arguments):
        return official
    if own == GRPC and read("PROTOCOL") is None and find_spec("grpc") is None:
        # gRPC is the SDK's default, not the user's wish.
        logger.warning("grpcio is not installed: sending OTLP over HTTP, as with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
        return HTTP
    return own


def _wants_the_official_exporter(arguments: dict[str, Any]) -> bool:
    if any(value and _CREDENTIAL_PROVIDER.fullmatch(name) for name, value in os.environ.items()):
        return True
    return any(
        issubclass(cls, SpanExporter) and cls.__module__.startswith("opentelemetry.exporter.otlp.")
        for cls in arguments.get("exporter_args_map") or ()
    )


def _adopt_trace_context() -> None:
    """Put nanospan's W3C propagator where the global propagator has the API's; everything else keeps its place."""
    propagator = propagate.get_global_textmap()
    if type(propagator) is not CompositePropagator:
        return
    members = composed_propagators(propagator)
    stock = tracecontext.TraceContextTextMapPropagator
    if any(type(member) is stock for member in members):
        native = [TraceContextTextMapPropagator() if type(member) is stock else member for member in members]
        propagate.set_global_textmap(CompositePropagator(native))
