"""The configurator that ``opentelemetry-instrument`` runs for ``OTEL_PYTHON_CONFIGURATOR=nanospan``.

It runs the SDK's own configuration, so that all variables of the SDK, its metrics, its logs and additions of later releases
work. It changes four things:

* It passes nanospan's sampler and id generator as arguments, unless the environment names non-standard ones.
* It passes nanospan's BatchSpanProcessor as an argument.
* It replaces the SDK's TracerProvider, and the exporter ``otlp`` by nanospan's exporters, which is also the default. The SDK
  has no arguments for these (see `nanospan._compat.sdk.tracing_built_with`).
* A variable that cannot be used counts as unset, with one warning; metrics or logs that cannot be configured cost only
  themselves. With the SDK's configuration they cost all of it.

If a release of the SDK does not allow the replacement, a warning is logged and the application uses the SDK's provider with
nanospan's processor, sampler and ids.

With a configuration file (``OTEL_CONFIG_FILE``) it runs the package opentelemetry-configuration, and replaces the classes in
the module that builds tracer providers (see `nanospan.configurator._declarative`). If a release of that package does not
allow it, a warning is logged and tracing is the SDK's.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry.environment_variables import OTEL_PYTHON_ID_GENERATOR
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER

from nanospan._common.environment import variable_text, warn_ignored
from nanospan._compat.configuration import (
    CONFIG_FILE,
    PROCESSOR_IS_ARGUMENT,
    READS_FILES,
    foreign_id_generator,
    foreign_sampler,
    initialize_components,
    registered,
    registered_names,
    sdk_configurator,
    tracing_built_with,
)
from nanospan._compat.guarded_import import import_propagate
from nanospan._compat.sdk import composed_propagators, global_tracer_provider
from nanospan._compat.stock import is_own, stock_class
from nanospan._endings import send_before_every_end
from nanospan._install import install_if_asked_for
from nanospan._install.foreign_tokens import quiet_foreign_tokens
from nanospan.configurator._exporters import exporter_names, needs_official_exporter
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.sampling import DEFAULT_ON, Sampler
from nanospan.sampling.configuration.environment import known_sampler, unknown_sampler
from nanospan.trace._span_limits import unusable_limits_of_logs
from nanospan.trace.provider import TracerProvider

__all__ = ["Configurator"]

logger = logging.getLogger(__name__)

propagate = import_propagate()
_SDK_CONFIGURATOR: Any = sdk_configurator()


class Configurator(_SDK_CONFIGURATOR):  # type: ignore[misc]  # a private class of the SDK, typed as Any
    """Configures OpenTelemetry from the environment, with nanospan for the traces.

    ``configure`` takes the keyword arguments of the SDK's configurator; ``sampler``, ``id_generator`` and
    ``export_span_processor`` take precedence over nanospan's.
    """

    # The base class caches its singleton in this attribute; without its own, this class would return the SDK's instance.
    _instance = None

    def _configure(self, **kwargs: Any) -> None:
        install_if_asked_for()
        send_before_every_end()
        quiet_foreign_tokens()
        if _names_file():
            scope = _tracing_of_the_file()
            with scope or nullcontext():
                super()._configure(**kwargs)
            if scope is not None:
                _check_provider()
            _replace_trace_context_propagator()
            return
        _set_native_arguments(kwargs)
        try:
            scope = tracing_built_with(
                TracerProvider,
                lambda signal: exporter_names(signal, kwargs),
                _report_failed,
                unusable_limits_of_logs(),
                kwargs.pop("export_span_processor") if not PROCESSOR_IS_ARGUMENT else None,
            )
        except LookupError as error:
            logger.warning("The SDK's tracer provider is used, which costs more per span: %s", error)
            super()._configure(**kwargs)
        else:
            with scope:
                initialize_components(**kwargs)
            _check_provider()
        _replace_trace_context_propagator()


def _names_file() -> bool:
    """Whether ``OTEL_CONFIG_FILE`` names a file that can be read; a warning if it names another."""
    path = variable_text(CONFIG_FILE)
    if path and not READS_FILES:
        warn_ignored(logger, CONFIG_FILE, path, "the other variables, or install opentelemetry-sdk>=1.43, which reads files")
        return False
    if not path or os.access(os.environ[CONFIG_FILE], os.R_OK):
        return bool(path)
    warn_ignored(logger, CONFIG_FILE, path, "the path of a configuration file that can be read (default none)")
    return False


def _report_failed(signal: str, error: Exception) -> None:
    logger.warning("The SDK cannot configure the %s, which are not exported: %s", signal, error)


def _tracing_of_the_file() -> AbstractContextManager[None] | None:
    """A context in which a configuration file builds nanospan's tracing; None if the package does not allow it."""
    from nanospan.configurator._declarative import file_tracing_built_natively

    try:
        return file_tracing_built_natively(own_exporters=not needs_official_exporter({}))
    except LookupError as error:
        logger.warning("Tracing is configured by the SDK and not by nanospan, which costs more per span: %s", error)
    except ImportError:
        # The SDK reports which package is missing.
        pass
    return None


def _check_provider() -> None:
    provider = global_tracer_provider()  # a file without a tracer_provider sets none
    if provider is not None and not is_own(provider, TracerProvider):
        kind = type(provider)
        logger.warning("The tracer provider in use is %s.%s, not nanospan's", kind.__module__, kind.__qualname__)


def _set_native_arguments(arguments: dict[str, Any]) -> None:
    """Set the arguments of the SDK's configuration for which nanospan has its own objects."""
    if arguments.get("sampler") is None:
        arguments["sampler"] = known_sampler() or _foreign_sampler()
    if arguments.get("id_generator") is None:
        arguments["id_generator"] = _id_generator()
    if arguments.get("export_span_processor") is None:
        arguments["export_span_processor"] = BatchSpanProcessor


def _foreign_sampler() -> Sampler:
    entry = registered("opentelemetry_traces_sampler", variable_text(OTEL_TRACES_SAMPLER))
    return unknown_sampler() if entry is None else foreign_sampler(entry.name) or DEFAULT_ON


def _id_generator() -> Any:
    name = variable_text(OTEL_PYTHON_ID_GENERATOR)
    if name.lower() in ("", "random", "nanospan"):
        return RandomIdGenerator()
    if entry := registered("opentelemetry_id_generator", name):
        try:
            return foreign_id_generator(entry.name)
        except Exception as error:
            logger.warning("%s=%r cannot be used: %s", OTEL_PYTHON_ID_GENERATOR, name, error)
    else:
        known = ", ".join(sorted(registered_names("opentelemetry_id_generator")))
        warn_ignored(logger, OTEL_PYTHON_ID_GENERATOR, name, f"one of {known} (default random)")
    return RandomIdGenerator()


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
